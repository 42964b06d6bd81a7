//go:build linux && amd64 && !purego

package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/yococ/yococ/asm"
	"github.com/yococ/yococ/runtime/kernel"
)

// crew runs functions on n workers at once, the caller being the first. Each run is timed from the
// moment that all are there until all are done. Like a model's workers none is locked to its thread: while
// a locked one waits and lets others run, another thread is woken for that, on a processor that is in use.
type crew struct {
	workers []*kernel.Worker
	task    func(*kernel.Worker)
	done    sync.WaitGroup
}

func newCrew(set kernel.Set, n, scratch int) *crew {
	c := &crew{}
	barrier := new(kernel.Barrier)
	for id := range n {
		c.workers = append(c.workers, kernel.NewWorker(id, n, set, aligned(scratch), barrier))
	}
	for _, w := range c.workers[1:] {
		c.done.Go(func() {
			for {
				w.Sync()
				task := c.task
				if task == nil {
					return
				}
				w.Sync()
				task(w)
				w.Sync()
			}
		})
	}
	return c
}

// set is the kernels that the workers use.
func (c *crew) set() kernel.Set { return c.workers[0].Set }

func (c *crew) run(task func(*kernel.Worker)) time.Duration {
	w := c.workers[0]
	c.task = task
	w.Sync()
	w.Sync()
	start := time.Now()
	task(w)
	w.Sync()
	return time.Since(start)
}

func (c *crew) stop() {
	c.task = nil
	c.workers[0].Sync()
	c.done.Wait()
}

// paired alternates a task with a probe, each told the number of the run. It reports the rate of each in
// units a nanosecond and the ratio of the two: the medians, since on a machine that does other things too
// a run may be disturbed, or the one beside it.
func paired(b *testing.B, c *crew, unit string, work, probeWork int, task, probe func(w *kernel.Worker, i int)) {
	var rates, limits, ratios []float64
	for i := 1; b.Loop(); i++ {
		rate := float64(work) / float64(c.run(func(w *kernel.Worker) { task(w, 2*i) }).Nanoseconds())
		limit := float64(probeWork) / float64(c.run(func(w *kernel.Worker) { probe(w, 2*i+1) }).Nanoseconds())
		rates, limits, ratios = append(rates, rate), append(limits, limit), append(ratios, rate/limit)
	}
	for _, x := range [][]float64{rates, limits, ratios} {
		slices.Sort(x)
	}
	b.ReportMetric(rates[len(rates)/2], unit)
	b.ReportMetric(limits[len(limits)/2], "limit-"+unit)
	b.ReportMetric(ratios[len(ratios)/2], "of-limit")
	b.ReportMetric(rates[len(rates)-1], "best-"+unit)
	b.ReportMetric(limits[len(limits)-1], "best-limit-"+unit)
}

// hugePages is n bytes of zeros in pages of 2 MB, if the system gives them.
func hugePages(b *testing.B, n int) []byte {
	const page = 2 << 20
	all, err := syscall.Mmap(-1, 0, n+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = syscall.Munmap(all) })
	at := -uintptr(unsafe.Pointer(&all[0])) % page
	x := all[at:][:(n+page-1)/page*page]
	_ = syscall.Madvise(x, 14) // MADV_HUGEPAGE
	for i := 0; i < len(x); i += 4096 {
		x[i] = 1
	}
	for i := 0; i < len(x); i += 4096 {
		x[i] = 0
	}
	return x[:n]
}

// An attendRun is one row's attention with three query heads of 128 a kv head. Caches take turns, so that all of
// them come from memory or, with 8 MB in all, from the last cache, and a run is short.
type attendRun struct {
	kvHeads, tokens, megabytes int
	scores                     attendScores
}

// attendScores is how scores are distributed: keys, queries and values are normal, and so are scores, in natural
// logarithms, with this deviation. With peaks one key in nine scores 12 more, so that as many weights over a cache of
// integers as can be have a high byte, each in a four of its own: nothing is more work.
type attendScores struct {
	deviation float64
	peaks     bool
}

func (r attendRun) String() string {
	name := fmt.Sprintf("tokens=%d/MB=%d", r.tokens, r.megabytes)
	if r.kvHeads > 1 {
		name = fmt.Sprintf("heads=%d/%s", r.kvHeads, name)
	}
	switch {
	case r.scores.peaks:
		name += "/peaks"
	case r.scores.deviation != 1.3:
		name += fmt.Sprintf("/deviation=%v", r.scores.deviation)
	}
	return name
}

// BenchmarkAttend is one row's attention beside a loop that only reads as much.
func BenchmarkAttend(b *testing.B) {
	normal := attendScores{deviation: 1.3}
	runs := []attendRun{{1, 512, 8, normal}, {1, 4096, 8, normal}, {8, 3584, 8, normal}, {1, 4096, 256, normal}, {1, 32768, 256, normal}}
	for _, set := range Sets()[1:] {
		for _, format := range []struct {
			name string
			kernel.Format
		}{{"f32", kernel.F32}, {"bf16", kernel.BF16}, {"q8", kernel.Q8}, {"q4", kernel.Q4}} {
			runs := runs
			if format.Format == kernel.Q8 { // whose work depends on the scores
				runs = slices.Clip(runs)
				for _, scores := range []attendScores{{deviation: 0.4}, {deviation: 4}, {0.01, true}} {
					runs = append(runs, attendRun{1, 4096, 8, scores})
				}
			}
			for _, run := range runs {
				for _, threads := range []int{1, 2} {
					b.Run(fmt.Sprintf("%s/%s/%v/threads=%d", format.name, set.Level(), run, threads), func(b *testing.B) {
						run.bench(b, set, format.Format, threads)
					})
				}
			}
		}
	}
}

func (r attendRun) bench(b *testing.B, set kernel.Set, format kernel.Format, threads int) {
	const group, dim = 3, 128
	heads := group * r.kvHeads
	spec := &kernel.CacheSpec{KVHeads: r.kvHeads, Dim: dim, Format: format}
	attend := &kernel.AttendSpec{Heads: heads, KVHeads: r.kvHeads, Dim: dim, Scale: float32(r.scores.deviation / math.Sqrt(dim)), Cache: spec}
	size := r.tokens / kernel.SpanTokens * spec.Bytes()
	memory := hugePages(b, max(1, r.megabytes<<20/size)*size)
	c := newCrew(set, threads, kernel.AttendScratch(heads, r.kvHeads, dim, 64))
	defer c.stop()

	random := rand.New(rand.NewPCG(31, 1))
	normal := func(n int) kernel.Rows {
		x := kernel.Rows{Data: aligned(n), Stride: n}
		for i := range x.Data {
			x.Data[i] = float32(random.NormFloat64())
		}
		return x
	}
	q := normal(heads * dim)
	var caches []kernel.Cache
	for at := 0; at+size <= len(memory); at += size {
		copy(memory[at:], memory[:size])
		caches = append(caches, cacheIn(spec, memory[at:][:size]))
		for pos := 0; at == 0 && pos < r.tokens; pos++ {
			k, v := normal(r.kvHeads*dim), normal(r.kvHeads*dim)
			if r.scores.peaks && pos%9 == 1 {
				for i := range q.Data { // queries are all but orthogonal
					k.Data[i/(group*dim)*dim+i%dim] += q.Data[i] * float32(12/(r.scores.deviation*math.Sqrt(dim)))
				}
			}
			c.run(func(w *kernel.Worker) { kernel.Append(w, spec, &caches[0], k, v, nil, kernel.Phases{}, pos, 1) })
		}
	}
	dst, partial := kernel.Rows{Data: aligned(heads * dim), Stride: heads * dim}, aligned(attend.Partial(r.tokens))
	floats := unsafe.Slice((*float32)(unsafe.Pointer(&memory[0])), len(memory)/4)
	read, n := probes[set.Level()].read, size/4
	paired(b, c, "GB/s", size, size, func(w *kernel.Worker, i int) {
		kernel.Attend(w, attend, dst, q, nil, &caches[i%len(caches)], kernel.Phases{}, partial, r.tokens-1, 1)
	}, func(w *kernel.Worker, i int) {
		lo, hi := w.Share(n / 16)
		read(floats[i%len(caches)*n:][lo*16 : hi*16])
	})
}

// BenchmarkRetain is the retention of a chunk, two heads of 128, beside the peak of the FMA units; the
// operations are those of its products, with the triangle of a block's scores counted whole.
func BenchmarkRetain(b *testing.B) {
	const heads, dim, block = 2, 128, 64
	for _, set := range Sets()[1:] {
		for _, rows := range []int{1, 64, 128, 512} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/rows=%d/threads=%d", set.Level(), rows, threads), func(b *testing.B) {
					spec := &kernel.RetainSpec{Heads: heads, Dim: dim, Normalizer: 16, KScale: 0.1, Eps: 1e-5, Rope: kernel.NewRope(dim, 10000, "yoco", false)}
					state := spec.State(aligned(spec.StateFloats()))
					input := func(n int) kernel.Rows {
						x := kernel.Rows{Data: aligned(rows * (n + 16)), Stride: n + 16}
						fill(x.Data)
						return x
					}
					q, k, v, g, a, dst := input(heads*dim), input(heads*dim), input(heads*dim), input(heads*dim), input(heads), input(heads*dim)
					ph := kernel.Phases{Cos: input(dim), Sin: input(dim)}
					c := newCrew(set, threads, kernel.RetainScratch(dim, rows))
					defer c.stop()
					pos, last, rounds := 0, 0, 4000
					paired(b, c, "GFLOP/s", rows*heads*2*(2*dim*dim+2*dim*block), threads*rounds*asm.ProbeFMAs*probes[set.Level()].lanes*2,
						func(w *kernel.Worker, i int) {
							if w.ID == 0 && i != last {
								pos, last = pos+rows, i
							}
							w.Sync()
							kernel.Retain(w, spec, dst, q, k, v, g, a, &state, ph, pos, rows)
						}, func(w *kernel.Worker, i int) { probes[set.Level()].fma(rounds) })
				})
			}
		}
	}
}
