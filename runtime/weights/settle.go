package weights

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// settling is the state of a File on its way to the pages that it will stay in.
type settling struct {
	huge  Huge
	stop  chan struct{} // closed by Close
	hurry chan struct{} // closed when somebody waits
	done  chan struct{} // closed at the end; nil: never started
	once  sync.Once     // closes hurry
	turn  sync.RWMutex  // held for writing during each step, for reading by Hold
	moved atomic.Int64  // bytes in huge pages of their own
}

const (
	hugePage  = 2 << 20
	smallFile = 64 << 20 // files below it are not moved unasked
	maxPieces = 1 << 14  // the system allows a process some 65,000 mappings
	// warmStep is how much the system is asked to map at a time: Close and Hold wait for one step at most, and so does each
	// new mapping of the process. In steps of 32 MB a session that was opened at once waited for twelve of them in one of
	// eleven starts, 65 ms; now it is 11 ms at the most.
	warmStep = 2 << 20
	// rest is how long the move rests after a piece, in times of what the piece took: the processor and
	// the memory are there for the model. New memory can be slow: on a virtual machine that had to
	// get it from its host first a gigabyte took 2.7 s, else 0.15 s.
	rest = 4
)

// Settle brings the file's pages to where they stay. First all of it is mapped, which reads what is
// not in memory yet: then no token waits for page faults, and resident memory is what it will be. Then
// it is moved to huge pages, if the options of Open say so. All this goes on in the background unless the
// option was AtOnce. It is called once.
func (f *File) Settle() {
	if f.file == nil || f.settle.done != nil {
		return
	}
	s := &f.settle
	s.stop, s.hurry, s.done = make(chan struct{}), make(chan struct{}), make(chan struct{})
	if s.huge == AtOnce {
		s.once.Do(func() { close(s.hurry) })
		f.populate(f.move())
		close(s.done)
		return
	}
	go func() {
		defer close(s.done)
		f.populate(0)
		if s.huge == InBackground && len(f.data) >= smallFile {
			f.move()
		}
	}()
}

// populate maps what is not mapped from a byte on. A file that would fill most of the machine's memory is
// left to be mapped as it is used.
func (f *File) populate(at int) {
	if at == 0 && !roomFor(len(f.data)) {
		return
	}
	for ; at < len(f.data) && !closed(f.settle.stop); at += warmStep {
		f.settle.turn.Lock()
		ok := populate(f.data[at:min(at+warmStep, len(f.data))])
		f.settle.turn.Unlock()
		if !ok {
			return
		}
	}
}

// Hold waits for the step of Settle that is under way, and there is no other until release is called, which has to
// be before Close. It is for what takes milliseconds, maps memory and keeps all processors busy: beside mapping a
// file of gigabytes that took several times as long, since the system changes and fills a process's mappings
// in turns.
func (f *File) Hold() (release func()) {
	f.settle.turn.RLock()
	return f.settle.turn.RUnlock
}

// move replaces the file's mapping by huge pages, from the beginning to the last whole piece, and
// returns where it ended. Readers notice nothing.
func (f *File) move() (moved int) {
	s := &f.settle
	if !canMove(len(f.data)) {
		return 0
	}
	piece := hugePage * (1 + len(f.data)/hugePage/maxPieces)
	for moved+piece <= len(f.data) && !closed(s.stop) {
		s.turn.Lock()
		start := time.Now()
		ok := movePiece(f.file, f.data, moved, piece)
		s.turn.Unlock()
		if !ok {
			break
		}
		moved += piece
		s.moved.Store(int64(moved))
		select {
		case <-s.hurry:
		case <-s.stop:
		case <-time.After(rest * time.Since(start)):
		}
	}
	return moved
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Settled waits for the end of what Settle began, or of ctx. It takes no rest while somebody waits.
func (f *File) Settled(ctx context.Context) error {
	s := &f.settle
	if s.done == nil {
		return nil
	}
	s.once.Do(func() { close(s.hurry) })
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// HugeBytes is how much of the file has been moved to huge pages so far.
func (f *File) HugeBytes() int64 { return f.settle.moved.Load() }

// unsettle ends what Settle began.
func (f *File) unsettle() {
	if f.file == nil {
		return
	}
	if f.settle.done != nil {
		close(f.settle.stop)
		<-f.settle.done
	}
	f.file.Close() // opened for reading: there is nothing to lose
	f.file = nil
}
