package runtime

import (
	"fmt"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/room"
)

// A MemoryError says that a session could need more memory than can be had. Nothing was kept.
type MemoryError struct {
	Context int        // tokens that the session should hold
	Need    int64      // bytes when it is full, with the weights where they count
	Limit   room.Limit // what there is
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("a session of %d tokens can need %s of memory, and of the %s of %s %s can be had: want a shorter context, or to overcommit",
		e.Context, room.Size(e.Need), room.Size(e.Limit.Total), e.Limit.Name, room.Size(e.Limit.Free))
}

// memoryLimits are those of the system, and that of Go's runtime; a variable for tests.
var memoryLimits = func() (system []room.Limit, heap room.Limit, limited bool) {
	heap, limited = room.Go()
	return room.System(), heap, limited
}

// refuse returns an error if the session, which is awake, could need more memory than can be had.
//
// Weights are mapped, and are needed in memory as well: beside what the system says is free, which has the
// pages of files in it, those count that have not been moved to pages of the process's own. GOMEMLIMIT is
// not about files, so there they don't count.
func (s *Session) refuse() error {
	need := s.promise()
	system, heap, limited := memoryLimits()
	if limited && need > heap.Free {
		return &MemoryError{s.options.Context, need, heap}
	}
	need += s.model.WeightsBytes() - s.model.HugeBytes()
	for _, l := range system {
		need := need
		if l.Space {
			need = s.space()
		}
		if need > l.Free {
			return &MemoryError{s.options.Context, need, l}
		}
	}
	return nil
}

// space is the address space that the session may come to reserve beside what it has: spans come from a slab, and a pool has
// one that is begun.
func (s *Session) space() int64 {
	slab := int64(0)
	if size := s.model.info.SpanBytes; size > 0 {
		slab = int64(slabOf(size)*size) + HugePage
	}
	return s.promise() - s.Reserved() + slab
}

// promise is the memory that the session has when its context is full.
func (s *Session) promise() int64 {
	info := &s.model.info
	spans := int64(s.options.Context+kernel.SpanTokens-1) / kernel.SpanTokens
	return s.memory.Reserved() + s.scratch.Reserved() + int64(1+s.ladder.most)*int64(info.RegionBytes) + info.UndoBytes() + spans*int64(info.SpanBytes) + CollectedHeap(spans)
}
