package host

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	rt "github.com/yococ/yococ/runtime"
)

// warmDecodes is how many decodes go before the first one that is timed.
const warmDecodes = 8

func (s *server) bench(ctx context.Context, q BenchRequest) (*BenchResult, error) {
	if q.PP < 0 || q.TG < 0 || q.Depth < 0 || q.Reps < 1 || q.Batch < 0 {
		return nil, fmt.Errorf("bench: pp %d, tg %d, depth %d, %d repetitions, batches of %d: want 0 or more, and 1 repetition or more",
			q.PP, q.TG, q.Depth, q.Reps, q.Batch)
	}
	b := &bencher{ctx: ctx, sessions: []*rt.Session{s.session}, depth: q.Depth, reps: q.Reps, result: &BenchResult{}}
	for len(b.sessions) < q.Batch {
		more, err := s.model.NewSession(s.session.Options())
		if err != nil {
			return nil, err
		}
		defer more.Close()
		b.sessions = append(b.sessions, more)
	}
	tokens := b.random(max(q.PP, q.TG, q.Depth, warmDecodes), s.model.Info().Vocab)
	var err error
	if q.PP > 0 {
		b.result.PP, err = b.measure(tokens, q.PP, q.PP, func(tokens []int32) error {
			if err := s.session.Prefill(ctx, tokens); err != nil {
				return err
			}
			_, err := s.session.Logits()
			return err
		})
	}
	if q.TG > 0 && err == nil {
		step := b.step(s.model)
		b.result.TG, err = b.measure(tokens, q.TG, min(q.TG, warmDecodes), func(tokens []int32) error {
			for _, t := range tokens {
				if err := step(t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	return b.result, nil
}

type bencher struct {
	ctx      context.Context
	sessions []*rt.Session // all at the same depth
	depth    int
	reps     int
	result   *BenchResult
}

// step adds a token to the session, or one to each of a batch.
func (b *bencher) step(m *rt.Model) func(token int32) error {
	if len(b.sessions) == 1 {
		return func(token int32) error {
			_, err := b.sessions[0].Decode(b.ctx, token)
			return err
		}
	}
	tokens := make([]int32, len(b.sessions))
	return func(token int32) error {
		for i := range tokens {
			tokens[i] = token
		}
		return m.DecodeBatch(b.ctx, b.sessions, tokens, nil)
	}
}

// random returns tokens that are the same in every run.
func (b *bencher) random(n, vocab int) []int32 {
	r := rand.New(rand.NewPCG(1, 2))
	ts := make([]int32, n)
	for i := range ts {
		ts[i] = r.Int32N(int32(vocab))
	}
	return ts
}

// measure times run for the first n tokens, after a warm-up with the first warm ones.
func (b *bencher) measure(tokens []int32, n, warm int, run func([]int32) error) ([]time.Duration, error) {
	if err := b.reset(); err != nil {
		return nil, err
	}
	if limit := b.sessions[0].Options().Context; b.depth > 0 && b.depth+warm+b.reps*n > limit {
		return nil, fmt.Errorf("bench: a depth of %d and %d repetitions of %d: %w", b.depth, b.reps, n,
			&rt.ContextFullError{Context: limit, Want: b.depth + warm + b.reps*n})
	}
	for _, s := range b.sessions {
		if err := s.Prefill(b.ctx, tokens[:b.depth]); err != nil {
			return nil, err
		}
	}
	if err := run(tokens[:warm]); err != nil {
		return nil, err
	}
	var times []time.Duration
	runtime.GC()
	for range b.reps {
		if b.depth == 0 {
			if err := b.reset(); err != nil {
				return nil, err
			}
		}
		before := mallocs()
		start := time.Now()
		if err := run(tokens[:n]); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
		b.result.Mallocs += mallocs() - before
	}
	return times, nil
}

// reset empties all sessions.
func (b *bencher) reset() error {
	for _, s := range b.sessions {
		if err := s.Reset(); err != nil {
			return err
		}
	}
	return nil
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
