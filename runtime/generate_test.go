package runtime_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// greedy is what follows tokens.
func greedy(tokens []int32, n int) (out []int32) {
	tokens = slices.Clone(tokens)
	for range n {
		x := want(tokens...)
		next := int32(slices.Index(x, slices.Max(x)))
		out, tokens = append(out, next), append(tokens, next)
	}
	return out
}

func collect(t *testing.T, s *rt.Session, p rt.Sampling) []int32 {
	t.Helper()
	var out []int32
	for tok, err := range s.Generate(ctx, p) {
		must(t, err)
		out = append(out, tok)
	}
	return out
}

// After Generate, however it ended, the session holds the tokens that came out of it.
func TestGenerate(t *testing.T) {
	prompt := text(5)
	next := greedy(prompt, 20)
	s := newSession(t, rt.Options{Context: 25})
	must(t, s.Prefill(ctx, prompt))
	if got := collect(t, s, rt.Sampling{MaxTokens: 3}); !slices.Equal(got, next[:3]) {
		t.Errorf("%v, want %v", got, next[:3])
	}
	expect(t, s, append(slices.Clone(prompt), next[:3]...))

	for tok, err := range s.Generate(ctx, rt.Sampling{}) {
		must(t, err)
		if err := s.Reset(); err != rt.ErrBusy {
			t.Errorf("Reset in the loop: %v", err)
		}
		if tok == next[6] {
			break
		}
	}
	expect(t, s, append(slices.Clone(prompt), next[:7]...))

	got := collect(t, s, rt.Sampling{Stop: []int32{-5, next[9]}})
	if stop := slices.Index(next[7:], next[9]); !slices.Equal(got, next[7:7+stop]) {
		t.Errorf("%v before %d of %v", got, next[9], next[7:])
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := s.Pos()
	var last error
	for _, err := range s.Generate(ctx, rt.Sampling{}) {
		if last = err; err == nil && s.Pos() == n+2 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) || s.Pos() != n+3 {
		t.Errorf("canceled: %v at %d, want %d", last, s.Pos(), n+3)
	}

	last = nil
	for _, err := range s.Generate(context.Background(), rt.Sampling{}) {
		last = err
	}
	if !errors.Is(last, rt.ErrContextFull) || s.Pos() != 25 {
		t.Errorf("full: %v at %d", last, s.Pos())
	}
	expect(t, s, append(slices.Clone(prompt), next...))
}

func TestGenerateErrors(t *testing.T) {
	s := newSession(t, rt.Options{})
	for _, err := range s.Generate(ctx, rt.Sampling{}) {
		if err != rt.ErrNoTokens {
			t.Errorf("without a token: %v", err)
		}
	}
	must(t, s.Prefill(ctx, text(1)))
	for _, p := range []rt.Sampling{{Temperature: -1}, {TopP: float32(math.NaN())}, {Temperature: 1, MinP: 2}} {
		n := 0
		for _, err := range s.Generate(ctx, p) {
			if n++; err == nil {
				t.Errorf("%+v was accepted", p)
			}
		}
		if n != 1 {
			t.Errorf("%+v: %d turns", p, n)
		}
	}
}

// A loop that breaks off while the token cannot be added ends as any other: a fork has logits, but here no engine.
func TestGenerateBreaksOff(t *testing.T) {
	engines := 0
	m := newModel(func(*fake) error {
		if engines++; engines > 1 {
			return errors.New("no engine")
		}
		return nil
	})
	s, err := m.NewSession(rt.Options{})
	must(t, err)
	must(t, s.Prefill(ctx, text(5)))
	f := fork(t, s)
	for _, err := range f.Generate(ctx, rt.Sampling{MaxTokens: 3}) {
		must(t, err)
		break
	}
	expect(t, f, text(5))
	var last error
	for _, err := range f.Generate(ctx, rt.Sampling{MaxTokens: 3}) {
		last = err
	}
	if last == nil || last.Error() != "no engine" {
		t.Errorf("a loop that goes on: %v", last)
	}
	expect(t, f, text(5))
	must(t, f.Close())
	must(t, s.Close())
	must(t, m.Close())
}

func TestGenerateSeeds(t *testing.T) {
	run := func(p rt.Sampling, threads int) []int32 {
		s := newSession(t, rt.Options{Threads: threads})
		must(t, s.Prefill(ctx, text(5)))
		return collect(t, s, p)
	}
	p := rt.Defaults()
	p.Seed, p.MaxTokens = 7, 40
	a := run(p, 1)
	if b := run(p, 2); !slices.Equal(a, b) {
		t.Errorf("the same seed gives\n%v\n%v", a, b)
	}
	p.Seed = 8
	if slices.Equal(a, run(p, 1)) {
		t.Error("two seeds give the same tokens")
	}
}

func TestGenerateAllocates(t *testing.T) {
	s := newSession(t, rt.Options{Threads: 2, Context: 10000})
	must(t, s.Prefill(ctx, text(3)))
	p := rt.Defaults()
	count := func(tokens int) float64 {
		p.MaxTokens = tokens
		return testing.AllocsPerRun(5, func() {
			for _, err := range s.Generate(ctx, p) {
				must(t, err)
			}
		})
	}
	const spans = 3 // that 1000 tokens begin; each is an allocation, and two tables may grow by it
	if few, many := count(10), count(1000); many > few+3*spans {
		t.Errorf("10 tokens take %v allocations, 1000 take %v", few, many)
	}
}
