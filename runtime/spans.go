package runtime

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/yococ/yococ/runtime/kernel"
)

// A span is 512 consecutive tokens of a session, and all memory that they take: their part of every cache that
// grows. Sessions with a common past share its spans. One that is shared is never written; an owner that has
// it alone overwrites what lies behind its position.
type span struct {
	pool   *spanPool
	slab   *slab
	owners atomic.Int32
	bytes  []byte
	tokens [kernel.SpanTokens]int32
}

// SpanHeap is what a span takes beside its part of the caches: of Go's heap, for its tokens.
const SpanHeap = int64(unsafe.Sizeof(span{})) * 9 / 8 // and what size classes add

// CollectedHeap is what Go's heap holds at most for so many spans: when it is collected, as much garbage as what
// lives, such as what described the spans of the session before.
func CollectedHeap(spans int64) int64 { return 2 * spans * SpanHeap }

// A spanPool hands out the spans of all sessions of a model.
type spanPool struct {
	size  int // of a span's bytes
	mu    sync.Mutex
	slabs []*slab
}

// A slab is memory for several spans, so that they lie in huge pages however small they are. It is given back
// when none is in use.
type slab struct {
	memory *Memory
	bytes  []byte
	used   int      // spans in use
	fresh  int      // spans before it have been used
	free   [][]byte // of those, the ones that are not in use
}

const (
	slabSpans = 16       // at least
	slabBytes = 32 << 20 // at least: address space
)

// take returns a span of zeros that has one owner.
func (p *spanPool) take() (s *span, err error) {
	s = &span{pool: p}
	s.owners.Store(1)
	if p.size == 0 {
		return s, nil
	}
	p.mu.Lock()
	used := false
	if s.slab, err = p.room(); err == nil {
		s.bytes, used = s.slab.take(p.size)
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if used {
		clear(s.bytes)
	}
	return s, nil
}

// takeFilled returns n spans of zeros that are filled at once, and what is to be called when that is done.
func (p *spanPool) takeFilled(n int) (spans []*span, settle func(), err error) {
	defer catch(&err)
	if n*p.size < HugeFrom { // which is no memory of its own
		for len(spans) < n && err == nil {
			var s *span
			if s, err = p.take(); err == nil {
				spans = append(spans, s)
			}
		}
		return spans, func() {}, err
	}
	l := &slab{memory: newFilledMemory()}
	l.bytes = l.memory.Bytes(n * p.size)
	for range n {
		s := &span{pool: p, slab: l}
		s.owners.Store(1)
		s.bytes, _ = l.take(p.size)
		spans = append(spans, s)
	}
	p.mu.Lock()
	p.slabs = append(p.slabs, l)
	p.mu.Unlock()
	return spans, l.memory.settle, nil
}

// room is a slab that has room for a span, the first there is.
func (p *spanPool) room() (l *slab, err error) {
	for _, l := range p.slabs {
		if l.used*p.size < len(l.bytes) {
			return l, nil
		}
	}
	defer catch(&err)
	n := slabOf(p.size)
	l = &slab{memory: NewMemory()}
	l.bytes = l.memory.Bytes(n * p.size)
	p.slabs = append(p.slabs, l)
	return l, nil
}

// slabOf is how many spans of a size a slab has.
func slabOf(size int) int { return max(slabSpans, slabBytes/size) }

// take returns the memory of a span, and whether it has been used.
func (l *slab) take(size int) (bytes []byte, used bool) {
	l.used++
	if n := len(l.free); n > 0 {
		bytes, l.free = l.free[n-1], l.free[:n-1]
		return bytes, true
	}
	l.fresh++
	return l.bytes[(l.fresh-1)*size:][:size:size], false
}

// share adds an owner.
func (s *span) share() *span {
	s.owners.Add(1)
	return s
}

// shared reports whether another owner has it too. Where it is not, only its owner can make it so.
func (s *span) shared() bool { return s.owners.Load() > 1 }

// release ends the part of one owner.
func (s *span) release() {
	if s.owners.Add(-1) > 0 || s.slab == nil {
		return
	}
	p, l := s.pool, s.slab
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.used--; l.used > 0 {
		l.free = append(l.free, s.bytes)
		return
	}
	for i := range p.slabs {
		if p.slabs[i] == l {
			p.slabs = append(p.slabs[:i], p.slabs[i+1:]...)
			break
		}
	}
	l.memory.Free()
}

// fill makes the span say what another one does; t copies.
func (s *span) fill(from *span, t *team) {
	t.copy(s.bytes, from.bytes)
	s.tokens = from.tokens
}
