package runtime

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/yococ/yococ/runtime/kernel"
)

// A team runs jobs on all of its workers at once. Worker 0 is the goroutine that calls run; the
// others wait for the next job awake for a while, since the next token is mostly near, and then
// park. Dispatching a job allocates nothing.
type team struct {
	workers []*kernel.Worker
	barrier kernel.Barrier
	job     func(*kernel.Worker) // nil ends the workers; written before number
	awake   time.Duration        // how long a worker waits before it parks
	ended   sync.WaitGroup
	seats   []seat // of workers 1, 2, …

	_      [64]byte // the words below are polled by the workers
	number atomic.Uint32
	_      [60]byte
	left   atomic.Int32 // workers, apart from 0, that have not finished the job
	_      [60]byte
}

// A seat is where one worker waits.
type seat struct {
	parked atomic.Bool
	wake   chan struct{}
	_      [48]byte
}

const (
	awake = 50 * time.Microsecond
	polls = 256  // between two looks at the clock
	spins = 4096 // of worker 0 for the others, before it lets another goroutine run
)

// newTeam starts n workers whose scratch is private, floats long and taken from m.
func newTeam(n int, set kernel.Set, floats int, m *Memory) *team {
	t := &team{awake: awake, seats: make([]seat, n-1)}
	if n > runtime.GOMAXPROCS(0) {
		t.awake = 0
	}
	for id := range n {
		t.workers = append(t.workers, kernel.NewWorker(id, n, set, m.Floats(floats), &t.barrier))
	}
	for i := range t.seats {
		t.seats[i].wake = make(chan struct{}, 1)
		t.ended.Go(func() { t.work(t.workers[i+1], &t.seats[i]) })
	}
	return t
}

// run does job on every worker and returns when all of them have finished it. If ctx ends
// meanwhile they give the job up, and run returns false. A panic of the job
// reaches the caller if it is the only worker; else the other workers may be waiting for the one
// that panics, and the process ends with its stack.
func (t *team) run(ctx context.Context, job func(*kernel.Worker)) (done bool) {
	t.barrier.Until(ctx)
	if len(t.seats) == 0 {
		t.workers[0].Begin()
		job(t.workers[0])
		return !t.workers[0].Idle()
	}
	t.dispatch(job)
	t.lead(job)
	for i := 0; t.left.Load() != 0; i++ {
		if i >= spins {
			runtime.Gosched()
		}
	}
	return !t.workers[0].Idle()
}

// copy is what copy does, by all workers if it is much: most of its time may be that of new pages. A team of nil is
// the caller alone.
func (t *team) copy(to, from []byte) {
	if t == nil || len(from) < copyTogether {
		copy(to, from)
		return
	}
	t.run(context.Background(), func(w *kernel.Worker) {
		lo, hi := w.Share((len(from) + pageSize - 1) / pageSize)
		copy(to[lo*pageSize:], from[lo*pageSize:min(hi*pageSize, len(from))])
	})
}

// copyTogether is from how many bytes on the other workers are asked too: they may be asleep.
const copyTogether = 256 << 10

// touch touches the worker's share of the memory of spans that say nothing yet: one of N huge pages.
func touch(w *kernel.Worker, spans []*span) {
	for _, s := range spans {
		for b := s.bytes; len(b) > 0; {
			at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
			n := min(len(b), HugePage-int(at%HugePage))
			if int(at/HugePage%uintptr(w.N)) == w.ID && !w.GiveUp() {
				for i := 0; i < n; i += pageSize {
					b[i] = 0
				}
			}
			b = b[n:]
		}
	}
}

// pageSize is the smallest page of any system.
const pageSize = 4096

// stop ends the workers; the team is not used after it.
func (t *team) stop() {
	t.dispatch(nil)
	t.ended.Wait()
}

func (t *team) dispatch(job func(*kernel.Worker)) {
	t.job = job
	t.left.Store(int32(len(t.seats)))
	t.number.Add(1)
	for i := range t.seats {
		if s := &t.seats[i]; s.parked.Load() && s.parked.CompareAndSwap(true, false) {
			s.wake <- struct{}{}
		}
	}
}

func (t *team) lead(job func(*kernel.Worker)) {
	finished := false
	defer func() {
		if !finished {
			crash(recover(), debug.Stack())
		}
	}()
	t.workers[0].Begin()
	job(t.workers[0])
	finished = true
}

// crash ends the process as a panic does that nobody recovers.
func crash(cause any, stack []byte) {
	go panic(fmt.Sprintf("worker 0: %v\n\n%s", cause, stack))
	select {}
}

func (t *team) work(w *kernel.Worker, s *seat) {
	for number := uint32(0); ; {
		t.wait(s, number)
		number++
		job := t.job
		if job == nil {
			return
		}
		w.Begin()
		job(w)
		t.left.Add(-1)
	}
}

// wait returns when the job after number is there.
func (t *team) wait(s *seat, number uint32) {
	if t.awake > 0 {
		start := time.Now()
		for i := 1; ; i++ {
			if t.number.Load() != number {
				return
			}
			if i%polls == 0 && time.Since(start) >= t.awake {
				break
			}
		}
	}
	s.parked.Store(true)
	if t.number.Load() != number && s.parked.CompareAndSwap(true, false) {
		return
	}
	<-s.wake // sent by the one who cleared parked
}
