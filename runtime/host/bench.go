package host

import (
	"context"
	"fmt"
	"runtime"
	"time"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/host/probe"
)

const (
	// warmDecodes is how many decodes go before the first one that is timed, warmPrefill how many tokens
	// of a prompt at the most.
	warmDecodes = 8
	warmPrefill = 4096
	// fillBy is how many tokens a depth is prefilled by: those of a million need not be there together.
	fillBy = 1 << 14
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
	var err error
	if q.PP > 0 {
		b.result.PP, err = b.prefills()
	}
	if q.TG > 0 && err == nil {
		b.result.TG, err = b.decodes()
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
	drawn    []int32
}

// A trial is what is timed.
type trial struct {
	tokens int                                      // of a repetition
	warm   int                                      // of them, before the first repetition
	run    func(tokens []int32, last bool) error    // of a piece of the tokens, or the last one
	piece  func(warming time.Duration) (tokens int) // between two probes
	limits func() limits
}

// limits are what probes reach, a second.
type limits struct{ operations, bytes float64 }

// tokens are those from some place on, the same in every run; they are valid until the next call.
func (b *bencher) tokens(from, n int) []int32 {
	vocab := uint64(b.model.Info().Vocab)
	b.drawn = b.drawn[:0]
	for i := range uint64(n) {
		x := (uint64(from) + i + 1) * 0x9e3779b97f4a7c15 // the steps of splitmix64
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		b.drawn = append(b.drawn, int32((x^x>>31)%vocab))
	}
	return b.drawn
}

// prefills times PP tokens and the logits after them.
func (b *bencher) prefills() ([]BenchRep, error) {
	s := b.sessions[0]
	return b.measure(trial{
		tokens: b.q.PP, warm: min(b.q.PP, warmPrefill),
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
func (b *bencher) decodes() ([]BenchRep, error) {
	step := b.step()
	warm := min(b.q.TG, warmDecodes)
	return b.measure(trial{
		tokens: b.q.TG, warm: warm,
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

// measure times a trial at the depth, piece by piece, with probes before and after each.
func (b *bencher) measure(t trial) ([]BenchRep, error) {
	if err := b.reset(); err != nil {
		return nil, err
	}
	n, depth := t.tokens, b.q.Depth
	want := depth + t.warm + b.q.Reps*n
	if limit := b.sessions[0].Options().Context; depth > 0 && want > limit {
		return nil, fmt.Errorf("bench: a depth of %d and %d repetitions of %d: %w", depth, b.q.Reps, n,
			&rt.ContextFullError{Context: limit, Want: want})
	}
	for _, s := range b.sessions {
		if err := b.fill(s, depth); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	if err := t.run(b.tokens(0, t.warm), true); err != nil {
		return nil, err
	}
	step := t.piece(time.Since(start))
	var reps []BenchRep
	runtime.GC()
	before := t.limits()
	for range b.q.Reps {
		if depth == 0 {
			if err := b.reset(); err != nil {
				return nil, err
			}
		}
		var rep BenchRep
		for from := 0; from < n; from += step {
			to := min(from+step, n)
			tokens := b.tokens(from, to-from)
			made := mallocs()
			start := time.Now()
			if err := t.run(tokens, to == n); err != nil {
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

// fill adds so many tokens to an empty session.
func (b *bencher) fill(s *rt.Session, n int) error {
	if b.q.Synthetic {
		return s.Synthesize(b.ctx, n)
	}
	for at := 0; at < n; at += fillBy {
		if err := s.Prefill(b.ctx, b.tokens(at, min(fillBy, n-at))); err != nil {
			return err
		}
	}
	return nil
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
