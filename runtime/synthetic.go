package runtime

import (
	"context"
	"fmt"

	"github.com/yococ/yococ/runtime/kernel"
)

// Synthesize makes the session, whatever it held, one at a position that nobody has to wait for: only its
// first 512 tokens and those behind the last multiple of 512 go through the model, and the caches of the
// tokens between them are those of the first, repeated; states that don't grow go on as they were. It is
// for measurements of speed and memory alone: what it computes from there means nothing, but it is the
// same every time, and made of numbers as the model computes them. There are logits after the next token.
func (s *Session) Synthesize(ctx context.Context, pos int) error {
	if pos < 0 {
		return fmt.Errorf("synthesize %d tokens: want 0 or more", pos)
	}
	if pos > s.options.Context {
		return &ContextFullError{Context: s.options.Context, Want: pos}
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	s.reset()
	first := min(pos, kernel.SpanTokens)
	if err := s.synthetic(ctx, 0, first); err != nil {
		return err
	}
	if err := s.repeat(ctx, pos); err != nil {
		return err
	}
	return s.synthetic(ctx, s.states.pos, pos)
}

// synthetic adds the tokens of some positions, made up.
func (s *Session) synthetic(ctx context.Context, from, to int) error {
	tokens := make([]int32, to-from)
	for i := range tokens {
		x := uint64(from+i+1) * 0x9e3779b97f4a7c15
		tokens[i] = int32((x ^ x>>32) % uint64(s.vocab))
	}
	return s.prefill(ctx, tokens, nil)
}

// repeat goes on to the last multiple of 512 before pos, with the caches of the first span.
func (s *Session) repeat(ctx context.Context, pos int) error {
	for s.states.pos+kernel.SpanTokens <= pos {
		if err := ended(ctx); err != nil {
			return err
		}
		if err := s.prepare(kernel.SpanTokens); err != nil {
			return err
		}
		from, to := s.states.spans[0], s.states.spans[s.states.pos/kernel.SpanTokens]
		to.fill(from, s.team)
		s.madeUp = true
		s.states.pos += kernel.SpanTokens
		s.logits = source{}
	}
	return nil
}
