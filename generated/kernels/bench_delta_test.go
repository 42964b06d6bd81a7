//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"testing"

	"github.com/yococ/yococ/asm"
	"github.com/yococ/yococ/runtime/kernel"
)

// BenchmarkDelta is the delta rule of a chunk, two heads of flash-linear-attention's default size, beside
// the peak of the FMA units; the operations are those of its products, with the scores counted whole and
// of what they multiply the triangles.
func BenchmarkDelta(b *testing.B) {
	const heads, dim, valueDim, block = 2, 256, 512, 64
	for _, set := range Sets()[1:] {
		for _, rows := range []int{1, 64, 128, 512} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/rows=%d/threads=%d", set.Level(), rows, threads), func(b *testing.B) {
					spec := &kernel.DeltaSpec{Heads: heads, ValueHeads: heads, Dim: dim, ValueDim: valueDim, Scale: 1.0 / 16, Beta: 1, L2Eps: 1e-6, Eps: 1e-6}
					state := spec.State(aligned(spec.StateFloats()))
					input := func(n int) kernel.Rows {
						x := kernel.Rows{Data: aligned(rows * (n + 16)), Stride: n + 16}
						fill(x.Data)
						return x
					}
					q, k, v, g, dst := input(heads*dim), input(heads*dim), input(heads*valueDim), input(heads*valueDim), input(heads*valueDim)
					a, bs, vector := input(heads), input(heads), input(valueDim).Data
					c := newCrew(set, threads, spec.Scratch(rows))
					defer c.stop()
					pos, last, rounds := 0, 0, 4000
					paired(b, c, "GFLOP/s", rows*heads*2*(3*dim*valueDim+2*dim*block+valueDim*block), threads*rounds*asm.ProbeFMAs*probes[set.Level()].lanes*2,
						func(w *kernel.Worker, i int) {
							if w.ID == 0 && i != last {
								pos, last = pos+rows, i
							}
							w.Sync()
							kernel.DeltaGated(w, spec, dst, q, k, v, a, bs, g, vector, vector, vector, &state, pos, rows)
						}, func(w *kernel.Worker, i int) { probes[set.Level()].fma(rounds) })
				})
			}
		}
	}
}

// BenchmarkShortConv is the convolution of a chunk, 4 taps and silu.
func BenchmarkShortConv(b *testing.B) {
	const channels, taps = 3072, 4
	for _, set := range Sets()[1:] {
		for _, rows := range []int{1, 256} {
			b.Run(fmt.Sprintf("%s/rows=%d", set.Level(), rows), func(b *testing.B) {
				spec := &kernel.ConvSpec{Channels: channels, Taps: taps, SiLU: true}
				state, weight := spec.State(aligned(spec.StateFloats())), aligned(taps*channels)
				x, dst := aligned(rows*(channels+16)), aligned(rows*(channels+16))
				fill(x)
				fill(weight)
				w := kernel.NewWorker(0, 1, set, aligned(spec.Scratch(rows)), &kernel.Barrier{})
				stride := channels + 16
				for b.Loop() {
					kernel.ShortConv(w, spec, kernel.Rows{Data: dst, Stride: stride}, kernel.Rows{Data: x, Stride: stride}, weight, nil, &state, 0, rows)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows*channels), "ns/element")
			})
		}
	}
}
