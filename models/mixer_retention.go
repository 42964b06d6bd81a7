package models

// GatedRetention is the mixer of the paper's section 3.2.
type GatedRetention struct {
	Heads          int
	HeadDim        int     // width of a head; 0 for Dim/Heads
	GateNormalizer float64 // the decay's logsigmoid is divided by it
	Rope           Rope
}

// gatedRetention has the defaults of microsoft/unilm.
var gatedRetention = variant{
	kind: "gated-retention", doc: "gated retention: a matrix of state per head, decayed by a gate",
	make: func() any { return new(GatedRetention) },
	fields: []field{
		{
			key: "heads", doc: "heads, each dim/heads wide", shape: integer, required: true, min: 1, max: maxWidth,
			at: in(func(m *GatedRetention) any { return &m.Heads }),
		},
		width(func(m *GatedRetention) *int { return &m.HeadDim }),
		{
			key: "gate_normalizer", doc: "the decay's logsigmoid is divided by it", shape: number, min: 1e-3, max: 1e6, def: 16.0,
			at: in(func(m *GatedRetention) any { return &m.GateNormalizer }),
		},
		rope(func(m *GatedRetention) any { return &m.Rope }),
	},
}

// Width is that of a head in a model of a width.
func (m *GatedRetention) Width(dim int) int { return headDim(dim, m.Heads, m.HeadDim) }

func (m *GatedRetention) check(c *checker, at string) {
	c.heads(at, m.Heads, m.HeadDim, true)
}

func (m *GatedRetention) weights(w *weigher) {
	wide := m.Heads * m.Width(w.dim)
	for _, name := range []string{"q", "k", "v", "g"} {
		w.add(name, "", wide, w.dim)
	}
	w.add("decay", "heads", m.Heads, w.dim)
	w.add("o", "", w.dim, wide)
}
