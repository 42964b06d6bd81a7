package models

// A WeightSpec is one weight that a model of a given spec has.
type WeightSpec struct {
	Role  Role
	Layer int    // within its half, from 0; -1 for a weight that no layer owns
	Shape []int  // rows (outputs) first, as y = x·Wᵀ has them: [out in], or [n]
	Pos   string // "file:line:col" of what asked for it in the spec, "" if built in memory
}

// Elems is the number of elements.
func (w WeightSpec) Elems() int64 {
	n := int64(1)
	for _, d := range w.Shape {
		n *= int64(d)
	}
	return n
}

// Weights lists every weight of the model in the order in which it is used. A tied head is not
// listed: it is the embedding.
func (s *Spec) Weights() []WeightSpec {
	var ws, group []WeightSpec // group: what the layer at hand consists of
	times := 0
	flush := func() {
		for layer := range times {
			for _, w := range group {
				w.Layer = layer
				ws = append(ws, w)
			}
		}
		group = group[:0]
	}
	s.eachWeight(func(w WeightSpec, layers int) {
		if layers != 0 {
			group, times = append(group, w), layers
			return
		}
		flush()
		w.Layer = -1
		ws = append(ws, w)
	})
	return ws
}

// Params is the number of trained parameters; a tied head counts once.
func (s *Spec) Params() int64 {
	var n int64
	s.eachWeight(func(w WeightSpec, layers int) { n += w.Elems() * int64(max(layers, 1)) })
	return n
}

// eachWeight yields the weights in order, those of equal layers once with their number.
func (s *Spec) eachWeight(yield func(w WeightSpec, layers int)) {
	layers := 0
	add := func(role Role, asked string, shape ...int) {
		yield(WeightSpec{Role: role, Shape: shape, Pos: s.Pos(asked)}, layers)
	}
	d := s.Dim
	ffn := func(half string, hidden int) {
		add(Role(half+".ffn.norm"), half+".ffn", d)
		at := half + ".ffn.hidden"
		add(Role(half+".ffn.gate"), at, hidden, d)
		add(Role(half+".ffn.up"), at, hidden, d)
		add(Role(half+".ffn.down"), at, d, hidden)
	}

	add("embed", "vocab", s.Vocab, d)

	layers = s.Self.Layers
	add("self.norm", "self.layers", d)
	switch m := s.Self.Mixer.(type) {
	case *GatedRetention:
		for _, r := range []Role{"self.q", "self.k", "self.v", "self.g"} {
			add(r, "self.mixer", d, d)
		}
		add("self.decay", "self.mixer.heads", m.Heads, d)
	case *SlidingWindow:
		kv := d / m.Heads * m.KVHeads
		project := func(role Role, at string, rows int) {
			add(role, at, rows, d)
			if m.Bias {
				add(role+".bias", "self.mixer.bias", rows)
			}
		}
		project("self.q", "self.mixer", d)
		project("self.k", "self.mixer.kv_heads", kv)
		project("self.v", "self.mixer.kv_heads", kv)
	}
	add("self.o", "self.mixer", d, d)
	ffn("self", s.Self.FFN.Hidden)

	layers = 0
	add("cache.norm", "cache", d)
	head := d / s.Cross.Heads
	for _, r := range []Role{"cache.k", "cache.v"} {
		add(r, "cache.kv_heads", head*s.Cache.KVHeads, d)
		if s.Cache.Bias {
			add(r+".bias", "cache.bias", head*s.Cache.KVHeads)
		}
	}

	layers = s.Cross.Layers
	add("cross.norm", "cross.layers", d)
	add("cross.q", "cross.heads", d, d)
	if s.Cross.Bias {
		add("cross.q.bias", "cross.bias", d)
	}
	if s.Cross.QNorm {
		add("cross.q.norm", "cross.q_norm", head)
	}
	add("cross.o", "cross.heads", d, d)
	ffn("cross", s.Cross.FFN.Hidden)

	layers = 0
	add("final.norm", "dim", d)
	if !s.TieEmbeddings {
		add("head", "vocab", s.Vocab, d)
	}
}
