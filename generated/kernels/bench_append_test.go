//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

// BenchmarkAppend is what a token of a prompt takes to be stored in a cache, by one thread: in chunks of 256 tokens, whose
// places in the cache are in memory, or in the last cache if it is small.
func BenchmarkAppend(b *testing.B) {
	const rows, tokens = 256, 16384
	for _, set := range Sets()[1:] {
		for _, format := range []struct {
			name string
			kernel.Format
		}{{"f32", kernel.F32}, {"bf16", kernel.BF16}, {"q8", kernel.Q8}, {"q4", kernel.Q4}} {
			for _, shape := range []struct{ kvHeads, dim int }{{12, 64}, {8, 128}, {4, 96}} {
				b.Run(fmt.Sprintf("%s/%s/heads=%d/dim=%d", format.name, set.Level(), shape.kvHeads, shape.dim), func(b *testing.B) {
					spec := &kernel.CacheSpec{KVHeads: shape.kvHeads, Dim: shape.dim, Format: format.Format}
					cache := cacheIn(spec, hugePages(b, spec.Bytes()*(tokens/kernel.SpanTokens)))
					n := shape.kvHeads * shape.dim
					x := kernel.Rows{Data: aligned(2 * rows * n), Stride: 2 * n}
					fill(x.Data)
					c := newCrew(set, 1, kernel.AttendScratch(shape.kvHeads, shape.kvHeads, shape.dim, rows))
					defer c.stop()
					at := 0
					for b.Loop() {
						c.run(func(w *kernel.Worker) {
							kernel.Append(w, spec, &cache, x, x.Cols(n), nil, kernel.Phases{}, at, rows)
						})
						at = (at + rows) % tokens
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/token")
				})
			}
		}
	}
}
