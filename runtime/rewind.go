package runtime

import (
	"context"
	"fmt"
)

// Rewind takes tokens back, so that the session holds its first pos tokens: it is then as it was when it held no more,
// bit for bit, and Logits are those of the last of them.
//
// As far as the states of a model allow, which in most is to where the last block of 64 tokens began, that costs one
// step. To go back farther the session takes the nearest of the states that Options.Checkpoints has it keep, and
// computes the tokens since then again. If memory runs out it is empty.
func (s *Session) Rewind(pos int) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	switch {
	case pos < 0 || pos > s.states.pos:
		return fmt.Errorf("rewind to %d tokens: the session holds %d", pos, s.states.pos)
	case pos == s.states.pos:
		return nil
	case pos == 0:
		s.empty()
		return nil
	}
	if err := s.rewind(pos); err != nil {
		s.empty()
		return fmt.Errorf("rewind to %d tokens: %w", pos, err)
	}
	return nil
}

// rewind goes back to before the last of the first pos tokens, and adds that again for its logits.
func (s *Session) rewind(pos int) error {
	if err := s.wake(); err != nil {
		return err
	}
	s.move()
	tokens := tokensOf(s.states.spans, pos)
	if err := s.descend(pos - 1); err != nil {
		return err
	}
	s.states.truncate(pos)
	s.ladder.cut(pos)
	for s.states.pos < pos {
		again := tokens[s.states.pos:min(pos, s.states.pos+s.options.Chunk)]
		if err := s.prepare(len(again)); err != nil {
			return err
		}
		s.do(context.Background(), job{do: prefill, tokens: again, runs: s.at(s.states.pos, len(again))})
		s.states.advance(again)
		s.logits = source{needLast, len(again) - 1}
	}
	return nil
}

// descend makes the states those of a position up to pos: the last one that needs no computing.
func (s *Session) descend(pos int) error {
	if s.states.region.serves(s.engine, pos) {
		s.states.pos = pos
		return nil
	}
	at, r := 0, (*region)(nil)
	for _, l := range s.ladder.rungs {
		if l.pos <= pos || l.region.serves(s.engine, pos) {
			at, r = min(l.pos, pos), l.region
		}
	}
	if r != nil {
		r.share()
	} else {
		var err error
		if r, err = newRegion(s.model.info.RegionBytes); err != nil {
			return err
		}
	}
	s.states.region.release()
	s.bind(r)
	s.states.pos = at
	return nil
}
