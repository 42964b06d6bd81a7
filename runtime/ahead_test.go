package runtime_test

import (
	"context"
	"errors"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// A prompt takes the spans that it fills before it gets to them, and no more: if it ends early they are there for the
// tokens that come then, and are given back with them.
func TestPrefillAhead(t *testing.T) {
	for _, threads := range []int{1, 2, 3} {
		m := newModel(nil)
		s, err := m.NewSession(rt.Options{Context: 4000, Threads: threads, Chunk: 100})
		must(t, err)
		must(t, s.Prefill(ctx, long(511)))
		spans(t, m, 1)

		tokens := long(2600)
		ending, end := context.WithCancel(ctx)
		err = s.PrefillProgress(ending, tokens[511:], func(p rt.Progress) {
			spans(t, m, 5) // the sixth is not filled
			if p.Done >= 200 {
				end()
			}
		})
		if !errors.Is(err, context.Canceled) || s.Pos() != 711 {
			t.Fatalf("%v after %d tokens", err, s.Pos())
		}
		spans(t, m, 5)
		must(t, s.Prefill(ctx, tokens[711:720]))
		spans(t, m, 5)
		must(t, s.Prefill(ctx, tokens[720:]))
		spans(t, m, 6)
		expect(t, s, tokens)
		must(t, s.Rewind(700))
		spans(t, m, 2)
		must(t, s.Prefill(ctx, tokens[700:]))
		spans(t, m, 6)
		expect(t, s, tokens)
		must(t, s.Close())
		spans(t, m, 0)
		must(t, m.Close())
	}
}
