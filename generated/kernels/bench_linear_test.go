//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/yococ/yococ/asm"
	"github.com/yococ/yococ/runtime/kernel"
)

// BenchmarkLinear is a whole layer, quantizing its input included, by one worker and by two, compared
// with as many probes at once.
func BenchmarkLinear(b *testing.B) {
	set := Sets()[len(Sets())-1]
	for _, f := range formats {
		for _, shape := range []struct{ n, k int }{{8192, 3072}, {3072, 8192}} {
			m := kernel.Matrix{N: shape.n, K: shape.k}
			w := huge(b, f.packed(m.N, m.K))
			r := rand.New(rand.NewPCG(2, 2))
			for i := 0; i < len(w); i += 8 {
				*(*uint64)(unsafe.Pointer(&w[i])) = r.Uint64() &^ 0x4000_4000_4000_4000 // no scale is infinite
			}
			if f.block == kernel.Q8Block {
				m.Q8 = w
			} else {
				m.Q4 = w
			}
			for _, rows := range []int{1, 4, 8, 16, 32, 128, 256, 512} {
				for _, workers := range []int{1, 2} {
					b.Run(fmt.Sprintf("%s/%s/n=%d/k=%d/rows=%d/workers=%d", f.name, set.Level(), m.N, m.K, rows, workers), func(b *testing.B) {
						part := m // enough for many rows: a run is short
						part.N = min(m.N, max(2048, 8192*16/rows/kernel.PanelCols*kernel.PanelCols))
						benchmarkLinear(b, set, &part, rows, workers)
					})
				}
			}
		}
	}
}

func benchmarkLinear(b *testing.B, set kernel.Set, m *kernel.Matrix, rows, workers int) {
	floats := func(n int) []float32 {
		p := huge(b, 4*n)
		return floatsOf(p)
	}
	strideK, strideN, width := m.K+16, m.N+16, (kernel.QuantizedWidth(m.K)+15)&^15
	x, tmp, dst := kernel.Rows{Data: floats(rows * strideK), Stride: strideK}, kernel.Rows{Data: floats(rows * width), Stride: width}, kernel.Rows{Data: floats(rows * strideN), Stride: strideN}
	fill(x.Data)
	var barrier kernel.Barrier
	team := make([]*kernel.Worker, workers)
	for i := range team {
		team[i] = kernel.NewWorker(i, workers, set, floats(kernel.LinearScratch(m.K, rows)), &barrier)
	}
	all := func(run func(w *kernel.Worker)) func() {
		return func() {
			var done sync.WaitGroup
			for _, w := range team[1:] {
				done.Go(func() { run(w) })
			}
			run(team[0])
			done.Wait()
		}
	}
	rounds := 20_000 // some tens of microseconds
	clock := threadTime
	if workers > 1 {
		clock = wallTime
		rounds *= 100 // starting a goroutine takes as long as that
	}
	times := bestOf(b, clock, all(func(*kernel.Worker) { probes[set.Level()].dots[0](rounds) }),
		all(func(w *kernel.Worker) { kernel.Linear(w, dst, kernel.Quantized(x, tmp), m, nil, rows) }))
	peak := float64(workers*rounds*asm.ProbeDots*probes[set.Level()].lanes*8) / float64(times[0].Nanoseconds())
	got := float64(2*rows*m.K*m.N) / float64(times[1].Nanoseconds())
	b.ReportMetric(got, "GOP/s")
	b.ReportMetric(got/peak, "of-peak")
	bytes := kernel.PackedQ8(m.N, m.K)
	if m.Q4 != nil {
		bytes = kernel.PackedQ4(m.N, m.K)
	}
	b.ReportMetric(float64(bytes)/float64(times[1].Nanoseconds()), "GB/s")
}
