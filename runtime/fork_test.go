package runtime_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
)

// spans is how many spans all sessions of a model have.
func spans(t *testing.T, m *rt.Model, want int) {
	t.Helper()
	if _, n := m.Slabs(); n != want {
		t.Errorf("%d spans are in use, want %d", n, want)
	}
}

// long is n tokens that no two spans share.
func long(n int) []int32 {
	ts := make([]int32, n)
	for i := range ts {
		ts[i] = int32((i + i/kernel.SpanTokens) * 7 % vocab)
	}
	return ts
}

func fork(t *testing.T, s *rt.Session) *rt.Session {
	t.Helper()
	f, err := s.Fork()
	must(t, err)
	return f
}

// Forks have no engine before they compute, share the spans before the one that they part in, and give back what is
// theirs, in whatever order they are closed.
func TestForkShares(t *testing.T) {
	for order := range 6 {
		engines := 0
		m := newModel(func(*fake) error { engines++; return nil })
		tokens := long(1200)
		s, err := m.NewSession(rt.Options{Context: 2000, Threads: 2})
		must(t, err)
		must(t, s.Prefill(ctx, tokens))
		spans(t, m, 3)
		a := fork(t, s)
		b := fork(t, a)
		spans(t, m, 3)
		for _, f := range []*rt.Session{a, b, s} {
			if !slices.Equal(f.Tokens(), tokens) || f.Pos() != len(tokens) {
				t.Errorf("a fork has %d tokens", f.Pos())
			}
			expect(t, f, tokens)
		}
		if engines != 1 {
			t.Errorf("%d engines for a session and forks that have not computed", engines)
		}
		l, err := a.Logits()
		must(t, err)
		clear(l) // they are the caller's
		expect(t, b, tokens)

		must(t, b.Prefill(ctx, []int32{1}))
		spans(t, m, 4)
		must(t, s.Prefill(ctx, []int32{2}))
		spans(t, m, 5)
		expect(t, b, append(slices.Clone(tokens), 1))
		expect(t, s, append(slices.Clone(tokens), 2))
		expect(t, a, tokens)
		if engines != 2 {
			t.Errorf("%d engines for two sessions that compute", engines)
		}

		all := []*rt.Session{s, a, b}
		at := order % 3
		must(t, all[at].Close())
		all = slices.Delete(all, at, at+1)
		if err := m.Close(); err == nil {
			t.Error("a model with open forks was closed")
		}
		last := all[order/3]
		must(t, all[1-order/3].Close())
		had := last.Tokens()
		must(t, last.Prefill(ctx, []int32{3, 4}))
		expect(t, last, append(had, 3, 4))
		spans(t, m, 3) // the last one's own
		must(t, last.Close())
		if slabs, n := m.Slabs(); slabs != 0 || n != 0 {
			t.Errorf("%d slabs and %d spans are left", slabs, n)
		}
		must(t, m.Close())
	}
}

// A session goes on in its own memory once its forks are closed: nothing is copied.
func TestForkLeavesNothing(t *testing.T) {
	m := newModel(nil)
	s, err := m.NewSession(rt.Options{Context: 2000})
	must(t, err)
	must(t, s.Prefill(ctx, long(100)))
	must(t, fork(t, s).Close())
	reserved := s.Reserved()
	must(t, s.Prefill(ctx, []int32{1}))
	spans(t, m, 1)
	if s.Reserved() != reserved {
		t.Errorf("%d bytes reserved, and %d before", s.Reserved(), reserved)
	}
	expect(t, s, append(long(100), 1))
	must(t, s.Close())
}

// Reset ends a fork's part in what it shares, whether it has computed or not.
func TestForkReset(t *testing.T) {
	m := newModel(nil)
	s, err := m.NewSession(rt.Options{Context: 2000})
	must(t, err)
	must(t, s.Prefill(ctx, long(600)))
	a, b := fork(t, s), fork(t, s)
	must(t, a.Prefill(ctx, []int32{1}))
	spans(t, m, 3)
	for _, f := range []*rt.Session{a, b} {
		must(t, f.Reset())
		if _, err := f.Logits(); err != rt.ErrNoTokens || f.Pos() != 0 || len(f.Tokens()) != 0 {
			t.Errorf("after Reset: %d tokens, %v", f.Pos(), err)
		}
	}
	spans(t, m, 2)
	must(t, b.Prefill(ctx, text(9)))
	expect(t, b, text(9))
	must(t, s.Reset())
	spans(t, m, 1)
	must(t, a.Prefill(ctx, text(8)))
	expect(t, a, text(8))
	for _, f := range []*rt.Session{a, b, s} {
		must(t, f.Close())
	}
	if slabs, _ := m.Slabs(); slabs != 0 {
		t.Errorf("%d slabs are left", slabs)
	}
}

// Logits that are still to be computed are there for the fork, whatever pass they are of.
func TestForkLogits(t *testing.T) {
	tokens := text(30)
	for name, add := range map[string]func(*rt.Session) error{
		"prefill": func(s *rt.Session) error { return s.Prefill(ctx, tokens) },
		"score": func(s *rt.Session) error {
			targets := slices.Repeat([]int32{-1}, len(tokens))
			_, err := s.Score(ctx, tokens, targets)
			return err
		},
		"generate": func(s *rt.Session) error {
			must(t, s.Prefill(ctx, tokens[:20]))
			for _, err := range s.Generate(ctx, rt.Sampling{MaxTokens: 5}) {
				must(t, err)
			}
			return nil
		},
	} {
		s := newSession(t, rt.Options{Chunk: 12})
		must(t, add(s))
		f := fork(t, s)
		expect(t, f, s.Tokens())
		if name != "generate" && !slices.Equal(f.Tokens(), tokens) {
			t.Errorf("%s: tokens %v", name, f.Tokens())
		}
		for token, err := range f.Generate(ctx, rt.Sampling{MaxTokens: 3}) {
			must(t, err)
			if f.Pos() < s.Pos() || token < 0 {
				t.Errorf("%s: token %d after %d", name, token, f.Pos())
			}
		}
		expect(t, f, f.Tokens())
		must(t, f.Close())
	}
}

// A session that begins at a moment may have other options, but not a context that is too short.
func TestSessionAt(t *testing.T) {
	s := newSession(t, rt.Options{Context: 90, Threads: 1})
	must(t, s.Prefill(ctx, text(50)))
	var full *rt.ContextFullError
	if _, err := rt.SessionAt(s, rt.Options{Context: 49}); !errors.As(err, &full) || full.Want != 50 {
		t.Errorf("a context of 49 for 50 tokens: %v", err)
	}
	if _, err := rt.SessionAt(s, rt.Options{ISA: "avx1024"}); err == nil {
		t.Error("an unknown level")
	}
	f, err := rt.SessionAt(s, rt.Options{Context: 50, Threads: 3})
	must(t, err)
	if err := f.Prefill(ctx, []int32{1}); !errors.Is(err, rt.ErrContextFull) {
		t.Errorf("a token too many: %v", err)
	}
	must(t, f.Close())
}

// Sessions with a common past compute at the same time.
func TestForksAtOnce(t *testing.T) {
	m := newModel(nil)
	s, err := m.NewSession(rt.Options{Context: 2000, Threads: 2})
	must(t, err)
	tokens := long(1000)
	must(t, s.Prefill(ctx, tokens))
	var all sync.WaitGroup
	for i := range 8 {
		f := fork(t, s)
		all.Go(func() {
			defer func() { f.Close() }()
			for n := range 40 {
				g, err := f.Fork()
				if err != nil {
					t.Error(err)
					return
				}
				f.Close()
				f = g
				if _, err := f.Decode(ctx, int32((i+n)%vocab)); err != nil {
					t.Error(err)
				}
			}
			expect(t, f, f.Tokens())
		})
	}
	for n := range 100 {
		_, err := s.Decode(ctx, int32(n%vocab))
		must(t, err)
	}
	all.Wait()
	expect(t, s, s.Tokens())
	must(t, s.Close())
	if slabs, _ := m.Slabs(); slabs != 0 {
		t.Errorf("%d slabs are left", slabs)
	}
}

// Where memory runs out an error says so, and the session stands where it stood.
func TestNoMemoryForTokens(t *testing.T) {
	info := newModel(nil).Info()
	info.SpanBytes = 1 << 50
	m := rt.NewModel(info, nil, func(c rt.EngineConfig) (rt.Engine, error) {
		return &fake{config: c, logits: kernel.Rows{Data: c.Memory.Floats(headRows * vocab), Stride: vocab}}, nil
	})
	s, err := m.NewSession(rt.Options{Overcommit: true})
	must(t, err)
	for range 2 {
		if err := s.Prefill(ctx, text(3)); err == nil || !strings.Contains(err.Error(), "reserve") || s.Pos() != 0 {
			t.Errorf("at %d, %v", s.Pos(), err)
		}
		err := m.DecodeBatch(ctx, []*rt.Session{s}, []int32{1}, nil)
		if want := fmt.Sprintf("batch: session 0: reserve %d bytes", 16<<50); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a batch: %v, want %s", err, want)
		}
	}
	must(t, s.Close())
}

// What a fork has to copy all workers copy together, each byte once, whatever its size.
func TestForkCopies(t *testing.T) {
	for _, threads := range []int{1, 2, 3} {
		for _, size := range []int{64, 256<<10 - 64, 256 << 10, 5<<20 + 192} {
			rt.CopyTogether(t, threads, size)
		}
	}
}
