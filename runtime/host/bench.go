package host

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/host/probe"
)

const (
	// warmDecodes is how many decodes go before the first one that is timed.
	warmDecodes = 8
	// probeEvery is about how long decodes are timed between two probes: the speed of memory that is
	// shared with others changes within seconds.
	probeEvery = 100 * time.Millisecond
	// probeBytes of the weights are read for a probe, other ones each time.
	probeBytes = 256 << 20
)

func (s *server) bench(ctx context.Context, q BenchRequest) (*BenchResult, error) {
	if q.PP < 0 || q.TG < 0 || q.Depth < 0 || q.Reps < 1 || q.Batch < 0 {
		return nil, fmt.Errorf("bench: pp %d, tg %d, depth %d, %d repetitions, batches of %d: want 0 or more, and 1 repetition or more",
			q.PP, q.TG, q.Depth, q.Reps, q.Batch)
	}
	if err := s.model.Settled(ctx); err != nil {
		return nil, err
	}
	b := &bencher{ctx: ctx, q: q, model: s.model, sessions: []*rt.Session{s.session}}
	b.result.HugeBytes = s.model.HugeBytes()
	for len(b.sessions) < q.Batch {
		more, err := s.model.NewSession(s.session.Options())
		if err != nil {
			return nil, err
		}
		defer more.Close()
		b.sessions = append(b.sessions, more)
	}
	tokens := b.random(max(q.PP, q.TG, q.Depth, warmDecodes))
	var err error
	if q.PP > 0 {
		b.result.PP, err = b.prefills(tokens)
	}
	if q.TG > 0 && err == nil {
		b.result.TG, err = b.decodes(tokens)
	}
	if err != nil {
		return nil, err
	}
	return &b.result, nil
}

type bencher struct {
	ctx      context.Context
	q        BenchRequest
	model    *rt.Model
	sessions []*rt.Session // all at the same depth
	result   BenchResult
	at       int // where in the weights the next probe reads
}

// A trial is what is timed.
type trial struct {
	tokens []int32
	warm   int                                      // of tokens, before the first repetition
	run    func(tokens []int32, last bool) error    // of a piece of the tokens, or the last one
	piece  func(warming time.Duration) (tokens int) // between two probes
	limits func() limits
}

// limits are what probes reach, a second.
type limits struct{ operations, bytes float64 }

// random returns tokens that are the same in every run.
func (b *bencher) random(n int) []int32 {
	r := rand.New(rand.NewPCG(1, 2))
	ts := make([]int32, n)
	for i := range ts {
		ts[i] = r.Int32N(int32(b.model.Info().Vocab))
	}
	return ts
}

// prefills times PP tokens and the logits after them.
func (b *bencher) prefills(tokens []int32) ([]BenchRep, error) {
	s := b.sessions[0]
	return b.measure(tokens[:b.q.Depth], trial{
		tokens: tokens[:b.q.PP], warm: b.q.PP,
		run: func(tokens []int32, last bool) error {
			if err := s.Prefill(b.ctx, tokens); err != nil || !last {
				return err
			}
			_, err := s.Logits()
			return err
		},
		piece:  func(time.Duration) int { return s.Options().Chunk },
		limits: func() limits { return limits{operations: b.peak()} },
	})
}

// decodes times TG single decodes, or as many of every session of a batch.
func (b *bencher) decodes(tokens []int32) ([]BenchRep, error) {
	step := b.step()
	warm := min(b.q.TG, warmDecodes)
	return b.measure(tokens[:b.q.Depth], trial{
		tokens: tokens[:b.q.TG], warm: warm,
		run: func(tokens []int32, _ bool) error {
			for _, t := range tokens {
				if err := step(t); err != nil {
					return err
				}
			}
			return nil
		},
		piece: func(warming time.Duration) int {
			return max(1, int(probeEvery*time.Duration(warm)/max(warming, 1)))
		},
		limits: func() limits {
			if len(b.sessions) == 1 {
				return limits{bytes: b.read()}
			}
			return limits{b.peak(), b.read()}
		},
	})
}

// step adds a token to the session, or one to each of a batch.
func (b *bencher) step() func(token int32) error {
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
		return b.model.DecodeBatch(b.ctx, b.sessions, tokens, nil)
	}
}

// peak is the operations a second of the arithmetic that the model's matrices take.
func (b *bencher) peak() float64 {
	o := b.sessions[0].Options()
	seconds := 0.0 // an operation
	for _, a := range b.q.Arithmetic {
		seconds += a.Part / probe.Peak(o.ISA, a.Kind, o.Threads)
	}
	if seconds == 0 {
		return 0
	}
	return 1 / seconds
}

// read is the bytes a second of reading the weights.
func (b *bencher) read() float64 {
	o, data := b.sessions[0].Options(), b.model.Weights()
	n := min(len(data), probeBytes)
	if b.at+n > len(data) {
		b.at = 0
	}
	data = data[b.at : b.at+n]
	b.at += n
	return probe.Read(o.ISA, data, o.Threads)
}

// measure times a trial at a depth, piece by piece, with probes before and after each.
func (b *bencher) measure(depth []int32, t trial) ([]BenchRep, error) {
	if err := b.reset(); err != nil {
		return nil, err
	}
	n := len(t.tokens)
	want := len(depth) + t.warm + b.q.Reps*n
	if limit := b.sessions[0].Options().Context; len(depth) > 0 && want > limit {
		return nil, fmt.Errorf("bench: a depth of %d and %d repetitions of %d: %w", len(depth), b.q.Reps, n,
			&rt.ContextFullError{Context: limit, Want: want})
	}
	for _, s := range b.sessions {
		if err := s.Prefill(b.ctx, depth); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	if err := t.run(t.tokens[:t.warm], true); err != nil {
		return nil, err
	}
	step := t.piece(time.Since(start))
	var reps []BenchRep
	runtime.GC()
	before := t.limits()
	for range b.q.Reps {
		if len(depth) == 0 {
			if err := b.reset(); err != nil {
				return nil, err
			}
		}
		var rep BenchRep
		for from := 0; from < n; from += step {
			to := min(from+step, n)
			made := mallocs()
			start := time.Now()
			if err := t.run(t.tokens[from:to], to == n); err != nil {
				return nil, err
			}
			took := time.Since(start)
			b.result.Mallocs += mallocs() - made
			after := t.limits()
			rep.Time += took
			rep.Operations += took.Seconds() * (before.operations + after.operations) / 2
			rep.Bytes += took.Seconds() * (before.bytes + after.bytes) / 2
			before = after
		}
		reps = append(reps, rep)
	}
	return reps, nil
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
