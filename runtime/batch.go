package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/yococ/yococ/runtime/kernel"
)

// DecodeBatch adds tokens[i] to sessions[i], for every i, and computes the logits of the next tokens:
// what Decode does for each of them, the same bits, but in one pass that reads the weights once. States
// and caches are each session's own, and so are their positions.
//
// The sessions are open, of this model, and no two are the same; their options may differ. The first
// one lends its workers and its activations' memory: more sessions than its Options.Chunk take a pass
// for every so many.
//
// Each session's Logits has its logits afterwards. If logits is not nil, there is one for each session,
// and logits[i] gets a copy: in the memory that it has, or in new memory if that is too short.
//
// It is all or nothing. A TokenError says by its Index which token is none, other errors name the session;
// then, or if ctx ends before all is done, no session has changed. Nothing is
// allocated, apart from logits, unless the first session leads a larger batch than before.
func (m *Model) DecodeBatch(ctx context.Context, sessions []*Session, tokens []int32, logits [][]float32) error {
	switch {
	case len(tokens) != len(sessions):
		return fmt.Errorf("batch: %d tokens for %d sessions", len(tokens), len(sessions))
	case logits != nil && len(logits) != len(sessions):
		return fmt.Errorf("batch: %d logits for %d sessions", len(logits), len(sessions))
	}
	if err := ended(ctx); err != nil {
		return err
	}
	entered := 0
	defer func() {
		for _, s := range sessions[:entered] {
			s.leave()
		}
	}()
	for i, s := range sessions {
		if err := m.enlist(s); err != nil {
			return refusal(sessions, i, err)
		}
		entered++
		s.one[0] = tokens[i]
		if err := s.admit(s.one[:]); err != nil {
			return refusal(sessions, i, err)
		}
	}
	if len(sessions) == 0 {
		return nil
	}
	leader := sessions[0]
	if err := leader.gather(); err != nil {
		return refusal(sessions, 0, err)
	}
	for i, s := range sessions {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.own(1, leader.team); err != nil {
			return refusal(sessions, i, err)
		}
		if ctx.Done() != nil {
			if err := s.keep(1, true); err != nil {
				return refusal(sessions, i, err)
			}
		}
	}
	for i := range logits {
		logits[i] = slices.Grow(logits[i][:0], m.info.Vocab)[:m.info.Vocab]
	}
	// The leader's own logits are row 0 of those that it computes: its pass comes last.
	for end := len(sessions); end > 0; {
		from := (end - 1) / leader.options.Chunk * leader.options.Chunk
		part := logits
		if part != nil {
			part = part[from:end]
		}
		if !leader.lead(ctx, sessions[from:end], tokens[from:end], part) {
			leader.takeBackLogits()
			for _, s := range sessions[from:] {
				s.takeBack()
			}
			return ctx.Err()
		}
		end = from
	}
	return nil
}

// enlist begins the session's part in a batch.
func (m *Model) enlist(s *Session) error {
	switch {
	case s == nil:
		return errors.New("is nil")
	case s.model != m:
		return errors.New("of another model")
	}
	return s.enter()
}

// refusal is the error of a batch that session i can't be in.
func refusal(sessions []*Session, i int, err error) error {
	if first := slices.Index(sessions, sessions[i]); first < i && errors.Is(err, ErrBusy) {
		return fmt.Errorf("batch: sessions %d and %d are the same", first, i)
	}
	if wrong, ok := errors.AsType[*TokenError](err); ok {
		wrong.Index = i
		return wrong
	}
	return fmt.Errorf("batch: session %d: %w", i, err)
}

// lead adds a token to each of some sessions, in one pass by the workers of s. It returns false if ctx has
// ended it.
func (s *Session) lead(ctx context.Context, sessions []*Session, tokens []int32, logits [][]float32) bool {
	s.runs = s.runs[:0]
	for _, f := range sessions {
		s.runs = append(s.runs, Run{f.engine, f.states.pos, 1})
	}
	j := job{do: together, tokens: tokens, runs: s.runs, sessions: sessions, logits: logits}
	if ctx.Done() != nil {
		j.keep = sessions
	}
	done := s.do(ctx, j)
	clear(s.runs)
	if !done {
		return false
	}
	for i, f := range sessions {
		f.states.advance(tokens[i : i+1])
		f.logits = source{computed, 0}
	}
	return true
}

// together is one worker's part of a pass for several sessions. The last rows' logits come first, so
// that row 0 is left with those of the first session.
func (s *Session) together(w *kernel.Worker, j *job) {
	s.engine.Score(w, j.tokens)
	n := s.model.info.HeadRows
	for from := (len(j.tokens) - 1) / n * n; from >= 0; from -= n {
		rows := min(n, len(j.tokens)-from)
		s.engine.Head(w, from, rows)
		for i := range w.Turns(rows) {
			row := s.engine.Logits().Row(i, s.vocab)
			copy(j.sessions[from+i].engine.Logits().Row(0, s.vocab), row)
			if j.logits != nil {
				copy(j.logits[from+i], row)
			}
		}
		w.Sync() // before the rows are computed anew
	}
}
