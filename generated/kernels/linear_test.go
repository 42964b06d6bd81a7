//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

// TestLinearQuant compares a layer of so many rows that its inputs are cut into blocks and its last panels into
// pieces with each of the rows alone, bit for bit.
func TestLinearQuant(t *testing.T) {
	const n, k, rows = 200, 3000, 301
	r := rand.New(rand.NewPCG(9, 9))
	x, tmp := kernel.Rows{Data: aligned(rows * (k + 8)), Stride: k + 8}, kernel.Rows{Data: aligned(rows * kernel.QuantizedWidth(k)), Stride: kernel.QuantizedWidth(k)}
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	for _, set := range Sets()[1:] {
		for _, f := range formats {
			w, q := make([]byte, f.packed(n, k)), make([]int8, quantBlock)
			for c := range (n + kernel.PanelCols - 1) / kernel.PanelCols * kernel.PanelCols {
				for block := range (k + quantBlock - 1) / quantBlock {
					for i := range q {
						q[i] = int8(f.below + r.IntN(f.most-f.below+1))
					}
					f.put(r, w, k, c, block, q, kernel.Float32ToBF16(r.Float32()/127), false)
				}
			}
			m := &kernel.Matrix{N: n, K: k}
			if f.name == "GemmQ8" {
				m.Q8 = w
			} else {
				m.Q4 = w
			}
			want := kernel.Rows{Data: aligned(rows * n), Stride: n}
			one := newCrew(set, 1, kernel.LinearScratch(k, 1))
			for row := range rows {
				one.run(func(w *kernel.Worker) {
					kernel.Linear(w, want.From(row), kernel.Quantized(x.From(row), tmp), m, nil, 1)
				})
			}
			one.stop()
			for workers := 1; workers <= 3; workers++ {
				t.Run(fmt.Sprintf("%s/%s/workers=%d", f.name, set.Level(), workers), func(t *testing.T) {
					c := newCrew(set, workers, kernel.LinearScratch(k, rows))
					defer c.stop()
					got := kernel.Rows{Data: aligned(rows * n), Stride: n}
					c.run(func(w *kernel.Worker) { kernel.Linear(w, got, kernel.Quantized(x, tmp), m, nil, rows) })
					for i := range got.Data {
						if math.Float32bits(got.Data[i]) != math.Float32bits(want.Data[i]) {
							t.Fatalf("row %d, output %d: %v, want %v", i/n, i%n, got.Data[i], want.Data[i])
						}
					}
				})
			}
		}
	}
}
