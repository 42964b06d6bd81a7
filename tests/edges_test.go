package tests

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// TestEdges: at the last position of a context, and at the first and the last one of a session, a call either does what it
// does anywhere or returns an error, after which all sessions are as they were.
func TestEdges(t *testing.T) {
	const full = 2*64 + 2
	for _, name := range stateful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, name)
			tokens := prompt(full+1, m.Info().Vocab)
			e := &edges{T: t, m: m, tokens: tokens, logits: map[int][]uint32{}}
			o := rt.Options{Context: full, Threads: 1 + len(name)%2}
			s := session(t, m, o)
			prefill(t, s, tokens[:full-1])
			decode(t, s, tokens[full-1])
			e.is("a context that is just full", s, full)
			e.isFull("a full session", s)

			f, err := s.Fork()
			must(t, err)
			e.is("a fork of a full session", f, full)
			e.isFull("a fork of a full session", f)
			must(t, f.Rewind(full-1))
			e.is("one token taken back", f, full-1)
			e.is("the session that was forked", s, full)

			other := session(t, m, rt.Options{Context: 2 * full, Threads: 1})
			prefill(t, other, tokens[:70])
			for at, batch := range [][]*rt.Session{{s, f, other}, {f, s, other}, {other, f, s}} {
				err := m.DecodeBatch(context.Background(), batch, []int32{tokens[full-1], tokens[full-1], tokens[full-1]}, nil)
				e.refused(fmt.Sprintf("a batch with a full session at %d", at), err)
				if want := fmt.Sprintf("batch: session %d: ", at); !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%v, want it to begin with %s", err, want)
				}
				e.is("in a batch with a full one", f, full-1)
				e.is("full, in a batch", s, full)
				e.is("in a batch with a full one", other, 70)
			}
			must(t, m.DecodeBatch(context.Background(), []*rt.Session{other, f}, []int32{tokens[70], tokens[full-1]}, nil))
			e.is("the last position, in a batch", f, full)
			e.is("beside the last position, in a batch", other, 71)
			must(t, f.Close())

			file := filepath.Join(t.TempDir(), "session")
			must(t, s.Save(file))
			_, err = m.Restore(file, rt.Options{Context: full - 1})
			e.refused("a context that is one too short for what was saved", err)
			restored, err := m.Restore(file, o)
			must(t, err)
			prefill(t, restored, nil)
			e.is("restored, and a prompt of nothing", restored, full)
			e.isFull("restored", restored)
			must(t, restored.Rewind(full))
			e.is("taken back to where it stands", restored, full)
			for _, pos := range []int{-1, full + 1} {
				if err := restored.Rewind(pos); err == nil {
					t.Errorf("taken back to %d of %d tokens", pos, full)
				}
				e.is("taken back to nowhere", restored, full)
			}
			must(t, restored.Rewind(0))
			if _, err := restored.Logits(); !errors.Is(err, rt.ErrNoTokens) || restored.Pos() != 0 {
				t.Errorf("taken back to the beginning: %v at %d", err, restored.Pos())
			}
			prefill(t, restored, nil)
			prefill(t, restored, tokens[:full])
			e.is("from the beginning again", restored, full)
			must(t, restored.Close())
		})
	}
}

// TestEdgesOfDrafts: speculation tries no token that there is no room for, and ends as generating one by one does.
func TestEdgesOfDrafts(t *testing.T) {
	const period = 10
	for _, name := range stateful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, name)
			text := slices.Repeat(prompt(period, m.Info().Vocab), 13)
			e := &edges{T: t, m: m, tokens: text, logits: map[int][]uint32{}}
			for free := range 4 {
				s := session(t, m, rt.Options{Context: len(text), Threads: 2})
				prefill(t, s, text[:len(text)-free])
				drawn := 0
				p := rt.Sampling{Speculate: 7, Choose: func([]float32) int32 {
					drawn++
					return text[s.Pos()]
				}}
				var got []int32
				var failed error
				for token, err := range s.Generate(context.Background(), p) {
					if failed = err; err == nil {
						got = append(got, token)
					}
				}
				e.refused(fmt.Sprintf("%d free positions", free), failed)
				if !slices.Equal(got, text[len(text)-free:]) || drawn != free {
					t.Errorf("%d free positions: %d tokens, %d chosen", free, len(got), drawn)
				}
				if n := s.Speculation().Drafted; n > max(free-1, 0) {
					t.Errorf("%d free positions: %d drafted", free, n)
				}
				e.is(fmt.Sprintf("%d free positions, full", free), s, len(text))
				must(t, s.Close())
			}
		})
	}
}

// edges are the first of some tokens through a model.
type edges struct {
	*testing.T
	m      *rt.Model
	tokens []int32
	logits map[int][]uint32 // of a session with room, after so many of them
}

// is fails unless a session holds the first n tokens and has their logits.
func (e *edges) is(what string, s *rt.Session, n int) {
	e.Helper()
	if !slices.Equal(s.Tokens(), e.tokens[:n]) {
		e.Fatalf("%s: other tokens than the first %d, at %d", what, n, s.Pos())
	}
	if e.logits[n] == nil {
		plain := session(e, e.m, rt.Options{Context: 2 * len(e.tokens), Threads: 1})
		prefill(e, plain, e.tokens[:n])
		e.logits[n] = bits(logits(e, plain))
		must(e, plain.Close())
	}
	if !slices.Equal(bits(logits(e, s)), e.logits[n]) {
		e.Fatalf("%s: other logits after %d tokens", what, n)
	}
}

// refused fails unless there is no room.
func (e *edges) refused(what string, err error) {
	e.Helper()
	var full *rt.ContextFullError
	if !errors.As(err, &full) {
		e.Fatalf("%s: %v, want a ContextFullError", what, err)
	}
}

// isFull fails unless a session refuses every way of adding a token, and stays as it is; to add none is no error.
func (e *edges) isFull(what string, s *rt.Session) {
	e.Helper()
	n, ctx := s.Pos(), context.Background()
	_, err := s.Decode(ctx, 0)
	e.refused(what+", decode", err)
	e.refused(what+", prefill", s.Prefill(ctx, []int32{0}))
	_, err = s.Score(ctx, []int32{0}, []int32{0})
	e.refused(what+", score", err)
	for token, failed := range s.Generate(ctx, rt.Sampling{Speculate: 7}) {
		if err = failed; failed == nil {
			e.Fatalf("%s: generates %d", what, token)
		}
	}
	e.refused(what+", generate", err)
	must(e, s.Prefill(ctx, nil))
	e.is(what, s, n)
}
