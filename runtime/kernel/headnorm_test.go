package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestNormHeads(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 41))
	for _, c := range []struct{ heads, dim, rows int }{{1, 1, 1}, {3, 24, 5}, {4, 64, 1}, {2, 17, 9}, {1, 128, 3}} {
		x, gain := random(rng, c.rows, c.heads*c.dim), floats(rng, roundUp(c.dim, line))
		run := func(workers int) Rows {
			dst := blank(c.rows, c.heads*c.dim)
			team(workers, 0, func(w *Worker) { NormHeads(w, dst, x, gain, c.heads, c.dim, 1e-5, c.rows) })
			return dst
		}
		dst := run(1)
		for _, workers := range []int{2, 3, 7} {
			same(t, fmt.Sprintf("%+v, %d workers", c, workers), run(workers).Data, dst.Data)
		}
		for r := range c.rows {
			for h := range c.heads {
				in, out := x.Row(r, c.heads*c.dim)[h*c.dim:][:c.dim], dst.Row(r, c.heads*c.dim)[h*c.dim:][:c.dim]
				sum := 0.0
				for _, v := range in {
					sum += float64(v) * float64(v)
				}
				for i, v := range in {
					want := float64(v) / math.Sqrt(sum/float64(c.dim)+1e-5) * float64(gain[i])
					if math.Abs(float64(out[i])-want) > 1e-6*max(1, math.Abs(want)) {
						t.Fatalf("%+v: row %d, head %d: [%d] is %v, want %v", c, r, h, i, out[i], want)
					}
				}
			}
		}
	}
}
