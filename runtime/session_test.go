package runtime_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
)

var ctx = context.Background()

// However tokens arrive, the logits after them are the same.
func TestSessionChunks(t *testing.T) {
	tokens := text(40)
	for _, threads := range []int{1, 2, 3} {
		for _, chunk := range []int{1, 7, 16, 40, 64} {
			s := newSession(t, rt.Options{Threads: threads, Chunk: chunk})
			must(t, s.Prefill(ctx, tokens[:13]))
			must(t, s.Prefill(ctx, nil))
			expect(t, s, tokens[:13])
			must(t, s.Prefill(ctx, tokens[13:30]))
			x, err := s.Decode(ctx, tokens[30])
			must(t, err)
			if !slices.Equal(x, want(tokens[:31]...)) {
				t.Errorf("%d threads, chunks of %d: other logits from Decode", threads, chunk)
			}
			row := 31
			must(t, s.ScoreRows(ctx, tokens[31:], func(i int, x []float32) error {
				if row != 31+i || !slices.Equal(x, want(tokens[:row+1]...)) {
					t.Errorf("%d threads, chunks of %d: other logits of row %d", threads, chunk, row)
				}
				row++
				return nil
			}))
			if row != 40 || s.Pos() != 40 {
				t.Errorf("%d rows of 40, position %d", row, s.Pos())
			}
			expect(t, s, tokens)
			must(t, s.Reset())
			if _, err := s.Logits(); err != rt.ErrNoTokens || s.Pos() != 0 {
				t.Errorf("logits after Reset: %v", err)
			}
			must(t, s.Prefill(ctx, tokens))
			expect(t, s, tokens)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect checks the session's logits, twice: the second time they are not computed again.
func expect(t *testing.T, s *rt.Session, tokens []int32) {
	t.Helper()
	for range 2 {
		x, err := s.Logits()
		must(t, err)
		if !slices.Equal(x, want(tokens...)) {
			t.Errorf("other logits after %d tokens", len(tokens))
		}
	}
}

func TestSessionCancel(t *testing.T) {
	tokens := text(50)
	s := newSession(t, rt.Options{Chunk: 8})
	ctx, cancel := context.WithCancel(ctx)
	err := s.PrefillProgress(ctx, tokens, func(p rt.Progress) {
		if p.Done == 24 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || s.Pos() != 24 {
		t.Fatalf("stands at %d with %v, want 24", s.Pos(), err)
	}
	expect(t, s, tokens[:24])
	if _, err := s.Decode(ctx, 1); !errors.Is(err, context.Canceled) || s.Pos() != 24 {
		t.Errorf("Decode with a context that has ended: %v", err)
	}
	if _, err := s.Score(ctx, tokens[24:], tokens[24:]); !errors.Is(err, context.Canceled) || s.Pos() != 24 {
		t.Errorf("Score with a context that has ended: %v", err)
	}
	must(t, s.Prefill(context.Background(), tokens[24:]))
	expect(t, s, tokens)
}

// What can't be done is refused before anything is.
func TestSessionRefuses(t *testing.T) {
	s := newSession(t, rt.Options{Context: 10})
	must(t, s.Prefill(ctx, text(8)))
	var full *rt.ContextFullError
	if err := s.Prefill(ctx, text(3)); !errors.As(err, &full) || *full != (rt.ContextFullError{Context: 10, Used: 8, Want: 3}) ||
		!errors.Is(err, rt.ErrContextFull) {
		t.Errorf("too many tokens: %v", err)
	}
	var tok *rt.TokenError
	if err := s.Prefill(ctx, []int32{0, vocab}); !errors.As(err, &tok) || *tok != (rt.TokenError{Token: vocab, Index: 1, Vocab: vocab}) {
		t.Errorf("a token past the vocabulary: %v", err)
	}
	if _, err := s.Decode(ctx, -1); !errors.As(err, &tok) {
		t.Errorf("a negative token: %v", err)
	}
	if _, err := s.Score(ctx, []int32{1}, []int32{vocab}); !errors.As(err, &tok) {
		t.Errorf("a target past the vocabulary: %v", err)
	}
	if _, err := s.Score(ctx, []int32{1}, nil); err == nil {
		t.Error("a target is missing, and no error")
	}
	expect(t, s, text(8))
	must(t, s.Prefill(ctx, text(2)))
	if _, err := s.Decode(ctx, 1); !errors.Is(err, rt.ErrContextFull) {
		t.Errorf("Decode in a full context: %v", err)
	}
}

// A nil context is an error, wherever there is one, and so is nothing to call.
func TestNil(t *testing.T) {
	var none context.Context
	m := newModel(nil)
	s, err := m.NewSession(rt.Options{Context: 1000, Prefixes: rt.NewPrefixCache(1 << 20)})
	must(t, err)
	must(t, s.Prefill(ctx, text(3)))
	calls := map[string]func() error{
		"Prefill":     func() error { return s.Prefill(none, text(900)) },
		"Decode":      func() error { _, err := s.Decode(none, 1); return err },
		"Score":       func() error { _, err := s.Score(none, text(1), text(1)); return err },
		"ScoreRows":   func() error { return s.ScoreRows(none, text(1), func(int, []float32) error { return nil }) },
		"Synthesize":  func() error { return s.Synthesize(none, 90) },
		"DecodeBatch": func() error { return m.DecodeBatch(none, []*rt.Session{s}, text(1), nil) },
		"Settled":     func() error { return m.Settled(none) },
		"Verify":      func() error { return m.Verify(none) },
		"Generate": func() error {
			for _, err := range s.Generate(none, rt.Sampling{}) {
				return err
			}
			return nil
		},
	}
	for name, call := range calls {
		if name == "Synthesize" {
			continue // which forgets what the session holds
		}
		if err := call(); !errors.Is(err, rt.ErrNoContext) {
			t.Errorf("%s: error %v", name, err)
		}
		expect(t, s, text(3))
	}
	if err := s.ScoreRows(ctx, text(1), nil); err == nil || s.Pos() != 3 {
		t.Errorf("ScoreRows with nothing to call: at %d, error %v", s.Pos(), err)
	}
	if err := s.Synthesize(ctx, -1); err == nil || !strings.Contains(err.Error(), "-1 tokens") {
		t.Errorf("Synthesize(-1): error %v", err)
	}
	expect(t, s, text(3))
	if err := calls["Synthesize"](); !errors.Is(err, rt.ErrNoContext) {
		t.Errorf("Synthesize: error %v", err)
	}
	must(t, s.Close())
	must(t, m.Close())
}

func TestSessionOptions(t *testing.T) {
	s := newSession(t, rt.Options{})
	o := s.Options()
	if o.Context != 100 || o.Chunk != 100 || o.Threads != min(runtime.GOMAXPROCS(0), 16) || o.ISA != kernel.Best() {
		t.Errorf("defaults are %+v", o)
	}
	if s.Reserved() < 4*headRows*vocab {
		t.Errorf("%d bytes reserved", s.Reserved())
	}
	for _, c := range []struct {
		rt.Options
		want string
	}{
		{rt.Options{Context: -1}, "Context is -1"},
		{rt.Options{Threads: 2000}, "Threads is 2000"},
		{rt.Options{Chunk: -3}, "Chunk is -3"},
		{rt.Options{ISA: "avx1024"}, "avx1024"},
	} {
		if _, err := newModel(nil).NewSession(c.Options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.Options, err, c.want)
		}
	}
}

func TestSessionOpenFails(t *testing.T) {
	m := newModel(func(*fake) error { return errNoEngine })
	if _, err := m.NewSession(rt.Options{}); !errors.Is(err, errNoEngine) {
		t.Errorf("error %v", err)
	}
	must(t, m.Close()) // no session is left behind
	m = newModel(func(f *fake) error { f.config.Memory.Bytes(1 << 62); return nil })
	if _, err := m.NewSession(rt.Options{}); err == nil || !strings.Contains(err.Error(), "reserve") {
		t.Errorf("more memory than there are addresses: %v", err)
	}
	must(t, m.Close())
	if _, err := m.NewSession(rt.Options{}); !errors.Is(err, rt.ErrClosed) {
		t.Errorf("session of a closed model: %v", err)
	}
}

func TestModelClose(t *testing.T) {
	m := newModel(nil)
	a, err := m.NewSession(rt.Options{})
	must(t, err)
	b, err := m.NewSession(rt.Options{Threads: 2})
	must(t, err)
	if err := m.Close(); err == nil {
		t.Error("a model with open sessions was closed")
	}
	must(t, a.Close())
	must(t, b.Close())
	must(t, b.Close())
	if err := b.Prefill(ctx, text(1)); err != rt.ErrClosed {
		t.Errorf("prefill of a closed session: %v", err)
	}
	if _, err := b.Export(); err != rt.ErrClosed {
		t.Errorf("export of a closed session: %v", err)
	}
	must(t, m.Close())
	must(t, m.Close())
}

// A second goroutine is told off and does no harm.
func TestSessionBusy(t *testing.T) {
	inside, goOn := make(chan bool), make(chan bool)
	m := newModel(func(f *fake) error {
		f.inHead = func(w *kernel.Worker) {
			if w.ID == 0 {
				inside <- true
				<-goOn
			}
		}
		return nil
	})
	s, err := m.NewSession(rt.Options{Threads: 1})
	must(t, err)
	ended := make(chan error)
	go func() {
		_, err := s.Decode(ctx, 1)
		ended <- err
	}()
	<-inside
	if err := s.Prefill(ctx, text(1)); err != rt.ErrBusy {
		t.Errorf("prefill meanwhile: %v", err)
	}
	if err := s.Synthesize(ctx, 90); err != rt.ErrBusy {
		t.Errorf("synthesize meanwhile: %v", err)
	}
	if err := s.Close(); err != rt.ErrBusy {
		t.Errorf("close meanwhile: %v", err)
	}
	goOn <- true
	must(t, <-ended)
	must(t, s.Close())
}

// A panic with one worker is the caller's.
func TestSessionPanic(t *testing.T) {
	m := newModel(func(f *fake) error {
		f.inHead = func(*kernel.Worker) { panic("BUG: test") }
		return nil
	})
	s, err := m.NewSession(rt.Options{Threads: 1})
	must(t, err)
	defer func() {
		if v := recover(); v != "BUG: test" {
			t.Errorf("recovered %v", v)
		}
		must(t, s.Close())
	}()
	s.Decode(ctx, 1)
}

func TestScore(t *testing.T) {
	tokens := text(30)
	targets := append(slices.Clone(tokens[1:]), -1)
	targets[4], targets[5], targets[6], targets[7] = -1, -1, -1, -1 // a whole head
	for _, threads := range []int{1, 3} {
		s := newSession(t, rt.Options{Threads: threads, Chunk: 12})
		nll, err := s.Score(ctx, tokens, targets)
		must(t, err)
		for i, target := range targets {
			if target < 0 {
				if nll[i] != 0 {
					t.Errorf("row %d has no target and %v", i, nll[i])
				}
				continue
			}
			sum := 0.0
			x := want(tokens[:i+1]...)
			for _, l := range x {
				sum += math.Exp(float64(l))
			}
			if w := math.Log(sum) - float64(x[target]); math.Abs(nll[i]-w) > 1e-12 {
				t.Errorf("row %d: %v, want %v", i, nll[i], w)
			}
		}
		expect(t, s, tokens)
	}
}

func TestScoreRowsStops(t *testing.T) {
	s := newSession(t, rt.Options{Chunk: 8})
	err := s.ScoreRows(ctx, text(20), func(row int, _ []float32) error {
		if _, err := s.Logits(); err != rt.ErrBusy {
			t.Errorf("logits in a callback: %v", err)
		}
		if row == 9 {
			return errNoEngine
		}
		return nil
	})
	if err != errNoEngine || s.Pos() != 16 {
		t.Errorf("stands at %d with %v, want 16", s.Pos(), err)
	}
	expect(t, s, text(16))
}

func TestDecodeAllocates(t *testing.T) {
	for _, threads := range []int{1, 2} {
		s := newSession(t, rt.Options{Threads: threads, Context: 5000})
		must(t, s.Prefill(ctx, text(3)))
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := s.Decode(ctx, 3); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%d threads: Decode allocates %v times", threads, n)
		}
	}
}

func TestExport(t *testing.T) {
	s := newSession(t, rt.Options{})
	must(t, s.Prefill(ctx, text(5)))
	ts, err := s.Export()
	if err != nil || len(ts) != 1 || ts[0].Data[0] != 5 {
		t.Errorf("exported %v, %v", ts, err)
	}
}
