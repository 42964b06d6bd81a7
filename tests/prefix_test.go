package tests

import (
	"slices"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// TestPrefixes: sessions with a cache of beginnings have the logits of one without, in every kind of state, wherever their
// tokens part, and the cache holds what it may.
func TestPrefixes(t *testing.T) {
	const end = 1200
	for _, name := range stateful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, name)
			vocab := int32(m.Info().Vocab)
			c := rt.NewPrefixCache(256 << 20)
			defer c.Clear()
			tokens := prompt(end, int(vocab))
			for i, part := range []int{end - 1, 1100, 1030, 1024, 700, 690, 513, 512, 300, end - 1} {
				text := slices.Clone(tokens)
				text[part] = (text[part] + int32(i)) % vocab
				n := end - 3*i
				s := session(t, m, rt.Options{Context: end + 8, Threads: 1 + i%2, Prefixes: c})
				plain := session(t, m, rt.Options{Context: end + 8, Threads: 2})
				prefill(t, s, text[:n])
				prefill(t, plain, text[:n])
				a, b := &outcome{}, &outcome{}
				for j := range int32(3) {
					a.add("logits", logits(t, plain))
					b.add("logits", logits(t, s))
					decode(t, plain, (7+j)%vocab)
					decode(t, s, (7+j)%vocab)
				}
				a.export(t, plain, "")
				b.export(t, s, "")
				if diff := b.difference(a); diff != "" {
					t.Errorf("%d tokens that part at %d: %s", n, part, diff)
				}
				plain.Close()
				s.Close()
			}
			if c.Bytes() == 0 || c.Bytes() > 256<<20 {
				t.Errorf("%d bytes are kept", c.Bytes())
			}
		})
	}
}
