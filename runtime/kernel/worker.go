package kernel

import (
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"
)

// A Worker is one of the N threads that run a model together. All of them run the same
// generated code; a routine does the worker's share of its work, and Sync separates a routine
// from one that reads what other workers wrote, or that writes what others may still read.
type Worker struct {
	ID, N   int
	Set     Set       // the kernels of the session's level
	Scratch []float32 // private to the worker; no routine expects it to keep anything
	barrier *Barrier
	loop    uint32 // of loops over units that are taken, the number of the one at hand
}

// NewWorker returns worker id of n that meet at b.
func NewWorker(id, n int, set Set, scratch []float32, b *Barrier) *Worker {
	return &Worker{ID: id, N: n, Set: set, Scratch: scratch, barrier: b}
}

// Share returns the worker's contiguous part [lo, hi) of n equal units of work.
func (w *Worker) Share(n int) (lo, hi int) { return w.ID * n / w.N, (w.ID + 1) * n / w.N }

// Every yields the units of n that this worker does, each done by exactly one worker. A few rows' work is
// shared as Share does it: it waits for memory, and a worker reads one stream. Many rows' work is
// taken unit by unit, so that a worker whose processor is slower, or was taken away, does less of it. All
// workers must enter the same loops in the same order. What a unit computes must not depend on who does it.
func (w *Worker) Every(n, rows int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		if w.N == 1 || rows <= sharedRows {
			lo, hi := w.Share(n)
			for u := lo; u < hi && yield(u); u++ {
			}
			return
		}
		w.loop++
		for u := w.take(); u < n && yield(u); u = w.take() {
		}
	}
}

// sharedRows is up to how many rows work is shared beforehand.
const sharedRows = 32

// take returns the next unit of the loop at hand, counted for all workers; a large number if others are
// in a later loop already, since they have seen the end of this one.
func (w *Worker) take() int {
	for next := &w.barrier.next; ; {
		v := next.Load() // a loop's number, and its next unit
		switch ahead := int32(uint32(v>>32) - w.loop); {
		case ahead > 0:
			return math.MaxInt
		case ahead == 0 && next.CompareAndSwap(v, v+1):
			return int(uint32(v))
		case ahead < 0 && next.CompareAndSwap(v, uint64(w.loop)<<32|1):
			return 0
		}
	}
}

// Sync waits until all workers have called it.
func (w *Worker) Sync() {
	if w.N > 1 {
		w.barrier.wait(int32(w.N))
	}
}

// A Barrier is where the workers of one team meet. The zero Barrier is ready.
type Barrier struct {
	arrived atomic.Int32
	_       [60]byte // the two words are polled and written by different workers
	phase   atomic.Uint32
	_       [60]byte
	next    atomic.Uint64 // see Worker.take
}

// A waiting worker looks spins times, some microseconds, since the others are mostly close behind.
// Then it lets other goroutines run, yields times, a tenth of a millisecond or so. One that is behind by more was
// preempted by another process: the waiting one naps, so that the system can move that process over. Beside one
// busy process on two processors four times as many yields made decoding 0.8 times as fast.
const (
	spins  = 4096
	yields = 2048
	nap    = 50 * time.Microsecond
)

func (b *Barrier) wait(n int32) {
	phase := b.phase.Load()
	if b.arrived.Add(1) == n {
		b.arrived.Store(0)
		b.phase.Add(1)
		return
	}
	for i := 0; b.phase.Load() == phase; i++ {
		switch {
		case i < spins:
		case i < spins+yields:
			runtime.Gosched()
		default:
			time.Sleep(nap)
		}
	}
}

// pieces are what is left of a worker's scratch: a routine takes its buffers off the front.
type pieces []float32

// take returns the next n floats; every piece starts on a cache line if the scratch does.
func (p *pieces) take(n int) []float32 {
	size := roundUp(n, line)
	if size > len(*p) {
		panic(fmt.Sprintf("BUG: scratch is %d floats too small", size-len(*p)))
	}
	x := (*p)[:n:n]
	*p = (*p)[size:]
	return x
}

// line is the floats of a cache line, and of the widest vector.
const line = 16

// roundUp returns the smallest multiple of unit that is not below n.
func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
