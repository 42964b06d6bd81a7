package tests

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/yococ/yococ/internal/testmodel"
	rt "github.com/yococ/yococ/runtime"
)

// TestSynthetic: a made-up depth is the same every time, whatever the session was before and however many
// workers it has; its numbers are numbers; and nothing of it is left after Reset.
func TestSynthetic(t *testing.T) {
	for _, tm := range testmodel.Models {
		t.Run(tm.Name, func(t *testing.T) {
			m := open(t, tm.Name)
			vocab := m.Info().Vocab
			const room = 3000
			synthesize := func(s *rt.Session, pos int) []float32 {
				t.Helper()
				if err := s.Synthesize(context.Background(), pos); err != nil || s.Pos() != pos {
					t.Fatalf("position %d, %v, want %d", s.Pos(), err, pos)
				}
				prefill(t, s, prompt(70, vocab)) // a block of states ends on the way
				return slices.Clone(logits(t, s))
			}
			one := session(t, m, rt.Options{Context: room, Threads: 1})
			two := session(t, m, rt.Options{Context: room, Threads: 2})
			prefill(t, two, prompt(100, vocab))
			seen := map[float32]int{}
			for _, pos := range []int{0, 100, 512, 1024, 1100, 2900} {
				x := synthesize(one, pos)
				if y := synthesize(two, pos); !slices.Equal(x, y) {
					t.Errorf("position %d: logits differ", pos)
				}
				for _, v := range x {
					if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
						t.Fatalf("position %d: a logit is %v", pos, v)
					}
				}
				if other, ok := seen[x[0]]; ok {
					t.Errorf("positions %d and %d have the same logits", pos, other)
				}
				seen[x[0]] = pos
			}
			fresh := session(t, m, rt.Options{Context: room, Threads: 1})
			if err := one.Reset(); err != nil {
				t.Fatal(err)
			}
			for _, s := range []*rt.Session{one, fresh} {
				prefill(t, s, prompt(600, vocab))
			}
			if !slices.Equal(logits(t, one), logits(t, fresh)) {
				t.Error("something is left after Reset")
			}
			var full *rt.ContextFullError
			if err := one.Synthesize(context.Background(), room+1); !errors.As(err, &full) {
				t.Errorf("more than the context: %v", err)
			}
			canceled, cancel := context.WithCancel(context.Background())
			cancel()
			if err := one.Synthesize(canceled, room); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled: %v", err)
			}
		})
	}
}
