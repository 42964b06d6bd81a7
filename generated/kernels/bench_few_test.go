//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"slices"
	"testing"

	"github.com/yococ/yococ/asm"
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
)

// BenchmarkFew multiplies few rows by weights from memory, as decoding does: whole linear layers, what prepares
// their input included. Beside it are a loop that only reads the weights and the peak of the arithmetic
// that the format takes. "of-limit" is the part of the limit that is nearer, the median of rounds. Matrices are ten times
// the last cache: of three times as much some stays in it, by which a plain loop gained 6 %.
func BenchmarkFew(b *testing.B) {
	const k, size, layers = 3072, 80 << 20, 4
	for _, f := range fewFormats {
		m := rt.NewMemory()
		n := size / f.bytes(kernel.PanelCols, k) * kernel.PanelCols
		var matrices [layers]kernel.Matrix
		for i := range matrices {
			matrices[i] = f.matrix(m, n, k)
		}
		bytes := float64(layers * 4 * len(f.words(&matrices[0])))
		for _, set := range Sets()[1:] {
			for workers := 1; workers <= 2; workers++ {
				c := newCrew(set, workers, kernel.LinearScratch(k, 32))
				for _, rows := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32} {
					b.Run(fmt.Sprintf("%s/%s/workers=%d/rows=%d", f.name, set.Level(), workers, rows), func(b *testing.B) {
						width := max(kernel.QuantizedWidth(k), kernel.RoundedWidth(k)) + 16
						x, tmp, dst := aligned(rows*(k+16)), aligned(rows*width), aligned(rows*(n+16))
						fill(x)
						in := kernel.Quantized(kernel.Rows{Data: x, Stride: k + 16}, kernel.Rows{Data: tmp, Stride: width})
						const rounds = 40_000
						peak, ops := f.peak(set.Level())
						read := probes[set.Level()].read
						var parts, reads, rates, peaks []float64
						for b.Loop() {
							r := bytes / float64(c.run(func(w *kernel.Worker) {
								for i := range matrices {
									words := f.words(&matrices[i])
									lo, hi := w.Share(len(words) / 4096)
									read(words[lo*4096 : hi*4096])
								}
							}).Nanoseconds())
							p := float64(workers*rounds*ops) / float64(c.run(func(*kernel.Worker) { peak(rounds) }).Nanoseconds())
							took := float64(c.run(func(w *kernel.Worker) {
								for i := range matrices {
									kernel.Linear(w, kernel.Rows{Data: dst, Stride: n + 16}, in, &matrices[i], nil, rows)
									w.Sync()
								}
							}).Nanoseconds())
							rate, operations := bytes/took, float64(layers*2*rows*n*k)/took
							reads, rates, peaks = append(reads, r), append(rates, rate), append(peaks, p)
							parts = append(parts, max(rate/r, operations/p))
						}
						for _, m := range []struct {
							unit string
							of   []float64
						}{{"GB/s", rates}, {"read-GB/s", reads}, {"peak-GOP/s", peaks}, {"of-limit", parts}} {
							slices.Sort(m.of)
							b.ReportMetric(m.of[len(m.of)/2], m.unit)
						}
					})
				}
				c.stop()
			}
		}
		m.Free()
	}
}

// A fewFormat is a format of weights and activations.
type fewFormat struct {
	name   string
	bytes  func(n, k int) int
	matrix func(m *rt.Memory, n, k int) kernel.Matrix
	words  func(*kernel.Matrix) []float32
	peak   func(level string) (probe func(rounds int), ops int) // and its operations a round
}

var fewFormats = []fewFormat{
	{"f32", func(n, k int) int { return 4 * kernel.PackedF32(n, k) }, denseFormats[0].matrix, denseWords, fmaPeak},
	{"bf16", func(n, k int) int { return 2 * kernel.PackedBF16(n, k) }, denseFormats[1].matrix, denseWords, fmaPeak},
	{"dots", func(n, k int) int { return 2 * kernel.PackedBF16(n, k) }, denseFormats[2].matrix, denseWords, pairPeak},
	{"q8", kernel.PackedQ8, func(m *rt.Memory, n, k int) kernel.Matrix {
		return kernel.Matrix{N: n, K: k, Q8: anyBytes(m.Bytes(kernel.PackedQ8(n, k)))}
	}, func(m *kernel.Matrix) []float32 { return floatsOf(m.Q8) }, bytesPeak(0)},
	{"q4", kernel.PackedQ4, func(m *rt.Memory, n, k int) kernel.Matrix {
		return kernel.Matrix{N: n, K: k, Q4: anyBytes(m.Bytes(kernel.PackedQ4(n, k)))}
	}, func(m *kernel.Matrix) []float32 { return floatsOf(m.Q4) }, bytesPeak(1)},
}

func denseWords(m *kernel.Matrix) []float32 {
	if m.BF16 != nil {
		return asWords(m.BF16)
	}
	return m.F32
}

// anyBytes fills p with bytes that as scales are small numbers.
func anyBytes(p []byte) []byte {
	for i := range p {
		p[i] = byte(0x38 + i%7)
	}
	return p
}

func fmaPeak(level string) (func(rounds int), int) {
	return probes[level].fma, 2 * asm.ProbeFMAs * probes[level].lanes
}

func pairPeak(level string) (func(rounds int), int) {
	if level == "avx512" && kernel.HasBF16Dots() {
		return pairPeak_avx512bf16, 4 * asm.ProbePairs * probes[level].lanes
	}
	return fmaPeak(level)
}

// bytesPeak is the peak of products of 8 or 4 bits.
func bytesPeak(bits int) func(level string) (func(rounds int), int) {
	return func(level string) (func(rounds int), int) {
		ops := asm.ProbeDots
		if bits == 1 && level == "avx2" {
			ops = asm.ProbeBlocks
		}
		return probes[level].dots[bits], 8 * ops * probes[level].lanes
	}
}
