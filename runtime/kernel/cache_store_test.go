package kernel

import (
	"bytes"
	"math"
	"testing"
)

// TestStoreTogether stores tokens of caches of integers one by one, and in runs of every kind: the bytes are equal, and
// none is written that belongs to nothing.
func TestStoreTogether(t *testing.T) {
	const tokens = 90
	for _, format := range []Format{Q8, Q4} {
		for _, dim := range []int{1, 7, 16, 24, 40, 64, 112, 128, 150} {
			for _, rope := range []*Rope{nil, NewRope(dim&^1, 10000, "fla", true)} {
				if rope != nil && dim%2 > 0 {
					continue
				}
				s := &CacheSpec{KVHeads: 2, Dim: dim, Format: format}
				x := Rows{make([]float32, tokens*4*dim), 4 * dim}
				for i := range x.Data {
					x.Data[i] = float32(math.Tan(float64(i*i%977 + dim)))
				}
				ph := Phases{Cos: Rows{make([]float32, tokens*dim), dim}, Sin: Rows{make([]float32, tokens*dim), dim}}
				fill := func(step int) []byte {
					spans := Spans{make([]byte, s.Bytes())}
					states := NewStates(nil, &spans)
					c := s.View(&states)
					team(1, AttendScratch(2, 2, dim, 1), func(w *Worker) {
						if rope != nil {
							Rotate(w, ph, rope, 0, tokens)
						}
						for pos := 0; pos < tokens; pos += step {
							rows := min(step, tokens-pos)
							at := Phases{}
							if rope != nil {
								at = ph.From(pos)
							}
							Append(w, s, &c, x.From(pos), x.From(pos).Cols(2*dim), rope, at, pos, rows)
						}
					})
					return spans[0]
				}
				want := fill(1)
				for _, step := range []int{3, 8, 13, 64, tokens} {
					if !bytes.Equal(fill(step), want) {
						t.Errorf("format %d, %d a head: %d tokens at a time are stored otherwise", format, dim, step)
					}
				}
			}
		}
	}
}

// TestWeave compares columns with rows.
func TestWeave(t *testing.T) {
	for n := 0; n <= 64; n += 8 {
		var rows [4][]byte
		for r := range rows {
			for i := range n {
				rows[r] = append(rows[r], byte(37*i+101*r+200))
			}
		}
		out := make([]byte, 4*n)
		weave(out, rows[0], rows[1], rows[2], rows[3])
		for i, x := range out {
			if want := rows[i%4][i/4]; x != want {
				t.Fatalf("%d columns: byte %d is %d, want %d", n, i, x, want)
			}
		}
	}
}
