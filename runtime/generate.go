package runtime

import (
	"context"
	"iter"
	"slices"
)

// Generate continues the session's tokens and yields one after another as it is chosen. It ends
// after p.MaxTokens, before a token of p.Stop, when the loop breaks off, or with an error: that
// of ctx, ErrNoTokens, a ContextFullError where there is no room for another token, or ErrLogits.
// When it has ended the session holds every token that was yielded, and no other; if memory ran out the last one
// may be missing, which Pos tells also where the loop broke off and takes no error any more.
//
// In the loop's body all other methods of the session return ErrBusy, but for Pos and the like.
func (s *Session) Generate(ctx context.Context, p Sampling) iter.Seq2[int32, error] {
	return func(yield func(int32, error) bool) {
		over := false // to call yield again would be a panic
		err := s.generate(ctx, p, func(token int32, err error) bool {
			over = !yield(token, err)
			return !over
		})
		if err != nil && !over {
			yield(0, err)
		}
	}
}

func (s *Session) generate(ctx context.Context, p Sampling, yield func(int32, error) bool) (err error) {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if s.logits.from == nowhere {
		return ErrNoTokens
	}
	if err := s.sampler.start(p, s.vocab); err != nil {
		return err
	}
	if s.speculation == nil {
		s.speculation = new(speculation)
	}
	g := s.speculation
	if err := g.begin(s, p.Speculate); err != nil {
		return err
	}
	defer func() {
		if lost := g.settle(s); err == nil {
			err = lost
		}
	}()
	for n := 1; ; n++ {
		if err := ended(ctx); err != nil {
			return err
		}
		if s.states.pos >= s.options.Context {
			return &ContextFullError{Context: s.options.Context, Used: s.states.pos, Want: 1}
		}
		token, err := s.sampler.choose(s.answer())
		if err != nil {
			return err
		}
		if slices.Contains(p.Stop, token) {
			return nil
		}
		s.one[0] = token
		more := yield(token, nil) && n != p.MaxTokens
		if g.accept(s, token) {
			if more {
				continue
			}
			return nil
		}
		if err := g.settle(s); err != nil {
			return err
		}
		if !more {
			return s.add(context.Background(), prefill, s.one[:]) // logits are for the next call to ask for
		}
		if err := g.step(ctx, s, p.MaxTokens-n); err != nil {
			if ctx.Err() != nil {
				s.add(context.Background(), prefill, s.one[:]) // it was yielded
			}
			return err
		}
	}
}
