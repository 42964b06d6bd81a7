//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"testing"

	"github.com/yococ/yococ/asm"
	"github.com/yococ/yococ/runtime/kernel"
)

// BenchmarkAttendRows is the attention of a chunk of 512 rows behind 4,096 tokens, or of rows that see a
// window, beside the peak of the instruction that its products are made of: FMAs for floats, dots of bytes or of
// words for integers: queries are bytes, weights two or a word. The operations are those of the positions that
// rows see, with low bytes of weights alone.
func BenchmarkAttendRows(b *testing.B) {
	const rows, kvHeads = 512, 2
	for _, set := range Sets()[1:] {
		for _, format := range []struct {
			name string
			kernel.Format
		}{{"f32", kernel.F32}, {"bf16", kernel.BF16}, {"q8", kernel.Q8}} {
			for _, shape := range []struct{ group, dim, window, pos int }{
				{1, 64, 0, 4096}, {3, 64, 0, 4096}, {3, 128, 0, 4096}, {3, 128, 0, 0}, {3, 64, 1024, 4096}, {3, 128, 1024, 4096},
			} {
				if shape.window > 0 && format.Format == kernel.Q8 {
					continue
				}
				for _, threads := range []int{1, 2} {
					name := fmt.Sprintf("%s/%s/group=%d/dim=%d/window=%d/pos=%d/threads=%d", format.name, set.Level(), shape.group, shape.dim, shape.window, shape.pos, threads)
					b.Run(name, func(b *testing.B) {
						attendRows(b, set, format.Format, shape.group, shape.dim, shape.window, shape.pos, rows, kvHeads, threads)
					})
				}
			}
		}
	}
}

func attendRows(b *testing.B, set kernel.Set, format kernel.Format, group, dim, window, pos, rows, kvHeads, threads int) {
	spec := &kernel.CacheSpec{KVHeads: kvHeads, Dim: dim, Format: format, Window: window}
	size := spec.Bytes()
	if window == 0 {
		size *= (pos + rows) / kernel.SpanTokens
	}
	heads := group * kvHeads
	attend := &kernel.AttendSpec{Heads: heads, KVHeads: kvHeads, Dim: dim, Scale: 0.1, Window: window, Cache: spec}
	cache := cacheIn(spec, hugePages(b, size))
	c := newCrew(set, threads, kernel.AttendScratch(heads, kvHeads, dim, rows))
	defer c.stop()
	input := func(n int) kernel.Rows {
		x := kernel.Rows{Data: aligned(rows * (n + 16)), Stride: n + 16}
		fill(x.Data)
		return x
	}
	q, k, v, dst := input(heads*dim), input(kvHeads*dim), input(kvHeads*dim), input(heads*dim)
	run := func(w *kernel.Worker, pos int) {
		if window > 0 {
			kernel.AttendWindow(w, attend, dst, q, k, v, &cache, kernel.Phases{}, pos, rows)
			return
		}
		kernel.Attend(w, attend, dst, q, nil, &cache, kernel.Phases{}, nil, pos, rows)
	}
	for at := 0; at <= pos; at += rows {
		c.run(func(w *kernel.Worker) {
			if window > 0 {
				run(w, at)
				return
			}
			kernel.Append(w, spec, &cache, k, v, nil, kernel.Phases{}, at, rows)
		})
	}
	seen := 0
	for r := range rows {
		if n := pos + r + 1; window == 0 {
			seen += n
		} else {
			seen += min(n, window)
		}
	}
	probe, lanes := probes[set.Level()].fma, probes[set.Level()].lanes
	work, ops := seen*heads*4*dim, asm.ProbeFMAs*lanes*2
	switch {
	case format != kernel.Q8:
	case set.Level() == "avx512":
		probe, ops = probes[set.Level()].dots[0], asm.ProbeDots*lanes*8
	default: // twice as many words a vector as floats
		ops *= 2
	}
	const rounds = 40_000
	paired(b, c, "GFLOP/s", work, threads*rounds*ops,
		func(w *kernel.Worker, _ int) { run(w, pos) }, func(*kernel.Worker, int) { probe(rounds) })
}
