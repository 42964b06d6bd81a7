//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/yococ/yococ/asm"
	"github.com/yococ/yococ/runtime/kernel"
)

// bestOf runs each of some functions in turn, as often as the benchmark wants, and returns the
// shortest time of each by a clock: what is compared was measured side by side.
func bestOf(b *testing.B, clock func() time.Duration, runs ...func()) []time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := make([]time.Duration, len(runs))
	for b.Loop() {
		for i, run := range runs {
			start := clock()
			run()
			if d := clock() - start; best[i] == 0 || d < best[i] {
				best[i] = d
			}
		}
	}
	return best
}

// threadTime is the processor time of this thread: what other processes take does not count.
func threadTime() time.Duration {
	const thread = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, thread, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// huge is n bytes of memory in pages as large as the system has.
func huge(b *testing.B, n int) []byte {
	const page = 2 << 20
	all, err := syscall.Mmap(-1, 0, n+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = syscall.Munmap(all) })
	const madvHugepage = 14
	_ = syscall.Madvise(all, madvHugepage)
	return all[:n]
}

// dotRounds is a probe of some microseconds.
const dotRounds = 4000

// quantOperands are rows of activations, with some sums a block, and a tile.
func quantOperands(rows, k, each int) (x []int8, sums []int32, dst []float32) {
	r := rand.New(rand.NewPCG(1, 1))
	x, sums = make([]int8, rows*(k+64)), make([]int32, rows*(k/quantBlock*each+16))
	for i := range x {
		x[i] = int8(r.IntN(255) - 127)
	}
	return x, sums, aligned(rows * kernel.PanelCols)
}

// BenchmarkGemmQuant multiplies 512 rows by a panel as Linear does, and compares with the peak.
func BenchmarkGemmQuant(b *testing.B) {
	for _, set := range Sets()[1:] {
		for _, f := range formats {
			for _, k := range []int{3072} {
				for _, step := range []int{256, 512, 1024, 3072} {
					for _, rows := range []int{1, 2, 4, 8, 12, 16, 24, 32, 512} {
						if rows < 512 && step < k {
							continue
						}
						b.Run(fmt.Sprintf("%s/%s/k=%d/step=%d/rows=%d", f.name, set.Level(), k, step, rows), func(b *testing.B) {
							x, sums, dst := quantOperands(rows, k, f.sums)
							gemm := f.gemm(set, make([]byte, kernel.QuantScratch))
							half := f.packed(kernel.PanelCols, k) / 2
							w := huge(b, 2*half)
							probe, dots := probes[set.Level()].dots[0], asm.ProbeDots
							if f.name == "GemmQ4" {
								probe = probes[set.Level()].dots[1]
								if set.Level() == "avx2" {
									dots = asm.ProbeBlocks
								}
							}
							times := bestOf(b, threadTime, func() { probe(dotRounds) }, func() {
								for from := 0; from < k; from += step {
									n := min(step, k-from)
									for h := range 2 {
										gemm(dst[h*halfCols:], kernel.PanelCols, x[from:], k+64, sums[from/quantBlock*f.sums:], k/quantBlock*f.sums+16,
											w[h*half+half*from/k:], n/quantBlock, rows, from > 0, nil, 0)
									}
								}
							})
							gops := func(ops int, d time.Duration) float64 { return float64(ops) / float64(d.Nanoseconds()) }
							peak := gops(dotRounds*dots*probes[set.Level()].lanes*8, times[0])
							got := gops(rows*k*kernel.PanelCols*2, times[1])
							b.ReportMetric(got, "GOP/s")
							b.ReportMetric(got/peak, "of-peak")
							b.ReportMetric(float64(len(w))/float64(times[1].Nanoseconds()), "GB/s")
						})
					}
				}
			}
		}
	}
}

// BenchmarkGemmStream multiplies few rows by weights from memory, and compares with a loop that reads.
func BenchmarkGemmStream(b *testing.B) {
	const k, size = 3072, 192 << 20
	for _, set := range Sets()[1:] {
		for _, f := range formats {
			half := f.packed(kernel.PanelCols, k) / 2
			w := huge(b, size/half*half)
			for i := 0; i < len(w); i += 4096 {
				w[i] = 1
			}
			for _, rows := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32} {
				b.Run(fmt.Sprintf("%s/%s/rows=%d", f.name, set.Level(), rows), func(b *testing.B) {
					x, sums, dst := quantOperands(rows, k, f.sums)
					gemm := f.gemm(set, make([]byte, kernel.QuantScratch))
					at := 0
					const part = 64
					next := func() []byte {
						p := w[at : at+part*half]
						if at += part * half; at+part*half > len(w) {
							at = 0
						}
						return p
					}
					mul := func(w []byte) {
						for h := range len(w) / half {
							gemm(dst[h%2*halfCols:], kernel.PanelCols, x, k+64, sums, k/quantBlock*f.sums+16, w[h*half:], k/quantBlock, rows, false, nil, 0)
						}
					}
					hot := w[:half]
					times := bestOf(b, threadTime,
						func() { probes[set.Level()].read(floatsOf(next())) },
						func() { mul(next()) },
						func() {
							for range part {
								mul(hot)
							}
						})
					bytes := float64(part * half)
					rate := func(i int) float64 { return bytes / float64(times[i].Nanoseconds()) }
					b.ReportMetric(rate(0), "read-GB/s")
					b.ReportMetric(rate(1), "GB/s")
					b.ReportMetric(rate(2), "hot-GB/s")
					b.ReportMetric(rate(1)/min(rate(0), rate(2)), "of-limit")
				})
			}
		}
	}
}

// floatsOf is bytes as float32.
func floatsOf(p []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(p))), len(p)/4)
}
