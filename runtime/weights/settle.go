package weights

import (
	"context"
	"sync/atomic"
)

// settling is the state of a File on its way to the pages that it will stay in.
type settling struct {
	huge  Huge
	stop  atomic.Bool
	done  chan struct{} // nil: never started; closed at the end
	moved atomic.Int64  // bytes in huge pages of their own
}

const (
	hugePage  = 2 << 20
	smallFile = 64 << 20 // below it huge pages gain nothing that could be measured
	maxPieces = 1 << 14  // the system allows a process some 65,000 mappings
	// warmStep is how much the system is asked to map at a time; Close waits for one step at most.
	warmStep = 32 << 20
)

// Settle brings the file's pages to where they stay, from its beginning on: to huge pages of the
// process's own, as the options of Open say, and what is not moved into the file's mapping, reading
// what is not in memory yet. Then no token waits for page faults, and resident memory is what it will
// be. It goes on in the background unless the option was AtOnce. It is called once.
func (f *File) Settle() {
	if f.file == nil || f.settle.done != nil {
		return
	}
	f.settle.done = make(chan struct{})
	if f.settle.huge == AtOnce {
		f.settleAll()
		return
	}
	go f.settleAll()
}

func (f *File) settleAll() {
	s, at := &f.settle, 0
	defer close(s.done)
	if s.huge == AtOnce || s.huge == InBackground && len(f.data) >= smallFile {
		at = f.move()
	}
	if at == 0 && !roomFor(len(f.data)) {
		return // most of the machine's memory: it is mapped as it is used
	}
	for ; at < len(f.data) && !s.stop.Load(); at += warmStep {
		if !populate(f.data[at:min(at+warmStep, len(f.data))]) {
			return
		}
	}
}

// move replaces the file's mapping by huge pages, from the beginning to the last whole piece, and
// returns where it ended. Readers notice nothing.
func (f *File) move() (moved int) {
	if !canMove(len(f.data)) {
		return 0
	}
	piece := hugePage * (1 + len(f.data)/hugePage/maxPieces)
	for ; moved+piece <= len(f.data) && !f.settle.stop.Load(); moved += piece {
		if !movePiece(f.file, f.data, moved, piece) {
			break
		}
		f.settle.moved.Store(int64(moved + piece))
	}
	return moved
}

// Settled waits for the end of what Settle began, or of ctx.
func (f *File) Settled(ctx context.Context) error {
	if f.settle.done == nil {
		return nil
	}
	select {
	case <-f.settle.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// HugeBytes is how much of the file has been moved to huge pages so far.
func (f *File) HugeBytes() int64 { return f.settle.moved.Load() }

// unsettle ends what Settle began.
func (f *File) unsettle() {
	if f.settle.done != nil {
		f.settle.stop.Store(true)
		<-f.settle.done
	}
	if f.file != nil {
		f.file.Close() // opened for reading: there is nothing to lose
		f.file = nil
	}
}
