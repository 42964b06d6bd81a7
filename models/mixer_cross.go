package models

// CrossAttention attends to the shared cache, of which it computes the queries alone. Cross layers
// have heads of one width.
type CrossAttention struct {
	Heads        int
	HeadDim      int  // width of a head; 0 for Dim/Heads
	Bias         bool // on q
	OutBias      bool // on the output projection
	Differential bool // see differential.go
	QNorm        bool // RMSNorm with a gain on every query head before its rotation; eps is always 1e-5
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
		differential(func(m *CrossAttention) *bool { return &m.Differential }),
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
	if m.Differential != cache.Differential && c.ok(join(at, "differential")) {
		c.fail(join(at, "differential"), "is %v, and %v of the shared cache, whose keys are paired or not", m.Differential, cache.Differential)
	}
	if m.Differential {
		normed := ""
		if m.QNorm {
			normed = "q_norm"
		}
		c.differential(at, m.Heads, cache.KVHeads, cache.Rope, normed)
	}
}

func (m *CrossAttention) weights(w *weigher) {
	hd := m.Width(w.dim)
	w.affine("q", "heads", m.Heads*hd, w.dim, m.Bias, "bias")
	if m.QNorm {
		w.add("q.norm", "q_norm", hd)
	}
	if m.Differential {
		w.differential(hd)
	}
	w.affine("o", "heads", w.dim, m.Heads*hd, m.OutBias, "out_bias")
}
