//go:build amd64 && !purego

package kernels

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/yococ/yococ/asm"
	"github.com/yococ/yococ/runtime/kernel"
)

// The kernels' own limits, measured in the same run: compare GFLOP/s with BenchmarkPeak's, and
// GB/s with BenchmarkRead's of the same size.

// probes are the probes of the assembly levels.
var probes = map[string]struct {
	lanes int
	fma   func(rounds int)
	dots  [2]func(rounds int) // for 8 and for 4 bits
	read  func(p []float32)
}{
	"avx2":   {8, fmaPeak_avx2, [2]func(int){signPeak_avx2, blockPeak_avx2}, readPeak_avx2},
	"avx512": {16, fmaPeak_avx512, [2]func(int){dotPeak_avx512, dotPeak_avx512}, readPeak_avx512},
}

func BenchmarkPeak(b *testing.B) {
	for _, set := range Sets()[1:] {
		b.Run(set.Level(), func(b *testing.B) {
			const rounds = 10000
			p := probes[set.Level()]
			for b.Loop() {
				p.fma(rounds)
			}
			gflops(b, rounds*asm.ProbeFMAs*p.lanes*2)
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, set := range Sets()[1:] {
		for _, kib := range []int{32, 128, 512, 4096, 65536} {
			b.Run(fmt.Sprintf("%s/KiB=%d", set.Level(), kib), func(b *testing.B) {
				data := aligned(kib << 8)
				b.SetBytes(int64(4 * len(data)))
				for b.Loop() {
					probes[set.Level()].read(data)
				}
			})
		}
	}
}

// BenchmarkGemm multiplies by one hot panel of 64 columns.
func BenchmarkGemm(b *testing.B) {
	for _, set := range Sets() {
		for _, rows := range []int{1, 2, 3, 4, 6, 8, 126, 128} {
			for _, k := range []int{128, 512, 2048} {
				x, dst := aligned(rows*k), aligned(rows*64)
				fill(x)
				b.Run(fmt.Sprintf("F32/%s/rows=%d/k=%d", set.Level(), rows, k), func(b *testing.B) {
					w := aligned(k * 64)
					fill(w)
					b.SetBytes(int64(4 * len(w)))
					for b.Loop() {
						set.GemmF32(dst, 64, x, k, w, 64, k, rows, false)
					}
					gflops(b, rows*k*64*2)
				})
				b.Run(fmt.Sprintf("BF16/%s/rows=%d/k=%d", set.Level(), rows, k), func(b *testing.B) {
					w := make([]uint16, k*64)
					for i := range w {
						w[i] = uint16(0x3f00 + i%256)
					}
					b.SetBytes(int64(2 * len(w)))
					for b.Loop() {
						set.GemmBF16(dst, 64, x, k, w, 64, k, rows, false)
					}
					gflops(b, rows*k*64*2)
				})
			}
		}
	}
}

func BenchmarkElementwise(b *testing.B) {
	const n = 2048
	x, y, dst := aligned(n), aligned(n), aligned(n)
	q, sums := make([]int8, n), make([]int32, n/kernel.Q4Block)
	fill(x)
	fill(y)
	for _, set := range Sets() {
		for _, k := range []struct {
			name string
			call func(kernel.Set)
		}{
			{"RMSNorm", func(s kernel.Set) { s.RMSNorm(dst, x, y, 1e-5) }},
			{"QuantizeRow/q8", func(s kernel.Set) { s.QuantizeRow(q, sums[:n/kernel.Q8Block], x, kernel.Q8Block, 128) }},
			{"QuantizeRow/q4", func(s kernel.Set) { s.QuantizeRow(q, sums, x, kernel.Q4Block, 8) }},
			{"TileStore", func(s kernel.Set) { s.TileStore(dst, 64, x, y, 1, y[:64], n/64, 64) }},
			{"TileAdd", func(s kernel.Set) { s.TileAdd(dst, 64, x, y, 1, y[:64], n/64, 64) }},
			{"TileSwiGLU", func(s kernel.Set) { s.TileSwiGLU(dst, 32, x, y, 1, n/64) }},
			{"GateNorm", func(s kernel.Set) { s.GateNorm(dst, 128, x, 128, y, 128, 128, n/128, 1e-5) }},
			{"Softmax", func(s kernel.Set) { copy(dst, x); s.Softmax(dst, n/4, 4, n/256, 0, n/4, y, 4, nil) }},
			{"ExpDiff", func(s kernel.Set) { s.ExpDiff(dst, x, 0) }},
			{"Mul", func(s kernel.Set) { s.Mul(dst, x, y) }},
			{"Merge", func(s kernel.Set) { s.Merge(dst, x, 0.5, 0.5) }},
			{"MergeParts", func(s kernel.Set) { s.MergeParts(dst[:1152], x[:1152], 144) }},
			{"Div", func(s kernel.Set) { s.Div(dst, x, 3) }},
			{"RopeInterleaved", func(s kernel.Set) { s.RopeInterleaved(dst, 128, x, 128, y, y, 128, 128, n/128) }},
			{"RopeHalf", func(s kernel.Set) { s.RopeHalf(dst, 128, x, 128, y, y, 128, 128, n/128) }},
			{"ScaleRows", func(s kernel.Set) { s.ScaleRows(dst, 128, x, 128, y, 128, n/128) }},
			{"Transpose", func(s kernel.Set) { s.Transpose(dst, 16, x, 128, 0.5, 128, n/128) }},
			{"Decay", func(s kernel.Set) { s.Decay(dst, 64, x[:64], 64-n/64, n/64) }},
		} {
			b.Run(k.name+"/"+set.Level(), func(b *testing.B) {
				for b.Loop() {
					k.call(set)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/element")
			})
		}
	}
}

// gflops reports the arithmetic of a benchmark whose iteration does so many operations.
func gflops(b *testing.B, operations int) {
	b.ReportMetric(float64(operations)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
}

// fill fills x with small numbers, none of them special.
func fill(x []float32) {
	for i := range x {
		x[i] = float32(i%13)/8 - 0.7
	}
}

// asWords are pairs of halves as words, to be read only.
func asWords(h []uint16) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(h))), len(h)/2)
}
