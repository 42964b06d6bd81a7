package tests

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/internal/testmodel"
	rt "github.com/yococ/yococ/runtime"
)

// resident is the process's memory that is no file's, without garbage.
func resident(t testing.TB) int64 {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("reads the process's memory from /proc")
	}
	var size, all, shared int64
	if _, err := fmt.Sscan(string(text), &size, &all, &shared); err != nil {
		t.Fatal(err)
	}
	return (all - shared) * int64(os.Getpagesize())
}

// grown calls f and returns how much more memory is resident after it.
func grown(t testing.TB, f func()) int64 {
	t.Helper()
	before := resident(t)
	f()
	return resident(t) - before
}

// TestForkMemory measures what inspect promises: a fork takes next to nothing until it goes on, then its own states,
// and in workers' hands of its own their scratch. All of it comes back: caches by Reset, states by Close.
func TestForkMemory(t *testing.T) {
	if race || testing.Short() {
		t.Skip("measures memory of some hundred sessions")
	}
	const prefix, forks, alone = 32768, 1000, 20
	for _, name := range []string{"yoco8m", "flaswaq8", "plaintiny", "deltatiny"} {
		t.Run(name, func(t *testing.T) {
			m := open(t, name)
			loaded, err := testmodel.Named(name).Load()
			if err != nil {
				t.Fatal(err)
			}
			defer loaded.Close()
			promise := driver.NewMemory(loaded, 2)
			o := rt.Options{Context: prefix + 1000, Threads: 2, Overcommit: true}

			warm := session(t, m, o) // weights, and what the process needs once
			prefill(t, warm, prompt(600, m.Info().Vocab))
			logits(t, warm)
			warm.Close()
			if err := m.Settled(context.Background()); err != nil {
				t.Fatal(err)
			}
			before := resident(t)

			var s *rt.Session
			one := grown(t, func() {
				s = session(t, m, o)
				if err := s.Synthesize(context.Background(), prefix); err != nil {
					t.Fatal(err)
				}
				decode(t, s, 1)
			})
			var all []*rt.Session
			idle := grown(t, func() {
				for range forks {
					f, err := s.Fork()
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, f)
				}
			})
			t.Logf("a session takes %d bytes, and %d forks of it %d: %d each", one, forks, idle, idle/forks)
			if idle > one/10 {
				t.Errorf("%d forks that have not gone on take %d bytes, a session %d", forks, idle, one)
			}

			const batch = 200
			together := grown(t, func() {
				if err := m.DecodeBatch(context.Background(), append([]*rt.Session{s}, all[:batch]...), prompt(batch+1, m.Info().Vocab), nil); err != nil {
					t.Fatal(err)
				}
			})
			// The session that they left has states of its own by now too, and a huge page is begun.
			t.Logf("a fork in a batch takes %d bytes, promised are %d", together/batch, promise.Fork)
			if limit := (batch+1)*promise.Fork + rt.HugePage; together > limit || together < limit/3 {
				t.Errorf("%d forks in a batch take %d bytes, promised are %d", batch, together, limit)
			}
			apart := grown(t, func() {
				for i, f := range all[batch:][:alone] {
					prefill(t, f, prompt(100, m.Info().Vocab))
					decode(t, f, int32(i))
				}
			})
			t.Logf("a fork by itself takes %d bytes, promised are %d", apart/alone, promise.Fork+promise.Scratch)
			if limit := alone*(promise.Fork+promise.Scratch) + rt.HugePage; apart > limit {
				t.Errorf("%d forks by themselves take %d bytes, promised are %d", alone, apart, limit)
			}

			states := (batch + alone + 1) * (promise.State + promise.OpenBlock)
			caches := promise.CachePerToken * (prefix + 512*(batch+alone))
			reset := -grown(t, func() {
				for _, f := range append(all, s) {
					if err := f.Reset(); err != nil {
						t.Fatal(err)
					}
				}
			})
			t.Logf("%d bytes come back by Reset, caches are %d", reset, caches)
			if reset < caches-caches/20 {
				t.Errorf("%d bytes come back by Reset, caches are %d", reset, caches)
			}
			closed := -grown(t, func() {
				for _, f := range append(all, s) {
					f.Close()
				}
			})
			t.Logf("%d bytes come back by Close, states are %d", closed, states)
			if closed < states-states/20 {
				t.Errorf("%d bytes come back by Close, states are %d", closed, states)
			}
			all, s = nil, nil
			const heap = 4 << 20 // what Go's runtime keeps of a heap that was larger
			if left := resident(t) - before; left > heap {
				t.Errorf("%d bytes are left after Close", left)
			}
		})
	}
}
