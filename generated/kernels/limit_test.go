//go:build amd64 && !purego

package kernels

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/yococ/yococ/asm"
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
)

// Benchmarks of whole routines beside the limit of the machine. The two take turns, because what
// else the machine does moves both: the figures are the median of the rounds' ratios, "of-limit", and
// the ratio of the two best rounds, "best".

// A squad runs a job on every worker of a team at once.
type squad []*kernel.Worker

// newSquad is n workers of a set, with scratch for rows of k inputs.
func newSquad(m *rt.Memory, set kernel.Set, n, k, rows int) squad {
	var c squad
	barrier := new(kernel.Barrier)
	for id := range n {
		c = append(c, kernel.NewWorker(id, n, set, m.Floats(kernel.LinearScratch(k, rows)), barrier))
	}
	return c
}

// clock is the time since some moment.
var clock = func() time.Duration { return time.Since(begin) }

var begin = time.Now()

// time is how long the job takes until the last worker has done it.
func (c squad) time(job func(*kernel.Worker)) time.Duration {
	var group sync.WaitGroup
	start := clock()
	for _, w := range c[1:] {
		group.Go(func() { job(w) })
	}
	job(c[0])
	group.Wait()
	return clock() - start
}

// beside reports the rate of work beside that of limit; both do so much in whatever unit a call, and
// rates are in 10⁹ of them a second.
func beside(b *testing.B, c squad, unit string, limitSize, workSize float64, limit, work func(*kernel.Worker)) {
	const enough = 15
	var ratios []float64
	var top, best, sum float64
	c.time(work)
	for range max(b.N, enough) {
		l := limitSize / float64(c.time(limit).Nanoseconds())
		w := workSize / float64(c.time(work).Nanoseconds())
		ratios = append(ratios, w/l)
		top, best, sum = max(top, l), max(best, w), sum+w
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "of-limit")
	b.ReportMetric(best/top, "best")
	b.ReportMetric(sum/float64(len(ratios)), unit)
}

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
	eachDense(b, []int{512}, func(b *testing.B, l *dense) {
		const rounds = 200_000
		lanes, probe := probes[l.set.Level()].lanes, probes[l.set.Level()].fma
		if l.m.Rounds && l.set.Level() == "avx512" && kernel.HasBF16Dots() {
			lanes, probe = 2*lanes, pairPeak_avx512bf16
		}
		flops := 2 * float64(l.rows) * float64(l.m.N) * float64(l.m.K)
		beside(b, l.squad, "GFLOP/s", float64(len(l.squad)*rounds*asm.ProbeFMAs*lanes*2), flops,
			func(*kernel.Worker) { probe(rounds) }, l.run)
	})
}

// A dense is a product to be measured.
type dense struct {
	set    kernel.Set
	squad  squad
	m      kernel.Matrix
	x, tmp kernel.Rows
	dst    kernel.Rows
	rows   int
}

func (l *dense) run(w *kernel.Worker) {
	kernel.Linear(w, l.dst, kernel.Quantized(l.x, l.tmp), &l.m, nil, l.rows)
}

// eachDense runs a benchmark for every format, level, shape, number of rows and of workers.
func eachDense(b *testing.B, rows []int, run func(b *testing.B, l *dense)) {
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
							run(b, &dense{set, newSquad(more, set, workers, k, r), matrix, x, tmp, dst, r})
						})
					}
				}
			}
			m.Free()
		}
	}
}
