package runtime_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// Wherever a session goes back to, it holds the first tokens and has their logits, and goes on like one that never had
// others.
func TestRewind(t *testing.T) {
	tokens := long(3000)
	for _, checkpoints := range []int{-1, 1, 4} {
		for _, chunk := range []int{64, 300} {
			m := newModel(nil)
			s, err := m.NewSession(rt.Options{Context: 3100, Chunk: chunk, Threads: 2, Checkpoints: checkpoints})
			must(t, err)
			r := rand.New(rand.NewPCG(1, 2))
			must(t, s.Prefill(ctx, tokens))
			held := slices.Clone(tokens)
			for range 60 {
				pos := r.IntN(len(held) + 1)
				if r.IntN(2) == 0 {
					pos = max(0, len(held)-r.IntN(70))
				}
				must(t, s.Rewind(pos))
				held = held[:pos]
				if s.Pos() != pos || !slices.Equal(s.Tokens(), held) {
					t.Fatalf("after Rewind(%d) it is at %d", pos, s.Pos())
				}
				if pos > 0 {
					expect(t, s, held)
				} else if _, err := s.Logits(); err != rt.ErrNoTokens {
					t.Fatalf("logits of nothing: %v", err)
				}
				for range r.IntN(40) {
					token := r.Int32N(vocab)
					held = append(held, token)
					_, err := s.Decode(ctx, token)
					must(t, err)
				}
				more := make([]int32, r.IntN(3000-len(held)+1))
				for i := range more {
					more[i] = r.Int32N(vocab)
				}
				must(t, s.Prefill(ctx, more))
				if held = append(held, more...); len(held) > 0 {
					expect(t, s, held)
				}
				if n := len(s.Rungs()); n > max(0, checkpoints) {
					t.Fatalf("%d checkpoints, want %d", n, checkpoints)
				}
				if s.Reserved() > s.Promise() {
					t.Fatalf("%d bytes reserved, promised are %d", s.Reserved(), s.Promise())
				}
				spans(t, m, (len(held)+511)/512)
			}
			must(t, s.Close())
			if slabs, n := m.Slabs(); slabs != 0 || n != 0 {
				t.Errorf("%d slabs and %d spans are left", slabs, n)
			}
			must(t, m.Close())
		}
	}
}

func TestRewindErrors(t *testing.T) {
	s := newSession(t, rt.Options{})
	must(t, s.Prefill(ctx, text(20)))
	must(t, s.Rewind(20))
	for _, pos := range []int{-1, 21} {
		if err := s.Rewind(pos); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("rewind to %d tokens: the session holds 20", pos)) {
			t.Errorf("Rewind(%d): %v", pos, err)
		}
	}
	expect(t, s, text(20))
	for range s.Generate(ctx, rt.Sampling{MaxTokens: 2}) {
		if err := s.Rewind(1); err != rt.ErrBusy {
			t.Errorf("in the middle of Generate: %v", err)
		}
	}
	m := newModel(nil)
	if _, err := m.NewSession(rt.Options{Checkpoints: -2}); err == nil {
		t.Error("-2 checkpoints are none")
	}
	closed, err := m.NewSession(rt.Options{})
	must(t, err)
	must(t, closed.Close())
	if err := closed.Rewind(0); err != rt.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

// A fork goes back by itself, with the checkpoints of its session, whether it has computed or not.
func TestRewindFork(t *testing.T) {
	m := newModel(nil)
	s, err := m.NewSession(rt.Options{Context: 4000})
	must(t, err)
	tokens := long(2000)
	must(t, s.Prefill(ctx, tokens))
	a, b := fork(t, s), fork(t, s)
	if got, want := a.Rungs(), s.Rungs(); !slices.Equal(got, want) || len(got) < 3 {
		t.Errorf("checkpoints of a fork %v, of its session %v", got, want)
	}
	must(t, a.Rewind(1500))
	expect(t, a, tokens[:1500])
	must(t, b.Prefill(ctx, []int32{1, 2, 3}))
	must(t, s.Rewind(10))
	must(t, b.Rewind(1999))
	expect(t, b, tokens[:1999])
	must(t, b.Prefill(ctx, tokens[1999:]))
	expect(t, b, tokens)
	expect(t, a, tokens[:1500])
	expect(t, s, tokens[:10])
	for _, f := range []*rt.Session{a, s, b} {
		must(t, f.Close())
	}
	if slabs, n := m.Slabs(); slabs != 0 || n != 0 {
		t.Errorf("%d slabs and %d spans are left", slabs, n)
	}
}

// However tokens came, what Rewind computes again is in proportion to what it takes back, and the more checkpoints
// the less.
func TestLadder(t *testing.T) {
	for _, end := range []int{3000, 33_000, 131_072, 500_000} {
		for _, by := range []struct {
			how   string
			chunk int // of the Prefill that all tokens come by; 0 for one by one
		}{{"by 256", 256}, {"one by one", 0}} {
			for _, most := range []int{4, 8} {
				worst, farthest, at := 0.0, 0, rt.LadderAt(most, by.chunk, end)
				if len(at) > most || !slices.IsSorted(at) {
					t.Fatalf("checkpoints %v", at)
				}
				for pos := 1; pos < end; pos++ {
					from := 0
					for _, p := range at {
						if p < pos {
							from = p
						}
					}
					if ratio := float64(pos-from) / float64(end-pos+512); ratio > worst {
						worst, farthest = ratio, end-pos
					}
				}
				t.Logf("%d tokens %s, %d checkpoints: %v; at worst %.1f times, taking %d back", end, by.how, most, at, worst, farthest)
				// Distances that grow by a factor from rung to rung would make it this factor.
				if limit := 1.5 * math.Pow(float64(end)/256, 1/float64(most)); worst > limit {
					t.Errorf("%d tokens %s, %d checkpoints at %v: taking %d back computes %.1f times as many again", end, by.how, most, at, farthest, worst)
				}
			}
		}
	}
}
