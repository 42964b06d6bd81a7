package models

// GatedMemory gates the memory of the same token, which is what the last Mamba of the self-decoder has read
// from its states (SambaY, arXiv 2507.06607): it has no state, and neither a convolution nor attention.
type GatedMemory struct{}

var gatedMemory = variant{
	kind: "gated-memory", doc: "gates what the last Mamba of the self-decoder has read from its states",
	make: func() any { return new(GatedMemory) },
}

// Memory is the place whose mixer makes the memory that gated memory units read; ok is false if there are
// none, or no such place.
func (s *Spec) Memory() (source Place, ok bool) {
	reads := false
	for _, p := range s.Places() {
		switch p.Mixer.(type) {
		case *Mamba:
			if p.Half == "self" {
				source, ok = p, true
			}
		case *GatedMemory:
			reads = true
		}
	}
	return source, ok && reads
}

func (m *GatedMemory) check(c *checker, at string) {
	source, ok := c.spec.Memory()
	switch {
	case !ok && c.ok("self", "self.stack") && c.readable(c.spec.places("self", c.spec.Self, 0)):
		c.fail(at, "there is no memory: want a layer of kind %s in the self-decoder", mamba.kind)
	case ok && source.Repeat > 1 && c.ok(source.Count):
		c.fail(source.Count, "the last layer of kind %s makes the memory that %s reads: want it in a block that is there once", mamba.kind, at)
	}
}

func (m *GatedMemory) weights(w *weigher) {
	source, ok := w.spec.Memory()
	if !ok {
		return // reported
	}
	inner := source.Mixer.(*Mamba).Inner(w.dim)
	w.add("in", "", inner, w.dim)
	w.add("o", "", w.dim, inner)
}
