package runtime_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
)

// group opens n sessions of a model, the i-th with 2i tokens, all of them text.
func group(t *testing.T, m *rt.Model, n int, o rt.Options) []*rt.Session {
	t.Helper()
	var sessions []*rt.Session
	for i := range n {
		s, err := m.NewSession(o)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		must(t, s.Prefill(ctx, text(2*i)))
		sessions = append(sessions, s)
	}
	return sessions
}

// Each session of a batch has its own logits, in passes of any length and heads of any number of rows.
func TestDecodeBatch(t *testing.T) {
	for _, n := range []int{1, 2, headRows, headRows + 1, 3*headRows + 2} {
		for _, o := range []rt.Options{{Threads: 1}, {Threads: 3}, {Threads: 2, Chunk: 1}, {Threads: 2, Chunk: 6}} {
			m := newModel(nil)
			sessions, tokens, had := group(t, m, n, o), text(2 * n)[n:], make([][]int32, n)
			logits := make([][]float32, n)
			logits[0] = make([]float32, vocab, vocab+3)
			first := logits[0]
			for i := range had {
				had[i] = text(2 * i)
			}
			for step := range 3 {
				if step == 2 {
					logits = nil
				}
				must(t, m.DecodeBatch(ctx, sessions, tokens, logits))
				for i, s := range sessions {
					had[i] = append(had[i], tokens[i])
					if logits != nil && !slices.Equal(logits[i], want(had[i]...)) {
						t.Errorf("%d sessions, %+v: other logits of session %d", n, o, i)
					}
					expect(t, s, had[i])
					if s.Pos() != len(had[i]) {
						t.Errorf("session %d is at %d, want %d", i, s.Pos(), len(had[i]))
					}
				}
				if logits != nil && &logits[0][0] != &first[0] {
					t.Error("logits were not put where there was room for them")
				}
				slices.Reverse(sessions) // another leader, and other rows
				slices.Reverse(had)
			}
			for i, s := range sessions {
				x, err := s.Decode(ctx, 7)
				must(t, err)
				if !slices.Equal(x, want(append(had[i], 7)...)) {
					t.Errorf("session %d: other logits alone, after a batch", i)
				}
			}
		}
	}
	must(t, newModel(nil).DecodeBatch(ctx, nil, nil, nil))
}

// A batch that can't be is refused before any session moves.
func TestDecodeBatchRefuses(t *testing.T) {
	m := newModel(nil)
	s := group(t, m, 4, rt.Options{Context: 20})
	other := group(t, newModel(nil), 1, rt.Options{})[0]
	closed, err := m.NewSession(rt.Options{})
	must(t, err)
	must(t, closed.Close())
	full, err := m.NewSession(rt.Options{Context: 3})
	must(t, err)
	defer full.Close()
	must(t, full.Prefill(ctx, text(3)))
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		sessions []*rt.Session
		tokens   []int32
		logits   [][]float32
		ctx      context.Context
		is       error
		says     string
	}{
		{sessions: s, tokens: text(3), says: "3 tokens for 4 sessions"},
		{sessions: s, tokens: text(4), logits: make([][]float32, 5), says: "5 logits for 4 sessions"},
		{sessions: s, tokens: text(4), ctx: ended, is: context.Canceled},
		{sessions: []*rt.Session{s[0], nil}, tokens: text(2), says: "session 1: is nil"},
		{sessions: []*rt.Session{s[0], s[1], other}, tokens: text(3), says: "session 2: of another model"},
		{sessions: []*rt.Session{s[0], closed}, tokens: text(2), is: rt.ErrClosed, says: "session 1"},
		{sessions: []*rt.Session{s[0], s[1], s[2], s[1]}, tokens: text(4), says: "sessions 1 and 3 are the same"},
		{sessions: []*rt.Session{s[3], full, s[0]}, tokens: text(3), is: rt.ErrContextFull, says: "session 1: the context is full: 3 of 3"},
		{sessions: s, tokens: []int32{1, 2, vocab, 3}, says: "token 50 at index 2"},
	} {
		if c.ctx == nil {
			c.ctx = ctx
		}
		err := m.DecodeBatch(c.ctx, c.sessions, c.tokens, c.logits)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("error %v, want %v with %q", err, c.is, c.says)
		}
		for i, s := range s {
			if s.Pos() != 2*i {
				t.Errorf("%q: session %d has moved", c.says, i)
			}
		}
	}
	var token *rt.TokenError
	if err := m.DecodeBatch(ctx, s, []int32{1, 2, -1, 3}, nil); !errors.As(err, &token) || *token != (rt.TokenError{Token: -1, Index: 2, Vocab: vocab}) {
		t.Errorf("a negative token: %v", err)
	}
	for i := 1; i < len(s); i++ { // none is left busy, or with other logits
		expect(t, s[i], text(2*i))
	}
}

// Sessions of a batch are in use while it is under way; a batch with one that is in use is refused.
func TestDecodeBatchBusy(t *testing.T) {
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
	s := group(t, m, 4, rt.Options{Threads: 1})
	ended := make(chan error)
	go func() { ended <- m.DecodeBatch(ctx, s[:2], text(2), nil) }()
	<-inside
	for _, s := range s[:2] {
		if _, err := s.Decode(ctx, 1); err != rt.ErrBusy {
			t.Errorf("decode meanwhile: %v", err)
		}
	}
	if err := m.DecodeBatch(ctx, s[1:], text(3), nil); !errors.Is(err, rt.ErrBusy) || !strings.Contains(err.Error(), "session 0") {
		t.Errorf("a batch meanwhile: %v", err)
	}
	if s[2].Pos() != 4 {
		t.Error("a session of a refused batch has moved")
	}
	goOn <- true
	must(t, <-ended)
	go func() { ended <- m.DecodeBatch(ctx, s, text(4), nil) }()
	<-inside
	goOn <- true
	must(t, <-ended)
}

// Two batches of different sessions run at the same time.
func TestDecodeBatchesAtOnce(t *testing.T) {
	m := newModel(nil)
	s := group(t, m, 12, rt.Options{Threads: 2})
	var both sync.WaitGroup
	for _, part := range [][]*rt.Session{s[:5], s[5:]} {
		both.Go(func() {
			for i := range int32(20) {
				if err := m.DecodeBatch(ctx, part, slices.Repeat([]int32{i}, len(part)), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	for i := range s {
		tokens := text(2 * i)
		for t := range int32(20) {
			tokens = append(tokens, t)
		}
		expect(t, s[i], tokens)
	}
}

func TestDecodeBatchAllocates(t *testing.T) {
	m := newModel(nil)
	s := group(t, m, headRows+2, rt.Options{Threads: 2, Context: 5000})
	tokens, logits := text(len(s)), make([][]float32, len(s))
	if n := testing.AllocsPerRun(1000, func() {
		must(t, m.DecodeBatch(ctx, s, tokens, logits))
	}); n != 0 {
		t.Errorf("DecodeBatch allocates %v times", n)
	}
}
