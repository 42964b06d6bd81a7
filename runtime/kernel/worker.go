package kernel

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"
)

// A Worker is one of the N threads that run a model together. All of them run the same
// generated code; a routine does the worker's share of its work, and Sync separates a routine
// from one that reads what other workers wrote, or that writes what others may still read.
//
// A job that Barrier.Until has ended is given up: the worker is idle, its share of everything is nothing, and
// the rest of the job falls through. What the job was to compute, and the states that it was to advance, are
// then undefined.
type Worker struct {
	ID, N   int
	Set     Set       // the kernels of the session's level
	Scratch []float32 // private to the worker; no routine expects it to keep anything
	barrier *Barrier
	loop    uint32 // of loops over units that are taken, the number of the one at hand
	idle    bool
}

// NewWorker returns worker id of n that meet at b.
func NewWorker(id, n int, set Set, scratch []float32, b *Barrier) *Worker {
	return &Worker{ID: id, N: n, Set: set, Scratch: scratch, barrier: b}
}

// Begin makes the worker ready for another job.
func (w *Worker) Begin() { w.idle = false }

// Idle reports whether the job at hand was given up. After a Sync it is the same for all workers.
func (w *Worker) Idle() bool { return w.idle }

// Share returns the worker's contiguous part [lo, hi) of n equal units of work.
func (w *Worker) Share(n int) (lo, hi int) {
	if w.idle {
		return 0, 0
	}
	return w.ID * n / w.N, (w.ID + 1) * n / w.N
}

// Turns yields every N-th of n units, beginning with unit ID: for units of which later ones are more work.
func (w *Worker) Turns(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for u := w.ID; u < n && !w.GiveUp() && yield(u); u += w.N {
		}
	}
}

// GiveUp reports whether there is an end to what the worker does: it is idle, or is so from now on because the
// job has ended. Routines ask where a unit of work may take long. All workers find so when they meet.
func (w *Worker) GiveUp() bool {
	if !w.idle && w.barrier.over() {
		w.idle = true
	}
	return w.idle
}

// Every yields the units of n that this worker does, each done by exactly one worker. A few rows' work is
// shared as Share does it: it waits for memory, and a worker reads one stream. Many rows' work is
// taken unit by unit, so that a worker whose processor is slower, or was taken away, does less of it. All
// workers must enter the same loops in the same order. What a unit computes must not depend on who does it.
func (w *Worker) Every(n, rows int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		if w.N == 1 || rows <= sharedRows {
			lo, hi := w.Share(n)
			for u := lo; u < hi && (rows <= sharedRows || !w.GiveUp()) && yield(u); u++ {
			}
			return
		}
		w.loop++ // of idle workers too
		for !w.GiveUp() {
			if u := w.take(); u >= n || !yield(u) {
				return
			}
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

// Sync waits until all workers have called it. If the job has ended all of them are idle after it.
func (w *Worker) Sync() {
	if w.N == 1 {
		w.GiveUp()
	} else if w.barrier.wait(int32(w.N)) {
		w.idle = true
	}
}

// A Barrier is where the workers of one team meet. The zero Barrier is ready.
type Barrier struct {
	arrived atomic.Int32
	_       [60]byte // the two words are polled and written by different workers
	phase   atomic.Uint32
	ended   bool // whether the job had ended at the last meeting; written before phase
	_       [56]byte
	next    atomic.Uint64   // see Worker.take
	until   context.Context // nil: nothing ends the job
}

// Until says that the next job is given up when ctx ends. No job is under way.
func (b *Barrier) Until(ctx context.Context) {
	b.until, b.ended = nil, false
	if ctx.Done() != nil {
		b.until = ctx
	}
}

// over reports whether the job has ended. A context that has ended stays so: if one worker was told, all are when
// they meet.
func (b *Barrier) over() bool { return b.until != nil && b.until.Err() != nil }

// A waiting worker looks spins times, some microseconds, since the others are mostly close behind.
// Then it lets other goroutines run, yields times, a tenth of a millisecond or so. One that is behind by more was
// preempted by another process: the waiting one naps, so that the system can move that process over. Beside one
// busy process on two processors four times as many yields made decoding 0.8 times as fast.
const (
	spins  = 4096
	yields = 2048
	nap    = 50 * time.Microsecond
)

// wait returns when n workers have called it, and whether the job has ended: the last one decides.
func (b *Barrier) wait(n int32) (ended bool) {
	phase := b.phase.Load()
	if b.arrived.Add(1) == n {
		b.ended = b.ended || b.over()
		ended = b.ended
		b.arrived.Store(0)
		b.phase.Add(1)
		return ended
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
	return b.ended
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
