package runtime

import (
	"context"
	"time"

	"github.com/yococ/yococ/runtime/kernel"
)

// Progress is how far a Prefill is.
type Progress struct {
	Done, Total     int     // tokens
	Reused          int     // of those done, that were found computed
	TokensPerSecond float64 // of the others, since the call began
}

// Prefill adds tokens, chunk by chunk, without computing logits. If ctx ends, a chunk in work is given up and
// taken back: the session stands after the last whole chunk, which Pos tells, and can go on from there.
func (s *Session) Prefill(ctx context.Context, tokens []int32) error {
	return s.PrefillProgress(ctx, tokens, nil)
}

// PrefillProgress is Prefill; it calls progress after each chunk.
func (s *Session) PrefillProgress(ctx context.Context, tokens []int32, progress func(Progress)) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.prefill(ctx, tokens, progress)
}

// prefill is PrefillProgress of a session that was entered.
func (s *Session) prefill(ctx context.Context, tokens []int32, progress func(Progress)) error {
	if err := s.admit(tokens); err != nil {
		return err
	}
	end := s.states.pos + len(tokens)
	done, back, err := s.reuse(tokens)
	if back != nil {
		defer func() {
			if s.logits.from == nowhere { // nothing came after what was found
				s.stand(back)
			} else {
				back.release()
			}
		}()
	}
	if err != nil {
		return err
	}
	start, p := time.Now(), Progress{Done: done, Total: len(tokens), Reused: done}
	if done > 0 && progress != nil {
		progress(p)
	}
	s.ladder.goal = end
	for p.Done < p.Total {
		n := s.stride(p.Total - p.Done)
		if err := s.ahead(ctx, n, end); err != nil {
			return err
		}
		if err := s.add(ctx, prefill, tokens[p.Done:][:n]); err != nil {
			return err
		}
		p.Done += n
		if p.Done == p.Total || s.states.pos%kernel.SpanTokens == 0 && s.ladder.climb(&s.states, end, s.team) {
			s.remember()
		}
		if progress != nil {
			p.TokensPerSecond = float64(p.Done-p.Reused) / time.Since(start).Seconds()
			progress(p)
		}
	}
	return nil
}
