package tests

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// endsAt is a context that has ended from the n-th question on: sessions ask at every meeting of their workers.
type endsAt struct {
	context.Context
	left atomic.Int64
}

func newEndsAt(n int) *endsAt {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := &endsAt{Context: ctx}
	c.left.Store(int64(n))
	return c
}

func (c *endsAt) Err() error {
	if c.left.Add(-1) >= 0 {
		return nil
	}
	return c.Context.Err()
}

// mixers are models with every mixer, in every format.
var mixers = []string{
	"yoco8m", "yoco8mq4", "flabiasqknorm", "flaswa", "flaswaq8", "flagdn", "flagdnq8", "sambay", "sambayq8", "flaallrows",
	"plaintiny", "plaintinyq8", "mixedtiny", "deltatiny",
}

// canceling is a session whose calls are canceled at every question that they ask, until they succeed, beside
// one whose calls never are.
type canceling struct {
	*testing.T
	s, ref *rt.Session
	step   int // between the questions that are tried
	tried  int
}

// do cancels a call at question after question. What was canceled has changed nothing, but for whole chunks.
func (c *canceling) do(what string, chunk int, call func(ctx context.Context, done int) error) {
	c.Helper()
	from := c.s.Pos()
	before := c.logits()
	for n := 0; ; n += c.step {
		at := c.s.Pos()
		err := call(newEndsAt(n), at-from)
		c.tried++
		if err == nil {
			return
		}
		if !errors.Is(err, context.Canceled) {
			c.Fatalf("%s, question %d: %v", what, n, err)
		}
		if (c.s.Pos()-from)%chunk != 0 {
			c.Fatalf("%s, question %d: stands at %d, from %d in chunks of %d", what, n, c.s.Pos(), from, chunk)
		}
		if c.s.Pos() == from && !slices.Equal(bits(c.logits()), bits(before)) {
			c.Fatalf("%s from %d, question %d: other logits", what, from, n)
		}
	}
}

// logits are a copy of the session's last logits, nil if there are none.
func (c *canceling) logits() []float32 {
	x, err := c.s.Logits()
	if errors.Is(err, rt.ErrNoTokens) {
		return nil
	}
	if err != nil {
		c.Fatal(err)
	}
	return slices.Clone(x)
}

// compare compares all that the two sessions have to tell.
func (c *canceling) compare(what string) {
	c.Helper()
	if c.s.Pos() != c.ref.Pos() {
		c.Fatalf("%s: stands at %d, want %d", what, c.s.Pos(), c.ref.Pos())
	}
	var got, want outcome
	for _, x := range []struct {
		o *outcome
		s *rt.Session
	}{{&got, c.s}, {&want, c.ref}} {
		x.o.add("logits", logits(c, x.s))
		x.o.export(c, x.s, what)
	}
	if d := got.difference(&want); d != "" {
		c.Fatalf("%s at %d: %s", what, c.s.Pos(), d)
	}
}

// TestCancel cancels every kind of call at every meeting of the workers, for every mixer and at every
// offset in a block, and demands the bits of sessions that were never canceled.
func TestCancel(t *testing.T) {
	for _, name := range mixers {
		for _, threads := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/%d", name, threads), func(t *testing.T) {
				m := open(t, name)
				o := rt.Options{Context: 700, Threads: threads, Chunk: 70}
				c := &canceling{T: t, s: session(t, m, o), ref: session(t, m, rt.Options{Context: 700, Threads: 1}), step: 1}
				large := m.Info().Dim > 64
				tokens := prompt(700, m.Info().Vocab)
				c.prefills(tokens[:75])
				if large || testing.Short() || race {
					c.step = 11
				}
				for range 66 {
					c.decode(tokens[c.s.Pos()])
				}
				c.compare("decodes")
				c.step = 1
				if large || testing.Short() || race {
					c.step = 5
				}
				c.prefills(tokens[c.s.Pos():][:200])
				c.score(tokens[c.s.Pos():][:101])
				c.generate()
				if c.tried < 500/c.step {
					t.Errorf("%d calls", c.tried)
				}
			})
		}
	}
}

func (c *canceling) prefills(tokens []int32) {
	c.Helper()
	c.do("prefill", 70, func(ctx context.Context, done int) error { return c.s.Prefill(ctx, tokens[done:]) })
	prefill(c, c.ref, tokens)
	c.compare("prefill")
}

func (c *canceling) decode(token int32) {
	c.Helper()
	var got []float32
	c.do("decode", 1, func(ctx context.Context, _ int) (err error) {
		got, err = c.s.Decode(ctx, token)
		return err
	})
	if !slices.Equal(bits(got), bits(decode(c, c.ref, token))) {
		c.Fatalf("decode at %d: other logits", c.s.Pos())
	}
}

func (c *canceling) score(tokens []int32) {
	c.Helper()
	targets := append(slices.Clone(tokens[1:]), 0)
	var got []float64
	c.do("score", 70, func(ctx context.Context, done int) (err error) {
		got, err = c.s.Score(ctx, tokens[done:], targets[done:])
		return err
	})
	want, err := c.ref.Score(context.Background(), tokens, targets)
	if err != nil {
		c.Fatal(err)
	}
	if !slices.Equal(got, want[len(want)-len(got):]) {
		c.Fatal("score: other likelihoods")
	}
	c.compare("score")
}

// generate cancels after some tokens: those that were yielded are held, and no other.
func (c *canceling) generate() {
	c.Helper()
	for n := range 40 {
		var got []int32
		for token, err := range c.s.Generate(newEndsAt(7*n), rt.Sampling{MaxTokens: 2, Speculate: n % 8}) {
			if err != nil && !errors.Is(err, context.Canceled) {
				c.Fatal(err)
			} else if err == nil {
				got = append(got, token)
			}
		}
		for _, token := range got {
			if want := argmax(logits(c, c.ref)); token != want {
				c.Fatalf("generate: token %d, want %d", token, want)
			}
			decode(c, c.ref, token)
		}
		c.compare("generate")
	}
}

// TestCancelBatch cancels batches whose sessions stand at many offsets. The first one is led by another session than
// the last, and is smaller than the leader's chunks.
func TestCancelBatch(t *testing.T) {
	for _, name := range mixers {
		t.Run(name, func(t *testing.T) {
			m := open(t, name)
			const n = 11
			var all, refs []*rt.Session
			tokens := prompt(400, m.Info().Vocab)
			for i := range n {
				for _, to := range []*[]*rt.Session{&all, &refs} {
					s := session(t, m, rt.Options{Context: 300, Threads: 2, Chunk: 4 + i})
					prefill(t, s, tokens[i:][:55+i])
					*to = append(*to, s)
				}
			}
			step := 7
			if testing.Short() || race {
				step = 29
			}
			for round := range 12 {
				next := tokens[round:][:n]
				for q := round % step; ; q += step {
					err := m.DecodeBatch(newEndsAt(q), all, next, nil)
					if err == nil {
						break
					}
					if !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
					for i, s := range all {
						if s.Pos() != refs[i].Pos() {
							t.Fatalf("question %d: session %d stands at %d, want %d", q, i, s.Pos(), refs[i].Pos())
						}
					}
					i := q % n
					if !slices.Equal(bits(logits(t, all[i])), bits(logits(t, refs[i]))) {
						t.Fatalf("round %d, question %d: session %d has other logits", round, q, i)
					}
				}
				for i, s := range refs {
					if !slices.Equal(bits(decode(t, s, next[i])), bits(logits(t, all[i]))) {
						t.Fatalf("round %d: session %d has other logits", round, i)
					}
				}
				slices.Reverse(all)
				slices.Reverse(refs)
			}
			for i := range all {
				(&canceling{T: t, s: all[i], ref: refs[i]}).compare("batch")
			}
		})
	}
}
