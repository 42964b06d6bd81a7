package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/snapshot"
)

// kinds are models with every kind of layer, state and cache that there is.
var kinds = []string{
	"yoco8m", "yoco8mq4", "flaswa", "flaswaq8", "flabiasqknorm", "flagdn", "flagdnq8", "sambay", "sambayq8",
	"plaintiny", "plaintinyq8", "mixedtiny", "deltatiny",
}

// memoryDir is a folder in memory, if the system has one: what a disk takes to sync files is not of interest.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "yococ-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func save(t testing.TB, s *rt.Session, path string) {
	t.Helper()
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
}

func restore(t testing.TB, m *rt.Model, path string, o rt.Options) *rt.Session {
	t.Helper()
	s, err := m.Restore(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sameLogits fails unless logits have certain bits.
func sameLogits(t testing.TB, what string, got []float32, want []uint32) {
	t.Helper()
	for i, b := range bits(got) {
		if b != want[i] {
			t.Fatalf("%s: logit %d is %08x, want %08x", what, i, b, want[i])
		}
	}
}

// TestSave saves sessions of every kind at every place in a block, and across the end of a span, and goes on with
// what is restored: in other ways, for a token or for many. Everything is as in the session that went on.
func TestSave(t *testing.T) {
	for _, name := range kinds {
		t.Run(name, func(t *testing.T) { testSave(t, open(t, name)) })
	}
}

func testSave(t *testing.T, m *rt.Model) {
	const from, to, last = 470, 470 + 65, 470 + 65 + 75 // saved after so many tokens; the last that all end with
	tokens := prompt(last, m.Info().Vocab)
	offsets := stepOf(m)
	s := session(t, m, rt.Options{Context: last, Threads: 1})
	prefill(t, s, tokens[:from])
	var want [][]uint32 // logits after from, from+1, … tokens
	for n := from; n < last; n++ {
		want = append(want, bits(logits(t, s)))
		decode(t, s, tokens[n])
	}
	end := &outcome{}
	end.add("logits", logits(t, s))
	end.export(t, s, "at the end")
	s.Close()

	ways := []rt.Options{{Threads: 2}, {Threads: 3, Chunk: 5}, {Threads: 1, Chunk: 64, Context: 4000}}
	for _, level := range levels(t) {
		ways = append(ways, rt.Options{Threads: 2, ISA: level, Chunk: 33})
	}
	path := filepath.Join(memoryDir(t), "session")
	s = session(t, m, rt.Options{Context: last, Threads: 2})
	prefill(t, s, tokens[:from])
	for n := from; n < to; n++ {
		if (n-from)%offsets == 0 {
			save(t, s, path)
			o := ways[n%len(ways)]
			o.Context = max(o.Context, last)
			what := fmt.Sprintf("%d tokens, %+v", n, o)
			r := restore(t, m, path, o)
			if r.Pos() != n {
				t.Fatalf("%s: the position is %d", what, r.Pos())
			}
			sameLogits(t, what, logits(t, r), want[n-from])
			sameLogits(t, what+", a token more", decode(t, r, tokens[n]), want[n-from+1])
			if o.ISA != "portable" || m.Info().Dim <= 64 && !race {
				prefill(t, r, tokens[n+1:])
				got := &outcome{}
				got.add("logits", logits(t, r))
				got.export(t, r, "at the end")
				if diff := got.difference(end); diff != "" {
					t.Fatalf("%s, and all others: %s", what, diff)
				}
			}
			r.Close()
		}
		sameLogits(t, "the session that was saved", decode(t, s, tokens[n]), want[n-from+1])
	}
	s.Close()
}

// TestSaveAndDecode goes on for 256 tokens, each of which depends on all before.
func TestSaveAndDecode(t *testing.T) {
	for _, name := range []string{"yoco8m", "flagdn", "sambayq8", "plaintinyq8", "mixedtiny"} {
		m := open(t, name)
		steps := 256
		if race || testing.Short() {
			steps = 20
		}
		const n = 300
		path := filepath.Join(memoryDir(t), "session")
		s := session(t, m, rt.Options{Context: n + steps})
		prefill(t, s, prompt(n, m.Info().Vocab))
		save(t, s, path)
		for _, level := range levels(t) {
			if level == "portable" && m.Info().Dim > 64 {
				continue
			}
			r, s := restore(t, m, path, rt.Options{Context: n + steps, ISA: level, Threads: 3}), restore(t, m, path, rt.Options{Context: 2 * n * steps, Threads: 1})
			for range steps {
				next := argmax(logits(t, s))
				sameLogits(t, name, decode(t, r, next), bits(decode(t, s, next)))
			}
			r.Close()
			s.Close()
		}
		s.Close()
	}
}

// TestSavedFiles are equal if the sessions are, however they came about; also those of empty sessions.
func TestSavedFiles(t *testing.T) {
	for _, name := range kinds {
		m := open(t, name)
		dir := memoryDir(t)
		for _, n := range []int{0, 1, 64, 100, 512, 600} {
			if n > 100 && race {
				continue
			}
			tokens := prompt(n, m.Info().Vocab)
			var first []byte
			check := func(what string, s *rt.Session) string {
				path := filepath.Join(dir, what)
				save(t, s, path)
				s.Close()
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = data
				}
				if !bytes.Equal(data, first) {
					t.Errorf("%s, %d tokens: the file of a session that was %s is another one", name, n, what)
				}
				return path
			}
			whole := session(t, m, rt.Options{})
			prefill(t, whole, tokens)
			path := check("prefilled", whole)

			short := session(t, m, rt.Options{Context: n + 1, Chunk: 7, Threads: 3})
			prefill(t, short, tokens[:n/2])
			for _, token := range tokens[n/2:] {
				decode(t, short, token)
			}
			check("decoded", short)
			check("restored", restore(t, m, path, rt.Options{Threads: 1}))

			origin := restore(t, m, path, rt.Options{Threads: 2, Chunk: 9})
			fork, err := origin.Fork() // which has not computed anything
			if err != nil {
				t.Fatal(err)
			}
			if n > 1 {
				decode(t, origin, tokens[0])
			}
			origin.Close()
			check("forked", fork)

			used := session(t, m, rt.Options{})
			prefill(t, used, prompt(333, m.Info().Vocab)[n%100:])
			if err := used.Reset(); err != nil {
				t.Fatal(err)
			}
			prefill(t, used, tokens)
			check("reset before", used)

			if n > 0 {
				// Scored or not, and on a second turn.
				scored := session(t, m, rt.Options{})
				if _, err := scored.Score(t.Context(), tokens, append(tokens[1:len(tokens):len(tokens)], 0)); err != nil {
					t.Fatal(err)
				}
				check("scored", scored)
			}
		}
	}
}

// TestRestoreRefuses what is not of the model, does not fit, or is damaged, and says where.
func TestRestoreRefuses(t *testing.T) {
	m := open(t, "flaswa")
	dir := memoryDir(t)
	path := filepath.Join(dir, "session")
	s := session(t, m, rt.Options{Context: 100})
	prefill(t, s, prompt(70, m.Info().Vocab))
	save(t, s, path)
	s.Close()

	refuse := func(m *rt.Model, path, want string, o rt.Options) error {
		t.Helper()
		_, err := m.Restore(path, o)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
		return err
	}
	other := open(t, "plaintiny")
	refuse(other, path, "byte 40: the session is of model flaswa, want plaintiny", rt.Options{})
	refuse(open(t, "flaswaq8"), path, "byte 40: the session is of model flaswa", rt.Options{})
	refuse(m, filepath.Join(dir, "none"), "no such file", rt.Options{})
	if err := refuse(m, path, "0 of 69 tokens are used, 70 more don't fit", rt.Options{Context: 69}); !errors.Is(err, rt.ErrContextFull) {
		t.Error(err)
	}
	if _, err := m.Restore(path, rt.Options{Threads: -1}); err == nil {
		t.Error("options are not checked")
	}

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want   string
		change func(b []byte) []byte
	}{
		{"byte 0: this is no saved session", func(b []byte) []byte { b[0]++; return b }},
		{fmt.Sprintf("byte %d: the file ends here", len(whole)/2), func(b []byte) []byte { return b[:len(b)/2] }},
		{fmt.Sprintf("byte %d: the file should end here", len(whole)), func(b []byte) []byte { return append(b, 0) }},
		{"the file is damaged", func(b []byte) []byte { b[len(b)/2]++; return b }},
		{"the file is damaged", func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b }},
	} {
		if err := os.WriteFile(path, c.change(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		var at *snapshot.Error
		if err := refuse(m, path, c.want, rt.Options{}); !errors.As(err, &at) {
			t.Errorf("%v names no byte", err)
		}
	}

	// Checksums that are right do not make a session.
	for want, file := range map[string]struct {
		description string
		pieces      [][]byte
	}{
		"the description: ":   {"{", nil},
		"is of model x, want": {`{"model":"x"}`, nil},
	} {
		if err := snapshot.Write(path, []byte(file.description), file.pieces, 1); err != nil {
			t.Fatal(err)
		}
		refuse(m, path, want, rt.Options{})
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(whole)
	f.Close()
	forge := func(want, old, new string, change func(pieces [][]byte) [][]byte) {
		t.Helper()
		f, err := snapshot.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var pieces [][]byte
		for _, n := range f.Sizes() {
			pieces = append(pieces, make([]byte, n))
		}
		if err := f.Read(pieces, 1); err != nil {
			t.Fatal(err)
		}
		description := bytes.Replace(f.Description(), []byte(old), []byte(new), 1)
		forged := filepath.Join(dir, "forged")
		if err := snapshot.Write(forged, description, change(pieces), 1); err != nil {
			t.Fatal(err)
		}
		refuse(m, forged, want, rt.Options{})
	}
	same := func(p [][]byte) [][]byte { return p }
	forge("the session has -1 tokens", `"tokens":70`, `"tokens":-1`, same)
	forge("piece 0 of a session of 71 tokens has 280 bytes, want 284", `"tokens":70`, `"tokens":71`, same)
	forge("a session of 513 tokens has 4 pieces, want 5", `"tokens":70`, `"tokens":513`, same)
	forge("is of model flaswa with weights f32, cache q8, want weights f32, cache f32", "cache f32", "cache q8", same)
	forge("is of another model flaswa: its spec differs", `"identity":"`, `"identity":"0`, same)
	forge("is of model flaswa with other weights", `"weights":"`, `"weights":"0`, same)
	forge("is not in the vocabulary", "", "", func(p [][]byte) [][]byte { p[0][3] = 0x7f; return p })
	forge("piece 1 of a session of 70 tokens has 8 bytes, want 1024", "", "", func(p [][]byte) [][]byte { p[1] = p[1][:8]; return p })
}
