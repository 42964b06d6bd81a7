package models

// SlidingWindow is causal attention to the last Window tokens, the token itself included (the
// paper's section 3.3); KVHeads divides Heads.
type SlidingWindow struct {
	Heads, KVHeads int
	HeadDim        int // width of a head; 0 for Dim/Heads
	Window         int
	Bias           bool  // on q, k and v
	OutBias        bool  // on the output projection
	QKNorm         bool  // RMSNorm with a gain on every head of q and of k before its rotation; eps is norm_eps
	Rope           *Rope // nil for no positions
	Differential   bool  // see differential.go
}

var slidingWindow = variant{
	kind: "sliding-window", doc: "attention to the last tokens",
	make: func() any { return new(SlidingWindow) },
	fields: []field{
		{
			key: "heads", doc: "query heads, each dim/heads wide", shape: integer, required: true, min: 1, max: maxWidth,
			at: in(func(m *SlidingWindow) any { return &m.Heads }),
		},
		kvHeads(func(m *SlidingWindow) *int { return &m.KVHeads }, func(m *SlidingWindow) *int { return &m.Heads }),
		width(func(m *SlidingWindow) *int { return &m.HeadDim }),
		{
			key: "window", doc: "tokens attended to, the token itself included", shape: integer, required: true, min: 1, max: maxTokens,
			at: in(func(m *SlidingWindow) any { return &m.Window }),
		},
		toggle("bias", "q, k and v have a bias", false, func(m *SlidingWindow) *bool { return &m.Bias }),
		toggle("out_bias", "the output projection has a bias", true, func(m *SlidingWindow) *bool { return &m.OutBias }),
		toggle("qk_norm", "RMSNorm with a gain on every head of q and of k before its rotation", true, func(m *SlidingWindow) *bool { return &m.QKNorm }),
		positions(func(m *SlidingWindow) any { return &m.Rope }),
		differential(func(m *SlidingWindow) *bool { return &m.Differential }),
	},
}

// plain is attention to all tokens with the same projections.
func (m *SlidingWindow) plain() *Attention {
	return &Attention{
		Heads: m.Heads, KVHeads: m.KVHeads, HeadDim: m.HeadDim,
		Bias: m.Bias, OutBias: m.OutBias, QKNorm: m.QKNorm, Rope: m.Rope, Differential: m.Differential,
	}
}

// Width is that of a head in a model of a width.
func (m *SlidingWindow) Width(dim int) int { return m.plain().Width(dim) }

func (m *SlidingWindow) check(c *checker, at string) { m.plain().check(c, at) }

func (m *SlidingWindow) weights(w *weigher) { m.plain().weights(w) }
