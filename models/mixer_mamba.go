package models

// Mamba is a selective state space model behind a short convolution, gated (Gu and Dao 2023, arXiv
// 2312.00752, figure 3: Mamba-1). It is Expand*Dim channels wide.
type Mamba struct {
	Expand int
	States int // of a channel
	Conv   int // tokens that the convolution sees, the token itself included
	Rank   int // of the projection that makes the steps; 0 for Dim/16 rounded up
}

var mamba = variant{
	kind: "mamba", doc: "Mamba-1: a selective state space model behind a short convolution, gated",
	make: func() any { return new(Mamba) },
	fields: []field{
		{
			key: "expand", doc: "channels, as a multiple of dim", shape: integer, min: 1, max: 64, def: 2,
			at: in(func(m *Mamba) any { return &m.Expand }),
		},
		{
			key: "states", doc: "states of a channel", shape: integer, min: 1, max: 1024, def: 16,
			at: in(func(m *Mamba) any { return &m.States }),
		},
		{
			key: "conv", doc: "tokens that the convolution sees, the token itself included", shape: integer, min: 2, max: 64, def: 4,
			at: in(func(m *Mamba) any { return &m.Conv }),
		},
		{
			key: "rank", doc: "rank of the projection that makes the steps; 0 for dim/16 rounded up", shape: integer, min: 0, max: maxWidth, def: 0, quiet: true,
			at: in(func(m *Mamba) any { return &m.Rank }),
		},
	},
}

// Inner is the number of channels in a model of a width.
func (m *Mamba) Inner(dim int) int { return m.Expand * dim }

// StepRank is the rank of the steps' projection in a model of a width.
func (m *Mamba) StepRank(dim int) int {
	if m.Rank != 0 {
		return m.Rank
	}
	return (dim + 15) / 16
}

func (m *Mamba) check(c *checker, at string) {
	if n := m.Inner(c.spec.Dim); c.ok("dim", join(at, "expand")) && n > maxWidth {
		c.fail(join(at, "expand"), "%d channels (dim is %d): want at most %d", n, c.spec.Dim, maxWidth)
	}
}

func (m *Mamba) weights(w *weigher) {
	inner, rank := m.Inner(w.dim), m.StepRank(w.dim)
	w.add("in", "expand", 2*inner, w.dim)
	w.add("conv", "conv", inner, 1, m.Conv)
	w.add("conv.bias", "conv", inner)
	w.add("x", "states", rank+2*m.States, inner)
	w.add("dt", "rank", inner, rank)
	w.add("dt.bias", "rank", inner)
	w.vectors("rates", "states", inner, m.States)
	w.add("skip", "expand", inner)
	w.add("o", "expand", w.dim, inner)
}
