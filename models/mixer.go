package models

// A Mixer is what a layer does across tokens. Each kind has a file: its type, the keys of its YAML
// form, the rules between them, and its weights. Adding one takes such a file and its row in the
// table of this one.
type Mixer interface {
	check(c *checker, at string) // the rules between the keys of the mapping at a path
	weights(w *weigher)          // between the norm before the mixer and the feed-forward network
}

// Mixers of the two halves: a layer of the cross-decoder has no state.
var (
	selfMixers  = []variant{gatedRetention, gatedDeltaNet, slidingWindow, attention, mamba}
	crossMixers = []variant{crossAttention, gatedMemory}
)

// mixerKind is the row of those tables that m is made by.
func mixerKind(m Mixer) *variant {
	for _, vs := range [][]variant{selfMixers, crossMixers} {
		for i := range vs {
			if vs[i].is(m) {
				return &vs[i]
			}
		}
	}
	return nil
}

// MixerKind is the kind of a mixer as specs have it: sliding-window.
func MixerKind(m Mixer) string {
	if v := mixerKind(m); v != nil {
		return v.kind
	}
	return ""
}

// width is the key that gives the width of heads.
func width[T any](at func(m *T) *int) field {
	return field{
		key: "head_dim", doc: "width of a head; 0 for dim/heads", shape: integer, min: 0, max: maxWidth, def: 0, quiet: true,
		at: in(func(m *T) any { return at(m) }),
	}
}

// kvHeads is the key that gives the number of key/value heads, by default that of heads.
func kvHeads[T any](at, heads func(m *T) *int) field {
	return field{
		key: "kv_heads", doc: "key/value heads; divides heads", shape: integer, min: 1, max: maxWidth,
		same:   "heads",
		sameAs: func(_ *Spec, m any, path string) (any, string) { return *heads(m.(*T)), join(path, "heads") },
		at:     in(func(m *T) any { return at(m) }),
	}
}

// toggle is a key that is true or false, and false if it is left out.
func toggle[T any](key, doc string, quiet bool, at func(m *T) *bool) field {
	return field{key: key, doc: doc, shape: boolean, def: false, quiet: quiet, at: in(func(m *T) any { return at(m) })}
}

// heads checks the number n of heads and their width, 0 for dim/n. Rotation works on pairs.
func (c *checker) heads(at string, n, width int, rotated bool) {
	dim := c.spec.Dim
	key, widthKey := join(at, "heads"), join(at, "head_dim")
	switch {
	case !c.ok("dim", key, widthKey):
	case width == 0 && dim%n != 0:
		c.fail(key, "%d does not divide dim (%d)", n, dim)
	case width == 0 && rotated && dim/n%2 != 0:
		c.fail(key, "%d makes heads of %d elements (dim is %d): want an even width", n, dim/n, dim)
	case width != 0 && rotated && width%2 != 0:
		c.fail(widthKey, "%d is odd: want an even width", width)
	case width != 0 && n*width > maxWidth:
		c.fail(widthKey, "%d heads are %d wide: want at most %d", n, n*width, maxWidth)
	}
}

func (c *checker) divides(at string, n int, of string, m int) {
	if c.ok(at, of) && m%n != 0 {
		c.fail(at, "%d does not divide %s (%d)", n, of, m)
	}
}
