package tests

import (
	"context"
	"fmt"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// TestEarlyExit compares a model with the same one compiled without early exit, whose prefill
// computes the cross-decoder for every row: the logits of the last row are the same bits, after
// the first chunk, later ones, a second turn and while decoding. (That the one does and the other
// does not compute those rows is counted in the tests of the two packages.)
func TestEarlyExit(t *testing.T) {
	exits, all := open(t, "flabiasqknorm"), open(t, "flaallrows")
	for _, level := range levels(t) {
		for _, chunk := range []int{1, 16, 64, 256} {
			for _, n := range []int{1, 16, 40, 130, 640, 1100} { // 1100: three segments of the cache
				w := way{Options: rt.Options{ISA: level, Threads: 2, Chunk: chunk}, turns: min(n, 2)}
				if n > 40 && (level == "portable" || chunk == 1) || n > 130 && (race || testing.Short()) {
					continue
				}
				tokens := prompt(n, exits.Info().Vocab)
				if diff := run(t, exits, w, tokens).difference(run(t, all, w, tokens)); diff != "" {
					t.Errorf("%d tokens, %v: with and without early exit, %s", n, w, diff)
				}
			}
		}
	}
}

// TestEveryRow asks for every row's logits, where there is no early exit, and for the last row's
// after a prefill that ends with each of these rows: the same bits.
func TestEveryRow(t *testing.T) {
	for _, name := range []string{"yoco8m", "flaswa", "flagdn", "sambay", "flabiasqknorm", "flatied", "flaallrows", "plaintiny", "mixedtiny", "deltatiny"} {
		m := open(t, name)
		n := 37
		if race {
			n = 11
		}
		tokens := prompt(n, m.Info().Vocab)
		for _, chunk := range []int{5, 64} {
			o := rt.Options{Context: n, Threads: 2, Chunk: chunk}
			var scored, exited outcome
			s := session(t, m, o)
			err := s.ScoreRows(context.Background(), tokens, func(row int, l []float32) error {
				scored.add(fmt.Sprintf("logits of row %d", row), l)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				s := session(t, m, o)
				prefill(t, s, tokens[:i+1])
				exited.add(fmt.Sprintf("logits of row %d", i), logits(t, s))
				s.Close()
			}
			if diff := scored.difference(&exited); diff != "" {
				t.Errorf("%s in chunks of %d: %s", name, chunk, diff)
			}
		}
	}
}
