package models

// CrossAttention attends to the shared cache, of which it computes the queries alone. Cross layers
// have heads of one width.
type CrossAttention struct {
	Heads   int
	HeadDim int  // width of a head; 0 for Dim/Heads
	Bias    bool // on q
	OutBias bool // on the output projection
	QNorm   bool // RMSNorm with a gain on every query head before its rotation; eps is always 1e-5
}

// crossAttention is also, with its keys beside layers and ffn, the short form of a cross-decoder.
var crossAttention = variant{
	kind: "cross-attention", doc: "attention to the shared cache",
	make: func() any { return new(CrossAttention) },
	fields: []field{
		{
			key: "heads", doc: "query heads, each dim/heads wide", shape: integer, required: true, min: 1, max: maxWidth,
			at: in(func(m *CrossAttention) any { return &m.Heads }),
		},
		width(func(m *CrossAttention) *int { return &m.HeadDim }),
		toggle("bias", "q has a bias", false, func(m *CrossAttention) *bool { return &m.Bias }),
		toggle("out_bias", "the output projection has a bias", true, func(m *CrossAttention) *bool { return &m.OutBias }),
		toggle("q_norm", "RMSNorm with a gain on every query head before its rotation, eps 1e-5", false, func(m *CrossAttention) *bool { return &m.QNorm }),
	},
}

// Width is that of a head in a model of a width.
func (m *CrossAttention) Width(dim int) int { return headDim(dim, m.Heads, m.HeadDim) }

func (m *CrossAttention) check(c *checker, at string) {
	cache, ok := c.spec.Shared()
	rotated := ok && cache.Rope != nil
	c.heads(at, m.Heads, m.HeadDim, rotated)
	if !ok || !c.ok("dim", "cache", join(at, "heads"), join(at, "head_dim")) {
		return
	}
	c.divides(join(cache.At, "kv_heads"), cache.KVHeads, join(at, "heads"), m.Heads)
	if hd := m.Width(c.spec.Dim); hd != cache.HeadDim && c.ok(join(cache.At, "heads"), join(cache.At, "head_dim")) {
		c.fail(join(at, "heads"), "heads are %d wide, those of the shared cache %d", hd, cache.HeadDim)
	}
}

func (m *CrossAttention) weights(w *weigher) {
	hd := m.Width(w.dim)
	w.affine("q", "heads", m.Heads*hd, w.dim, m.Bias, "bias")
	if m.QNorm {
		w.add("q.norm", "q_norm", hd)
	}
	w.affine("o", "heads", w.dim, m.Heads*hd, m.OutBias, "out_bias")
}
