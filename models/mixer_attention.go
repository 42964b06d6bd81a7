package models

// Attention is causal attention to all tokens so far; KVHeads divides Heads. Its keys and values
// are the layer's own, so they take memory in every such layer, unless the cross-decoder reads them.
type Attention struct {
	Heads, KVHeads int
	HeadDim        int   // width of a head; 0 for Dim/Heads
	Bias           bool  // on q, k and v
	OutBias        bool  // on the output projection
	QKNorm         bool  // RMSNorm with a gain on every head of q and of k before its rotation; eps is norm_eps
	Rope           *Rope // nil for no positions
	Differential   bool  // see differential.go
	Shares         bool  // its keys and values are the shared cache
}

var attention = variant{
	kind: "attention", doc: "attention to all tokens so far, with a cache of the layer's own",
	make: func() any { return new(Attention) },
	fields: []field{
		{
			key: "heads", doc: "query heads, each dim/heads wide", shape: integer, required: true, min: 1, max: maxWidth,
			at: in(func(m *Attention) any { return &m.Heads }),
		},
		kvHeads(func(m *Attention) *int { return &m.KVHeads }, func(m *Attention) *int { return &m.Heads }),
		width(func(m *Attention) *int { return &m.HeadDim }),
		toggle("bias", "q, k and v have a bias", false, func(m *Attention) *bool { return &m.Bias }),
		toggle("out_bias", "the output projection has a bias", true, func(m *Attention) *bool { return &m.OutBias }),
		toggle("qk_norm", "RMSNorm with a gain on every head of q and of k before its rotation", true, func(m *Attention) *bool { return &m.QKNorm }),
		positions(func(m *Attention) any { return &m.Rope }),
		differential(func(m *Attention) *bool { return &m.Differential }),
		toggle("shares", "its keys and values are the shared cache: of the self-decoder's last layer, in a spec without cache", true, func(m *Attention) *bool { return &m.Shares }),
	},
}

// Width is that of a head in a model of a width.
func (m *Attention) Width(dim int) int { return headDim(dim, m.Heads, m.HeadDim) }

func (m *Attention) check(c *checker, at string) {
	c.heads(at, m.Heads, m.HeadDim, m.Rope != nil)
	c.divides(join(at, "kv_heads"), m.KVHeads, join(at, "heads"), m.Heads)
	if m.Differential {
		normed := ""
		if m.QKNorm {
			normed = "qk_norm"
		}
		c.differential(at, m.Heads, m.KVHeads, m.Rope, normed)
	}
}

func (m *Attention) weights(w *weigher) {
	hd := m.Width(w.dim)
	w.affine("q", "", m.Heads*hd, w.dim, m.Bias, "bias")
	w.affine("k", "kv_heads", m.KVHeads*hd, w.dim, m.Bias, "bias")
	w.affine("v", "kv_heads", m.KVHeads*hd, w.dim, m.Bias, "bias")
	if m.QKNorm {
		w.add("q.norm", "qk_norm", hd)
		w.add("k.norm", "qk_norm", hd)
	}
	if m.Differential {
		w.differential(hd)
	}
	w.affine("o", "", w.dim, m.Heads*hd, m.OutBias, "out_bias")
}
