package models

import "math"

// GatedDeltaNet is the mixer of Yang et al. 2024 (arXiv 2412.06464) as flash-linear-attention has it: a
// linear recurrence that corrects what its state has stored, with gates and short convolutions.
type GatedDeltaNet struct {
	Heads         int     // of q and k
	ValueHeads    int     // of v and the state; a multiple of Heads
	HeadDim       int     // width of a head of q and k; not Dim/Heads
	ExpandV       float64 // width of a head of v, in HeadDim
	UseGate       bool    // the normed output is gated by silu
	UseShortConv  bool    // q, k and v are convolved along the tokens
	ConvSize      int     // tokens that a convolution sees, the token itself included
	AllowNegEigen bool    // β goes up to 2: S may change its sign along a key
}

// gatedDeltaNet has the keys and defaults of flash-linear-attention.
var gatedDeltaNet = variant{
	kind: "gated-deltanet", doc: "gated delta rule: a matrix of state per head that is corrected and decayed, after short convolutions",
	make: func() any { return new(GatedDeltaNet) },
	fields: []field{
		{
			key: "heads", doc: "heads of queries and keys", shape: integer, required: true, min: 1, max: maxWidth,
			at: in(func(m *GatedDeltaNet) any { return &m.Heads }),
		},
		{
			key: "v_heads", doc: "heads of values, a multiple of heads", shape: integer, min: 1, max: maxWidth,
			same:   "heads",
			sameAs: func(_ *Spec, m any, path string) (any, string) { return m.(*GatedDeltaNet).Heads, join(path, "heads") },
			at:     in(func(m *GatedDeltaNet) any { return &m.ValueHeads }),
		},
		{
			key: "head_dim", doc: "width of a head of queries and keys", shape: integer, min: 1, max: maxWidth, def: 256,
			at: in(func(m *GatedDeltaNet) any { return &m.HeadDim }),
		},
		{
			key: "expand_v", doc: "width of a head of values, as a multiple of head_dim", shape: number, min: 1e-3, max: 64, def: 2.0,
			at: in(func(m *GatedDeltaNet) any { return &m.ExpandV }),
		},
		{
			key: "use_gate", doc: "the output is gated", shape: boolean, def: true,
			at: in(func(m *GatedDeltaNet) any { return &m.UseGate }),
		},
		{
			key: "use_short_conv", doc: "queries, keys and values are convolved along the tokens", shape: boolean, def: true,
			at: in(func(m *GatedDeltaNet) any { return &m.UseShortConv }),
		},
		{
			key: "conv_size", doc: "tokens that a convolution sees, the token itself included", shape: integer, min: 2, max: 256, def: 4,
			at: in(func(m *GatedDeltaNet) any { return &m.ConvSize }),
		},
		toggle("allow_neg_eigval", "eigenvalues of a step may be negative", false, func(m *GatedDeltaNet) *bool { return &m.AllowNegEigen }),
	},
}

// ValueDim is the width of a head of values.
func (m *GatedDeltaNet) ValueDim() int { return int(float64(m.HeadDim) * m.ExpandV) }

func (m *GatedDeltaNet) check(c *checker, at string) {
	c.divides(join(at, "heads"), m.Heads, join(at, "v_heads"), m.ValueHeads)
	dim, heads, values, expand := join(at, "head_dim"), join(at, "heads"), join(at, "v_heads"), join(at, "expand_v")
	if !c.ok(dim, heads, values, expand) {
		return
	}
	wide := float64(m.HeadDim) * m.ExpandV
	switch v := float64(m.ValueDim()); {
	case v < 1 || math.Abs(wide-v) > 1e-5*wide:
		c.fail(expand, "%s makes heads of %s elements (head_dim is %d): want a whole number", formatNumber(m.ExpandV), formatNumber(wide), m.HeadDim)
	case m.Heads*m.HeadDim > maxWidth:
		c.fail(dim, "%d heads are %d wide: want at most %d", m.Heads, m.Heads*m.HeadDim, maxWidth)
	case m.ValueHeads*m.ValueDim() > maxWidth:
		c.fail(expand, "%d heads of values are %d wide: want at most %d", m.ValueHeads, m.ValueHeads*m.ValueDim(), maxWidth)
	}
}

func (m *GatedDeltaNet) weights(w *weigher) {
	keys, values := m.Heads*m.HeadDim, m.ValueHeads*m.ValueDim()
	for _, p := range []struct {
		name, key string
		wide      int
	}{{"q", "heads", keys}, {"k", "heads", keys}, {"v", "v_heads", values}} {
		w.add(p.name, p.key, p.wide, w.dim)
		if m.UseShortConv {
			w.add(p.name+".conv", "conv_size", p.wide, 1, m.ConvSize)
		}
	}
	w.add("alpha", "v_heads", m.ValueHeads, w.dim)
	w.add("beta", "v_heads", m.ValueHeads, w.dim)
	w.add("rate", "v_heads", m.ValueHeads)
	w.add("alpha.bias", "v_heads", m.ValueHeads)
	w.add("o.norm", "expand_v", m.ValueDim())
	if m.UseGate {
		w.add("g", "use_gate", values, w.dim)
	}
	w.add("o", "", w.dim, values)
}
