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
	if q.PP < 0 || q.TG < 0 || q.Depth < 0 || q.Reps < 1 {
		return nil, fmt.Errorf("bench: pp %d, tg %d, depth %d, %d repetitions: want 0 or more, and 1 repetition or more",
			q.PP, q.TG, q.Depth, q.Reps)
	}
	b := &bencher{ctx: ctx, session: s.session, depth: q.Depth, reps: q.Reps, result: &BenchResult{}}
	tokens := b.random(max(q.PP, q.TG, q.Depth, warmDecodes), s.model.Info().Vocab)
	var err error
	if q.PP > 0 {
		b.result.PP, err = b.measure(tokens, q.PP, q.PP, func(tokens []int32) error {
			if err := b.session.Prefill(ctx, tokens); err != nil {
				return err
			}
			_, err := b.session.Logits()
			return err
		})
	}
	if q.TG > 0 && err == nil {
		b.result.TG, err = b.measure(tokens, q.TG, min(q.TG, warmDecodes), func(tokens []int32) error {
			for _, t := range tokens {
				if _, err := b.session.Decode(ctx, t); err != nil {
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
	ctx     context.Context
	session *rt.Session
	depth   int
	reps    int
	result  *BenchResult
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
	if err := b.session.Reset(); err != nil {
		return nil, err
	}
	if limit := b.session.Options().Context; b.depth > 0 && b.depth+warm+b.reps*n > limit {
		return nil, fmt.Errorf("bench: a depth of %d and %d repetitions of %d: %w", b.depth, b.reps, n,
			&rt.ContextFullError{Context: limit, Want: b.depth + warm + b.reps*n})
	}
	if err := b.session.Prefill(b.ctx, tokens[:b.depth]); err != nil {
		return nil, err
	}
	if err := run(tokens[:warm]); err != nil {
		return nil, err
	}
	var times []time.Duration
	runtime.GC()
	for range b.reps {
		if b.depth == 0 {
			if err := b.session.Reset(); err != nil {
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

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
