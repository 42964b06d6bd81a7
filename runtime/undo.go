package runtime

import (
	"context"
	"unsafe"

	"github.com/yococ/yococ/runtime/kernel"
)

// An undo is what a session needs to be again as it was before a pass. Of its states these are the parts that positions alone
// do not take back; spans need nothing, since what they hold from a position on is dead. It takes as much
// memory for any context, which is committed as it is used.
type undo struct {
	memory *Memory
	region []byte        // copies of parts of the region, each at the place of what it is a copy of
	parts  []kernel.Part // that were copied
	asked  []kernel.Part // that would have to be
	row    []float32     // what the last logits come from, if they were not computed
	logits []float32     // if they were
	from   origin        // where the last logits were
	pos    int
}

// UndoBytes is the memory in which a session keeps what a pass changes, so that its context may end it.
func (i *Info) UndoBytes() int64 { return int64(i.RegionBytes) + 4*int64(i.RowFloats+i.Vocab) }

// undoable sees to the memory for it.
func (s *Session) undoable() (err error) {
	if s.undo != nil {
		return nil
	}
	defer catch(&err)
	u, info := &undo{memory: NewMemory()}, &s.model.info
	all := u.memory.Bytes(int(info.UndoBytes()))
	u.region = all[:info.RegionBytes]
	rest := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(all[len(u.region):]))), info.RowFloats+info.Vocab)
	u.row, u.logits = rest[:info.RowFloats], rest[info.RowFloats:]
	s.undo = u
	return nil
}

// keep remembers the session as it is before a pass that adds n tokens: its last logits if that is asked for, and of the states
// what the workers have to copy before they begin.
func (s *Session) keep(n int, logits bool) error {
	if err := s.undoable(); err != nil {
		return err
	}
	u := s.undo
	u.pos, u.from = s.states.pos, s.logits.from
	u.parts = s.engine.Spoiled(u.parts[:0], u.pos+n, u.pos)
	if !logits {
		return nil
	}
	switch u.from {
	case needLast, needHead:
		copy(u.row, s.engine.Row(s.logits.row))
	case computed:
		copy(u.logits, s.engine.Logits().Row(s.logits.row, s.vocab))
	}
	return nil
}

// save copies the worker's share of the parts, and reports whether there are any.
func (u *undo) save(w *kernel.Worker, region []byte) bool {
	for _, p := range u.parts {
		lo, hi := w.Share((p.To - p.From) / line)
		copy(u.region[p.From+lo*line:p.From+hi*line], region[p.From+lo*line:])
	}
	return len(u.parts) > 0
}

// restore makes the parts of a region what they were.
func (u *undo) restore(region []byte) {
	for _, p := range u.parts {
		copy(region[p.From:p.To], u.region[p.From:])
	}
}

// takeBack makes the session what it was when keep was called, however far the pass has come.
func (s *Session) takeBack() {
	s.undo.restore(s.states.region.bytes)
	s.states.pos = s.undo.pos
	s.takeBackLogits()
}

// takeBackLogits does so with what another session's tokens have overwritten in a pass that this one led.
func (s *Session) takeBackLogits() {
	u := s.undo
	switch u.from {
	case needLast, needHead:
		copy(s.engine.Row(0), u.row)
	case computed:
		copy(s.engine.Logits().Row(0, s.vocab), u.logits)
	}
	s.logits = source{from: u.from}
}

// add is a pass that adds tokens, at most a chunk. If ctx ends meanwhile nothing has changed.
func (s *Session) add(ctx context.Context, do stage, tokens []int32) error {
	if err := ended(ctx); err != nil {
		return err
	}
	n := len(tokens)
	if err := s.prepare(n); err != nil {
		return err
	}
	j := job{do: do, tokens: tokens, runs: s.at(s.states.pos, n)}
	if ctx.Done() != nil {
		if err := s.keep(n, true); err != nil {
			return err
		}
		j.keep = s.alone()
	}
	if !s.do(ctx, j) {
		s.takeBack()
		return ctx.Err()
	}
	s.states.advance(tokens)
	switch do {
	case prefill:
		s.logits = source{needLast, n - 1}
	case decode:
		s.logits = source{computed, 0}
	case score:
		s.logits = source{needHead, n - 1}
	}
	return nil
}
