package tests

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// TestRewind goes back to every offset within a block, from farther and farther ahead, where other tokens had been added
// meanwhile; and from there the known way, token by token or in chunks.
func TestRewind(t *testing.T) {
	const base, end = 479, 640
	for _, name := range stateful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, name)
			vocab := int32(m.Info().Vocab)
			k := newKnown(t, m, prompt(end, int(vocab)), base)
			checkpoints := []int{4, -1, 1}
			step := stepOf(m)
			s := session(t, m, rt.Options{Context: end + 100, Threads: 1, Chunk: 50, Checkpoints: 4})
			r := rand.New(rand.NewPCG(1, 2))
			prefill(t, s, k.tokens[:end])
			for pos := base + 1; pos <= base+66; pos += step {
				rewind(t, s, pos)
				k.stands(t, s, pos, "after going back")
				k.decodes(t, s, pos+1+r.IntN(3), "from there")
				at := s.Pos()
				to := max(at, pos+step) // where it goes back to next
				prefill(t, s, k.tokens[at:to+r.IntN(end-to)])
				if s.Pos() > at {
					k.stands(t, s, s.Pos(), "a chunk farther")
				}
				astray := make([]int32, 1+r.IntN(end+100-s.Pos()))
				for i := range astray {
					astray[i] = r.Int32N(vocab)
				}
				prefill(t, s, astray)
			}
			rewind(t, s, base+1)
			prefill(t, s, k.tokens[base+1:])
			k.stands(t, s, end, "at the end")
			for _, n := range checkpoints[1:] { // what they are does not change what comes
				o := session(t, m, rt.Options{Context: end, Threads: 2, Checkpoints: n})
				prefill(t, o, k.tokens)
				for _, pos := range []int{end - 1, base + 98, base + 33, base + 1} {
					rewind(t, o, pos)
					k.stands(t, o, pos, "with other checkpoints")
				}
				prefill(t, o, k.tokens[base+1:])
				a, b := &outcome{}, &outcome{}
				a.export(t, s, "")
				b.export(t, o, "")
				if diff := b.difference(a); diff != "" {
					t.Errorf("with %d checkpoints: %s", n, diff)
				}
				o.Close()
			}
		})
	}
}

func rewind(t testing.TB, s *rt.Session, pos int) {
	t.Helper()
	if err := s.Rewind(pos); err != nil {
		t.Fatal(err)
	}
}

// TestRewindFork: a fork of a session and the session go back by themselves.
func TestRewindFork(t *testing.T) {
	const base, end = 500, 620
	for _, name := range []string{"yoco8m", "flaswaq8", "sambay", "plaintinyq8", "deltatiny"} {
		m := open(t, name)
		k := newKnown(t, m, prompt(end, m.Info().Vocab), base)
		s := session(t, m, rt.Options{Context: end, Threads: 2})
		prefill(t, s, k.tokens[:600])
		a := fork(t, s)
		b := fork(t, s)
		rewind(t, a, 590)
		rewind(t, s, 510)
		k.stands(t, a, 590, name+": a fork")
		k.stands(t, s, 510, name+": the session")
		k.decodes(t, s, 520, name+": the session")
		k.stands(t, b, 600, name+": a fork that stays")
		rewind(t, b, 599)
		k.decodes(t, b, end, name+": a fork one back")
		k.decodes(t, a, end, name+": a fork")
		if !slices.Equal(a.Tokens(), k.tokens) {
			t.Errorf("%s: other tokens", name)
		}
	}
}

// TestRewindRestored: a session that comes from a file goes back as others do, though the file has nothing that no later
// token looks at, and though the session that was saved had gone back itself.
func TestRewindRestored(t *testing.T) {
	const end = 220
	for _, name := range stateful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, name)
			k := newKnown(t, m, prompt(end, m.Info().Vocab), 1)
			s := session(t, m, rt.Options{Context: end, Threads: 1})
			file := filepath.Join(t.TempDir(), "session")
			for pos := 3; pos < end-20; pos += 1 + pos/16 {
				prefill(t, s, k.tokens[s.Pos():pos+pos%20])
				rewind(t, s, pos)
				if err := s.Save(file); err != nil {
					t.Fatal(err)
				}
				for _, back := range []int{1, 2, 70} {
					o, err := m.Restore(file, rt.Options{Context: end, Threads: 1})
					if err != nil {
						t.Fatal(err)
					}
					to := max(2, pos-back)
					rewind(t, o, to)
					k.stands(t, o, to, fmt.Sprintf("restored at %d and gone back", pos))
					k.decodes(t, o, to+2, "from there")
					o.Close()
				}
				k.stands(t, s, pos, "the session")
			}
		})
	}
}
