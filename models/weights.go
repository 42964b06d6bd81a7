package models

// Role says which weight of the model a tensor is, in the paper's words and whatever the
// checkpoint calls it: "embed", "head", "final.norm", "self.norm", "self.q", "self.k",
// "self.v", "self.g" (retention output gate), "self.decay" (retention decay gate),
// "self.o", "self.q.bias", "self.k.bias", "self.v.bias", "self.ffn.norm", "self.ffn.gate"
// (under silu), "self.ffn.up" (the linear branch), "self.ffn.down", "cache.norm", "cache.k",
// "cache.v", "cache.k.bias", "cache.v.bias", "cross.norm", "cross.q", "cross.q.bias",
// "cross.q.norm", "cross.o", "cross.ffn.norm", "cross.ffn.gate", "cross.ffn.up",
// "cross.ffn.down". Roles under self. and cross. exist once a layer. In a half whose layers are
// not all equal they have the prefix of their place instead: "self2.q", "self2.1.q".
type Role string

// A WeightSpec is one weight that a model of a given spec has.
type WeightSpec struct {
	Role  Role
	Layer int    // which repeat of its place, from 0; -1 for a weight that no layer owns
	Kind  Role   // the role that it would have if all layers were equal: what name maps look up
	At    int    // number of the layer in its half, from 0; -1 for a weight that no layer owns
	Shape []int  // rows (outputs) first, as y = x·Wᵀ has them: [out in], or [n]
	Pos   string // "file:line:col" of what asked for it in the spec, "" if built in memory

	vectors bool // its columns are vectors
}

// Matrix reports whether rows are multiplied by it, so that it may have a format of its own.
func (w WeightSpec) Matrix() bool { return len(w.Shape) == 2 && !w.vectors }

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
	type placed struct {
		WeightSpec
		step int
	}
	var ws []WeightSpec
	var block []placed // what one repeat of the block at hand consists of
	times, stage := 0, ""
	flush := func() {
		for layer := range times {
			for _, w := range block {
				w.Layer = layer
				w.At += layer * w.step
				ws = append(ws, w.WeightSpec)
			}
		}
		block, times = block[:0], 0
	}
	s.eachWeight(func(w WeightSpec, p *Place) {
		if p == nil || p.Stage != stage {
			flush()
		}
		if p == nil {
			ws = append(ws, w)
			return
		}
		stage, times = p.Stage, p.Repeat
		block = append(block, placed{w, p.Step})
	})
	return ws
}

// Params is the number of trained parameters; a tied head counts once.
func (s *Spec) Params() int64 {
	var n int64
	s.eachWeight(func(w WeightSpec, p *Place) {
		if p == nil {
			n += w.Elems()
		} else {
			n += w.Elems() * int64(p.Repeat)
		}
	})
	return n
}

// eachWeight yields the weights in order: those of a place once, as those of its first layer.
func (s *Spec) eachWeight(yield func(w WeightSpec, p *Place)) {
	w := &weigher{spec: s, dim: s.Dim, yield: yield}
	w.own("embed", "vocab", s.Vocab, w.dim)
	places := s.Places()
	for i := range places {
		if places[i].Half == "self" {
			w.layer(&places[i])
		}
	}
	if c, ok := s.Shared(); ok && s.Cache != nil {
		w.normed(func(name string, shape ...int) { w.own(name, "cache", shape...) }, "cache.norm")
		for _, r := range []string{"cache.k", "cache.v"} {
			w.own(r, "cache.kv_heads", c.HeadDim*c.KVHeads, w.dim)
			if s.Cache.Bias {
				w.own(r+".bias", "cache.bias", c.HeadDim*c.KVHeads)
			}
		}
	}
	for i := range places {
		if places[i].Half == "cross" {
			w.layer(&places[i])
		}
	}
	w.normed(func(name string, shape ...int) { w.own(name, "dim", shape...) }, "final.norm")
	if !s.TieEmbeddings {
		w.own("head", "vocab", s.Vocab, w.dim)
	}
}

// A weigher lists weights: of the place at hand, with the roles that its prefix gives.
type weigher struct {
	spec  *Spec
	dim   int
	place *Place
	yield func(w WeightSpec, p *Place)
}

// own lists a weight that no layer owns; asked is the path of the key that says so.
func (w *weigher) own(role, asked string, shape ...int) {
	w.yield(WeightSpec{Role: Role(role), Layer: -1, Kind: Role(role), At: -1, Shape: shape, Pos: w.spec.Pos(asked)}, nil)
}

// of lists a weight of the place.
func (w *weigher) of(name, asked string, shape ...int) {
	p := w.place
	w.yield(WeightSpec{Role: Role(p.Prefix + "." + name), Kind: Role(p.Half + "." + name), At: p.First, Shape: shape, Pos: w.spec.Pos(asked)}, p)
}

// add lists a weight of the place's mixer, whose key asks for it; "" is the mixer as a whole.
func (w *weigher) add(name, key string, shape ...int) {
	asked := w.place.Mixed
	if key != "" {
		asked = join(asked, key)
	}
	w.of(name, asked, shape...)
}

// vectors is add for a weight whose columns are vectors, which are always float32.
func (w *weigher) vectors(name, key string, shape ...int) {
	yield := w.yield
	defer func() { w.yield = yield }()
	w.yield = func(s WeightSpec, p *Place) {
		s.vectors = true
		yield(s, p)
	}
	w.add(name, key, shape...)
}

// affine lists the matrix of a projection and, if it has one, its bias.
func (w *weigher) affine(name, key string, out, in int, bias bool, biasKey string) {
	w.add(name, key, out, in)
	if bias {
		w.add(name+".bias", biasKey, out)
	}
}

// normed lists what the model's kind of norm has.
func (w *weigher) normed(list func(name string, shape ...int), name string) {
	list(name, w.dim)
	if w.spec.Norm == LayerNorm {
		list(name+".bias", w.dim)
	}
}

// layer lists the weights of a place.
func (w *weigher) layer(p *Place) {
	w.place = p
	w.normed(func(name string, shape ...int) { w.of(name, p.Count, shape...) }, "norm")
	if p.Mixer != nil {
		p.Mixer.weights(w)
	}
	ffn := join(p.At, "ffn")
	w.normed(func(name string, shape ...int) { w.of(name, ffn, shape...) }, "ffn.norm")
	hidden := join(ffn, "hidden")
	w.of("ffn.gate", hidden, p.FFN.Hidden, w.dim)
	w.of("ffn.up", hidden, p.FFN.Hidden, w.dim)
	w.of("ffn.down", hidden, w.dim, p.FFN.Hidden)
}
