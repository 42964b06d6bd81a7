//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"testing"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
)

// shapes are the matrices of a model with three billion weights: outputs and inputs.
var shapes = [][2]int{{3072, 3072}, {3072, 8192}}

// denseFormats are the formats of weights that are not quantized, and how to fill a matrix.
var denseFormats = []struct {
	name   string
	matrix func(m *rt.Memory, n, k int) kernel.Matrix
}{
	{"f32", func(m *rt.Memory, n, k int) kernel.Matrix {
		w := m.Floats(kernel.PackedF32(n, k))
		fill(w)
		return kernel.Matrix{N: n, K: k, F32: w}
	}},
	{"bf16", func(m *rt.Memory, n, k int) kernel.Matrix {
		w := m.Uint16s(kernel.PackedBF16(n, k))
		for i := range w {
			w[i] = uint16(0x3f00 + i%256)
		}
		return kernel.Matrix{N: n, K: k, BF16: w}
	}},
	{"dots", func(m *rt.Memory, n, k int) kernel.Matrix {
		w := m.Uint16s(kernel.PackedBF16(n, k))
		for i := range w {
			w[i] = uint16(0x3f00 + i%256)
		}
		return kernel.Matrix{N: n, K: k, BF16: w, Rounds: true}
	}},
}

// BenchmarkDense multiplies the rows of a chunk, beside the peak of the arithmetic units.
func BenchmarkDense(b *testing.B) {
	eachDense(b, []int{512}, func(b *testing.B, c *crew, l *dense) {
		const rounds = 200_000 // some milliseconds
		peak, flops := fmaPeak(c.set().Level())
		if l.m.Rounds {
			peak, flops = pairPeak(c.set().Level())
		}
		paired(b, c, "GFLOP/s", 2*l.rows*l.m.N*l.m.K, len(c.workers)*rounds*flops,
			func(w *kernel.Worker, _ int) { l.run(w) }, func(*kernel.Worker, int) { peak(rounds) })
	})
}

// A dense is a product to be measured.
type dense struct {
	m           kernel.Matrix
	x, tmp, dst kernel.Rows
	rows        int
}

func (l *dense) run(w *kernel.Worker) {
	kernel.Linear(w, l.dst, kernel.Quantized(l.x, l.tmp), &l.m, nil, l.rows)
}

// eachDense runs a benchmark for every format, level, shape, number of rows and of workers.
func eachDense(b *testing.B, rows []int, run func(b *testing.B, c *crew, l *dense)) {
	for _, f := range denseFormats {
		for _, shape := range shapes {
			m := rt.NewMemory()
			n, k := shape[0], shape[1]
			matrix := f.matrix(m, n, k)
			for _, set := range Sets()[1:] {
				for _, r := range rows {
					for workers := 1; workers <= 2; workers++ {
						b.Run(fmt.Sprintf("%s/%s/n=%d/k=%d/rows=%d/workers=%d", f.name, set.Level(), n, k, r, workers), func(b *testing.B) {
							more := rt.NewMemory()
							defer more.Free()
							block := func(width int) kernel.Rows {
								return kernel.Rows{Data: more.Floats(r * (width + 16)), Stride: width + 16}
							}
							x, tmp, dst := block(k), block(k/2), block(n)
							fill(x.Data)
							c := newCrew(set, workers, kernel.LinearScratch(k, r))
							defer c.stop()
							run(b, c, &dense{matrix, x, tmp, dst, r})
						})
					}
				}
			}
			m.Free()
		}
	}
}
