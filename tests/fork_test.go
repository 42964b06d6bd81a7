package tests

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// stateful are models with every kind of state, in every format of caches and weights.
var stateful = []string{"yoco8m", "yoco8mq4", "flaswa", "flaswaq8", "flabiasqknorm", "flagdn", "flagdnq8", "sambay", "sambayq8", "plaintiny", "plaintinyq8", "mixedtiny", "deltatiny"}

// stepOf is the distance of the positions in a block that are tried: all of them for every mixer, but not by the
// large models, whose mixer is in a small one too.
func stepOf(m *rt.Model) int {
	switch {
	case race || testing.Short():
		return 7
	case m.Info().Dim > 64:
		return 5
	}
	return 1
}

// A known is a sequence of tokens with the logits after each, as bits, of a session that did nothing else.
type known struct {
	tokens []int32
	from   int // the first token whose logits are known
	logits [][]uint32
}

func newKnown(t testing.TB, m *rt.Model, tokens []int32, from int) *known {
	t.Helper()
	k := &known{tokens: tokens, from: from}
	s := session(t, m, rt.Options{Context: len(tokens), Threads: 1})
	defer s.Close()
	prefill(t, s, tokens[:from])
	for _, token := range tokens[from:] {
		k.logits = append(k.logits, bits(decode(t, s, token)))
	}
	return k
}

// stands fails unless a session has the tokens before pos and the logits after them.
func (k *known) stands(t testing.TB, s *rt.Session, pos int, who string) {
	t.Helper()
	if s.Pos() != pos {
		t.Fatalf("%s at %d: it is at %d", who, pos, s.Pos())
	}
	for i, token := range s.Tokens() {
		if token != k.tokens[i] {
			t.Fatalf("%s at %d: token %d is %d, want %d", who, pos, i, token, k.tokens[i])
		}
	}
	if !slices.Equal(bits(logits(t, s)), k.logits[pos-1-k.from]) {
		t.Fatalf("%s at %d: other logits", who, pos)
	}
}

// decodes fails unless a session that decodes the tokens up to pos has the logits after each.
func (k *known) decodes(t testing.TB, s *rt.Session, pos int, who string) {
	t.Helper()
	for s.Pos() < pos {
		at := s.Pos()
		if !slices.Equal(bits(decode(t, s, k.tokens[at])), k.logits[at-k.from]) {
			t.Fatalf("%s: other logits of token %d", who, at)
		}
	}
}

// TestFork forks a session after every token of a block, and on both sides of a span's end. One fork goes astray, a
// fork of a fork goes the known way, and so does the session itself, token by token or in one chunk.
func TestFork(t *testing.T) {
	const base, end = 479, 640
	for _, name := range stateful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, name)
			vocab := m.Info().Vocab
			k := newKnown(t, m, prompt(end, vocab), base)
			s := session(t, m, rt.Options{Context: end, Threads: 1, Chunk: 50})
			prefill(t, s, k.tokens[:base+1])
			step := stepOf(m)
			for pos := base + 1; pos <= base+66; pos += step {
				astray, between := fork(t, s), fork(t, s)
				true1 := fork(t, between)
				between.Close()
				k.stands(t, true1, pos, "a fork of a fork")
				decode(t, astray, (k.tokens[pos]+1)%int32(vocab))
				prefill(t, astray, prompt(end-pos-1, vocab))
				k.decodes(t, true1, pos+3, "a fork of a fork")
				k.stands(t, s, pos, "the session")
				true2 := fork(t, true1)
				true1.Close()
				prefill(t, true2, k.tokens[pos+3:])
				k.stands(t, true2, end, "a fork that goes on in chunks")
				true2.Close()
				k.decodes(t, s, pos+step, "the session")
				other := session(t, m, rt.Options{Context: end, Threads: 2})
				if pos == base+1 || pos == base+57 {
					prefill(t, other, astray.Tokens())
					a, b := &outcome{}, &outcome{}
					a.add("logits", logits(t, other))
					b.add("logits", logits(t, astray))
					a.export(t, other, "")
					b.export(t, astray, "")
					if diff := b.difference(a); diff != "" {
						t.Errorf("a fork that went astray at %d: %s", pos, diff)
					}
				}
				other.Close()
				astray.Close()
			}
		})
	}
}

func fork(t testing.TB, s *rt.Session) *rt.Session {
	t.Helper()
	f, err := s.Fork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestForksInBatch decodes for a session and forks of it together, which have never computed before: each with
// tokens of its own, one with those of the session.
func TestForksInBatch(t *testing.T) {
	const base, end = 500, 530
	for _, name := range stateful {
		m := open(t, name)
		vocab := m.Info().Vocab
		k := newKnown(t, m, prompt(end, vocab), base)
		s := session(t, m, rt.Options{Context: end, Threads: 2})
		prefill(t, s, k.tokens[:base])
		all := []*rt.Session{fork(t, s), fork(t, s), s, fork(t, s)} // a fork leads
		for pos := base; pos < end; pos++ {
			right := k.tokens[pos]
			tokens := []int32{right, (right + 1) % int32(vocab), right, (right + 2) % int32(vocab)}
			if err := m.DecodeBatch(context.Background(), all, tokens, nil); err != nil {
				t.Fatal(err)
			}
			k.stands(t, all[0], pos+1, name+": the fork that leads")
			k.stands(t, s, pos+1, name+": the session")
		}
		for _, i := range []int{1, 3} {
			other := session(t, m, rt.Options{Context: end})
			prefill(t, other, all[i].Tokens())
			if !slices.Equal(bits(logits(t, other)), bits(logits(t, all[i]))) {
				t.Errorf("%s: fork %d has other logits than a session with its tokens", name, i)
			}
			other.Close()
		}
	}
}

// TestForksAtOnce lets forks go on at the same time, and be closed while others begin.
func TestForksAtOnce(t *testing.T) {
	const base, end = 505, 530
	for _, name := range []string{"yoco8m", "flaswaq8", "plaintinyq8", "sambay"} {
		t.Run(name, func(t *testing.T) {
			m := open(t, name)
			k := newKnown(t, m, prompt(end, m.Info().Vocab), base)
			s := session(t, m, rt.Options{Context: end, Threads: 1})
			prefill(t, s, k.tokens[:base])
			var all sync.WaitGroup
			for i := range 8 {
				f := fork(t, s)
				all.Go(func() {
					g, err := f.Fork()
					if err != nil {
						t.Error(err)
						return
					}
					defer g.Close()
					f.Close()
					for pos := base; pos < end-i; pos++ {
						l, err := g.Decode(context.Background(), k.tokens[pos])
						if err != nil || !slices.Equal(bits(l), k.logits[pos-base]) {
							t.Errorf("fork %d: other logits of token %d, or %v", i, pos, err)
							return
						}
					}
				})
			}
			k.decodes(t, s, end, "the session")
			all.Wait()
		})
	}
}

// TestForkOptions: a fork has the options of its session, and a context of its own to fill.
func TestForkOptions(t *testing.T) {
	m := open(t, "flaswa")
	s := session(t, m, rt.Options{Context: 20, Threads: 1, Chunk: 7})
	f := fork(t, s)
	if _, err := f.Logits(); err != rt.ErrNoTokens {
		t.Errorf("logits of a fork of nothing: %v", err)
	}
	if f.Options() != s.Options() {
		t.Errorf("options %+v, want %+v", f.Options(), s.Options())
	}
	prefill(t, s, prompt(18, m.Info().Vocab))
	g := fork(t, s)
	prefill(t, g, []int32{1, 2})
	if err := g.Prefill(context.Background(), []int32{3}); err == nil {
		t.Error("more tokens than the context has")
	}
	prefill(t, f, prompt(18, m.Info().Vocab)) // as the session did meanwhile
	if !slices.Equal(bits(logits(t, f)), bits(logits(t, s))) {
		t.Error("a fork of nothing has other logits than its session")
	}
	if got := fmt.Sprint(g.Tokens()[18:]); got != "[1 2]" {
		t.Errorf("tokens %s", got)
	}
}
