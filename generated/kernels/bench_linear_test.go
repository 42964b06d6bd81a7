//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/yococ/yococ/runtime/kernel"
)

// BenchmarkLinear is a whole layer, quantizing its input included, by one worker and by two, beside
// as many probes at once. All outputs are computed, since rows are quantized once for all of them.
func BenchmarkLinear(b *testing.B) {
	for _, set := range Sets()[1:] {
		for bits, f := range formats {
			for _, shape := range []struct{ n, k int }{{8192, 3072}, {3072, 8192}} {
				m := kernel.Matrix{N: shape.n, K: shape.k}
				w := huge(b, f.packed(m.N, m.K))
				r := rand.New(rand.NewPCG(2, 2))
				for i := 0; i < len(w); i += 8 {
					*(*uint64)(unsafe.Pointer(&w[i])) = r.Uint64() &^ 0x4000_4000_4000_4000 // no scale is infinite
				}
				if f.name == "GemmQ8" {
					m.Q8 = w
				} else {
					m.Q4 = w
				}
				for _, rows := range []int{1, 4, 8, 16, 32, 128, 256, 512} {
					for _, workers := range []int{1, 2} {
						b.Run(fmt.Sprintf("%s/%s/n=%d/k=%d/rows=%d/workers=%d", f.name, set.Level(), m.N, m.K, rows, workers), func(b *testing.B) {
							benchmarkLinear(b, set, &m, rows, workers, bytesPeak(bits))
						})
						if rows == 512 {
							b.Run(fmt.Sprintf("%s/%s/n=%d/k=%d/rows=%d/workers=%d/quantized", f.name, set.Level(), m.N, m.K, rows, workers), func(b *testing.B) {
								benchmarkLinear(b, quantizedSet{set}, &m, rows, workers, bytesPeak(bits))
							})
						}
					}
				}
			}
		}
	}
}

// A quantizedSet does not quantize rows: what stands beside it is the products alone. Rows are still brought where the
// products want them.
type quantizedSet struct{ kernel.Set }

func (s quantizedSet) QuantizeRow(q []int8, _ []int32, _ []float32, _, _ int) float32 {
	if q[0] == 0 { // memory as it was made
		for i := range q {
			q[i] = int8(37*i%255 - 127)
		}
	}
	return 1
}

func benchmarkLinear(b *testing.B, set kernel.Set, m *kernel.Matrix, rows, workers int, peak func(level string) (func(int), int)) {
	floats := func(n int) []float32 {
		p := huge(b, 4*n)
		return floatsOf(p)
	}
	strideK, strideN, width := m.K+16, m.N+16, (kernel.QuantizedWidth(m.K)+15)&^15
	x, tmp, dst := kernel.Rows{Data: floats(rows * strideK), Stride: strideK}, kernel.Rows{Data: floats(rows * width), Stride: width}, kernel.Rows{Data: floats(rows * strideN), Stride: strideN}
	fill(x.Data)
	c := newCrew(set, workers, kernel.LinearScratch(m.K, rows))
	defer c.stop()
	const rounds = 200_000 // some milliseconds
	probe, ops := peak(set.Level())
	paired(b, c, "GOP/s", 2*rows*m.K*m.N, workers*rounds*ops, func(w *kernel.Worker, _ int) {
		kernel.Linear(w, dst, kernel.Quantized(x, tmp), m, nil, rows)
	}, func(*kernel.Worker, int) { probe(rounds) })
}
