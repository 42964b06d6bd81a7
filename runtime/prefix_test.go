package runtime_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// reused are the tokens that a Prefill finds computed.
func reused(t *testing.T, s *rt.Session, tokens []int32) int {
	t.Helper()
	n := -1
	must(t, s.PrefillProgress(ctx, tokens, func(p rt.Progress) {
		if n < 0 {
			n = p.Reused
		}
	}))
	return n
}

// A session whose tokens begin like those of another one goes on from there, and has the same logits.
func TestPrefixCache(t *testing.T) {
	m := newModel(nil)
	c := rt.NewPrefixCache(1 << 30)
	o := rt.Options{Context: 5000, Chunk: 100, Prefixes: c}
	open := func() *rt.Session {
		s, err := m.NewSession(o)
		must(t, err)
		return s
	}
	tokens := long(3000)
	a := open()
	must(t, a.Prefill(ctx, tokens[:600]))
	expect(t, a, tokens[:600])
	for _, more := range [][]int32{nil, {8}, tokens[600:1300]} { // all of it, and what goes on
		b := open()
		all := append(slices.Clone(tokens[:600]), more...)
		if n := reused(t, b, all); n != 600 {
			t.Errorf("%d tokens of %d are reused, want 600", n, len(all))
		}
		expect(t, b, all)
		must(t, b.Rewind(599))
		expect(t, b, all[:599])
		must(t, b.Close())
	}
	// In a second turn, and from a session that was closed.
	must(t, a.Close())
	b := open()
	must(t, b.Prefill(ctx, tokens[:10]))
	if n := reused(t, b, tokens[10:1500]); n != 1290 {
		t.Errorf("%d tokens are reused, want those to 1300", n)
	}
	expect(t, b, tokens[:1500])
	// Other tokens from 1400 on: what was kept on the way there is a start.
	d := open()
	other := slices.Clone(tokens[:1500])
	other[1400]++
	if n := reused(t, d, other); n != 1300 {
		t.Errorf("%d tokens are reused of a text that parts at 1400", n)
	}
	expect(t, d, other)
	// A context that has ended finds the session where it stood.
	e := open()
	must(t, e.Prefill(ctx, tokens[:3]))
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := e.Prefill(ended, tokens[3:1450]); err == nil {
		t.Error("it was added nevertheless")
	}
	expect(t, e, e.Tokens())
	for _, s := range []*rt.Session{b, d, e} {
		must(t, s.Close())
	}
	if c.Bytes() == 0 {
		t.Error("nothing is kept")
	}
	c.Clear()
	if slabs, n := m.Slabs(); slabs != 0 || n != 0 || c.Bytes() != 0 {
		t.Errorf("%d slabs, %d spans and %d bytes are left", slabs, n, c.Bytes())
	}
}

// What is kept stays below the bytes that it may take, and the least recently used goes.
func TestPrefixCacheBounds(t *testing.T) {
	m := newModel(nil)
	c := rt.NewPrefixCache(40 << 10) // about six spans of the fake
	s, err := m.NewSession(rt.Options{Context: 5000, Prefixes: c})
	must(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	most := int64(0)
	for range 50 {
		must(t, s.Reset())
		n := 1 + r.IntN(3000)
		tokens := long(n)
		tokens[r.IntN(n)] = r.Int32N(vocab)
		must(t, s.Prefill(ctx, tokens))
		expect(t, s, tokens)
		if most = max(most, c.Bytes()); c.Bytes() > 40<<10 {
			t.Fatalf("%d bytes are kept", c.Bytes())
		}
	}
	if most == 0 {
		t.Error("nothing was ever kept")
	}
	must(t, s.Close())
	c.Clear()
	if slabs, n := m.Slabs(); slabs != 0 || n != 0 {
		t.Errorf("%d slabs and %d spans are left", slabs, n)
	}
}

// Sessions of two models use one cache at the same time.
func TestPrefixCacheAtOnce(t *testing.T) {
	c := rt.NewPrefixCache(200 << 10)
	var all sync.WaitGroup
	models := []*rt.Model{newModel(nil), newModel(nil)}
	for i := range 6 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for range 12 {
				s, err := models[i%2].NewSession(rt.Options{Context: 3000, Threads: 1, Prefixes: c})
				if err != nil {
					t.Error(err)
					return
				}
				tokens := long(600 + 100*r.IntN(10))
				tokens[len(tokens)-1-r.IntN(300)] = r.Int32N(vocab)
				if err := s.Prefill(ctx, tokens); err != nil {
					t.Error(err)
				}
				expect(t, s, tokens)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	c.Clear()
	for _, m := range models {
		if slabs, n := m.Slabs(); slabs != 0 || n != 0 {
			t.Errorf("%d slabs and %d spans are left", slabs, n)
		}
	}
}

// Caches without room keep nothing, the zero value among them.
func TestPrefixCacheWithoutRoom(t *testing.T) {
	for _, c := range []*rt.PrefixCache{{}, rt.NewPrefixCache(0), rt.NewPrefixCache(-1)} {
		s := newSession(t, rt.Options{Prefixes: c})
		must(t, s.Prefill(ctx, text(20)))
		expect(t, s, text(20))
		must(t, s.Close())
		if n := c.Bytes(); n != 0 {
			t.Errorf("%d bytes are kept", n)
		}
		c.Clear()
	}
}
