// Package build turns a model spec into naive IR: the equations of the paper (Sun et al. 2024,
// arXiv 2405.05254), one operation after the other, with the weights named by their roles. What
// can be merged, folded or fused is left to the passes.
//
// The package must not optimize.
package build

import (
	"fmt"
	"math"
	"slices"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// Program is the model that a spec describes: stages embed, one for each block of the self-decoder,
// share, one for each block of the cross-decoder, and head over their states, and the entries
// prefill, decode and score. A model without a shared cache has no stage share.
func Program(spec *models.Spec) (*ir.Program, error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	b := &builder{spec: spec, asked: spec.Weights(), p: &ir.Program{Name: spec.Name}}
	if c, ok := spec.Shared(); ok {
		b.shared = c
		kv := keys(c.KVHeads, c.HeadDim, c.Differential)
		b.cache = b.state(&ir.State{Name: "kv", Kind: ir.Shared, Layers: 1, Parts: []ir.Part{{Name: "k", Type: kv}, {Name: "v", Type: kv}}})
	}

	b.stage("embed", 1, b.embed)
	places := spec.Places()
	for i := 0; i < len(places); {
		n := 1
		for i+n < len(places) && places[i+n].Stage == places[i].Stage {
			n++
		}
		if places[i].Half == "cross" {
			b.startCross()
		}
		b.block(places[i : i+n])
		i += n
	}
	b.stage("head", 1, func() *ir.Value { return b.head(b.param("")) })
	if b.err != nil {
		return nil, b.err
	}
	for _, e := range []struct {
		name string
		want ir.Rows
	}{{"prefill", ir.Last}, {"decode", ir.Last}, {"score", ir.All}} {
		rows := make([]ir.Rows, len(b.p.Stages))
		rows[len(rows)-1] = e.want
		b.p.Entries = append(b.p.Entries, &ir.Entry{Name: e.name, Rows: rows, Want: e.want})
	}
	return b.p, nil
}

// A builder appends to the function of the stage in work. Positions come from the keys of the
// spec, path saying which.
type builder struct {
	spec   *models.Spec
	p      *ir.Program
	f      *ir.Func
	place  *models.Place // in work, nil outside of layers
	asked  []models.WeightSpec
	cache  *ir.State     // the shared one, nil if there is none …
	shared models.Shared // … and what the spec says about it
	filled bool          // the stage that fills it is there
	memory *ir.Value     // of the token, for gated memory units; nil if there is none yet
	err    error
}

// stage appends a stage whose result body gives.
func (b *builder) stage(name string, repeat int, body func() *ir.Value) {
	b.f = &ir.Func{Name: name}
	b.f.Result = body()
	b.place = nil
	b.p.Stages = append(b.p.Stages, &ir.Stage{Name: name, Func: b.f, Repeat: repeat})
}

// block appends the stage of a block of layers.
func (b *builder) block(places []models.Place) {
	b.stage(places[0].Stage, places[0].Repeat, func() *ir.Value {
		x := b.param(places[0].Half)
		if b.memory != nil {
			b.memory = b.part(b.f.Param, places[0].Half, b.spec.Dim, b.memory.Type.Size())
		}
		for i := range places {
			b.place = &places[i]
			x = b.layer(x)
		}
		if b.memory != nil { // goes through the stream behind x
			x = b.op(ir.Concat, places[0].Half, nil, x, b.memory)
		}
		return x
	})
}

// startCross appends, before the cross-decoder, the stage that fills the cache that it reads.
func (b *builder) startCross() {
	if !b.filled && b.spec.Cache != nil {
		b.stage("share", 1, func() *ir.Value { return b.share(b.param("cache")) })
	}
	b.filled = true
}

func (b *builder) state(s *ir.State) *ir.State {
	b.p.States = append(b.p.States, s)
	return s
}

// layered makes a state of the place in work.
func (b *builder) layered(s *ir.State) *ir.State {
	p := b.place
	s.Name, s.Layers, s.First = p.State(s.Name), p.Repeat, p.Before+p.First
	if p.Step > 1 {
		s.Step = p.Step
	}
	return b.state(s)
}

// role is that of a weight of the place in work: norm, q, ffn.gate, …
func (b *builder) role(name string) models.Role {
	return models.Role(b.place.Prefix + "." + name)
}

// key is the path of a key of the mixer in work, "" for the mixer as a whole.
func (b *builder) key(name string) string {
	if name == "" {
		return b.place.Mixed
	}
	return b.place.Mixed + "." + name
}

// weight is the weight of that role, made on first use.
func (b *builder) weight(role models.Role) *ir.Weight {
	if w := b.p.Weight(string(role)); w != nil {
		return w
	}
	i := slices.IndexFunc(b.asked, func(w models.WeightSpec) bool { return w.Role == role })
	if i < 0 {
		panic(fmt.Sprintf("BUG: the spec asks for no weight %s", role))
	}
	w := &ir.Weight{
		Name: string(role), Type: ir.Of(b.asked[i].Shape...), Pos: b.asked[i].Pos,
		Pack: ir.Pack{Sources: []ir.Source{{Role: string(role), Scale: 1}}},
	}
	if b.place != nil {
		w.Layers = b.place.Repeat
	}
	b.p.Weights = append(b.p.Weights, w)
	return w
}

// op appends an operation without weights and state.
func (b *builder) op(op *ir.Op, path string, attr any, args ...*ir.Value) *ir.Value {
	return b.f.Add(op, attr, args, nil, nil, b.spec.Pos(path))
}

// weighted appends an operation with one weight, which says the position.
func (b *builder) weighted(op *ir.Op, role models.Role, args ...*ir.Value) *ir.Value {
	w := b.weight(role)
	return b.f.Add(op, nil, args, []*ir.Weight{w}, nil, w.Pos)
}

// param is the residual stream as it enters a stage, without the memory that is behind it.
func (b *builder) param(path string) *ir.Value {
	if b.memory == nil {
		return b.f.AddParam(ir.Of(b.spec.Dim), b.spec.Pos(path))
	}
	stream := b.f.AddParam(ir.Of(b.spec.Dim+b.memory.Type.Size()), b.spec.Pos(path))
	return b.part(stream, path, 0, b.spec.Dim)
}

// norm is RMSNorm with a gain, or LayerNorm with a gain and a bias.
func (b *builder) norm(x *ir.Value, role models.Role) *ir.Value {
	if b.spec.Norm == models.LayerNorm {
		ws := []*ir.Weight{b.weight(role), b.weight(role + ".bias")}
		return b.f.Add(ir.LayerNorm, ir.LayerNormAttr{Eps: b.spec.NormEps}, []*ir.Value{x}, ws, nil, b.spec.Pos("norm_eps"))
	}
	return b.weighted(ir.Gain, role, b.op(ir.RMSNorm, "norm_eps", ir.RMSNormAttr{Eps: b.spec.NormEps}, x))
}

// linear is W x.
func (b *builder) linear(x *ir.Value, role models.Role) *ir.Value {
	return b.weighted(ir.Linear, role, x)
}

// affine is W x, with a bias W x + b.
func (b *builder) affine(x *ir.Value, role models.Role, bias bool) *ir.Value {
	y := b.linear(x, role)
	if bias {
		y = b.weighted(ir.Bias, role+".bias", y)
	}
	return y
}

// headNorm is RMSNorm over every head of x, with a gain.
func (b *builder) headNorm(x *ir.Value, eps float64, role models.Role, path string) *ir.Value {
	return b.weighted(ir.Gain, role, b.op(ir.RMSNorm, path, ir.RMSNormAttr{Eps: eps}, x))
}

// heads gives a flat row its heads.
func (b *builder) heads(x *ir.Value, path string, n int) *ir.Value {
	return b.op(ir.Reshape, path, ir.ReshapeAttr{Shape: []int{n, x.Type.Size() / n}}, x)
}

// rope rotates x, unless there are no positions.
func (b *builder) rope(x *ir.Value, r *models.Rope, path string) *ir.Value {
	if r == nil {
		return x
	}
	attr := ir.RopeAttr{Theta: r.Theta, Freq: string(r.Freq), Pairing: string(r.Pairing)}
	return b.op(ir.Rope, path, ir.RotateAttr{Rope: attr}, x)
}

// attentionScale is what q·k is multiplied by for heads of d elements.
func attentionScale(d int) float64 { return 1 / math.Sqrt(float64(d)) }

// embed is √D · embed[token], or the row as it is.
func (b *builder) embed() *ir.Value {
	x := b.weighted(ir.Embed, "embed")
	if b.spec.EmbedScale == models.NoScale {
		return x
	}
	return b.op(ir.Scale, "dim", ir.ScaleAttr{By: math.Sqrt(float64(b.spec.Dim))}, x)
}

// layer is one layer of either half: x += mixer(norm(x)); x += FFN(norm(x)).
func (b *builder) layer(x *ir.Value) *ir.Value {
	n := b.norm(x, b.role("norm"))
	var y *ir.Value
	switch m := b.place.Mixer.(type) {
	case *models.GatedRetention:
		y = b.retention(n, m)
	case *models.GatedDeltaNet:
		y = b.deltaNet(n, m)
	case *models.SlidingWindow:
		y = b.window(n, m)
	case *models.Attention:
		y = b.attention(n, m)
	case *models.Mamba:
		y = b.mamba(n, m)
	case *models.CrossAttention:
		y = b.crossAttention(n, m)
	case *models.GatedMemory:
		y = b.gatedMemory(n)
	default:
		b.err = fmt.Errorf("%s: no equations for the mixer %s", b.spec.Pos(b.key("")), models.MixerKind(m))
		return x
	}
	x = b.op(ir.Add, b.key(""), nil, y, x)
	return b.ffn(x)
}

// share fills the shared cache from the self-decoder's last residual stream, which goes on
// unchanged: K = rope(Wk norm(x)), V = Wv norm(x).
func (b *builder) share(x *ir.Value) *ir.Value {
	c := b.spec.Cache
	n := b.norm(x, "cache.norm")
	k := b.affine(n, "cache.k", c.Bias)
	k = b.rope(b.heads(k, "cache.kv_heads", c.KVHeads), c.Rope, "cache.rope")
	v := b.affine(n, "cache.v", c.Bias)
	v = b.heads(v, "cache.kv_heads", c.KVHeads)
	if b.shared.Differential {
		k, v = b.heads(k, "cache.kv_heads", c.KVHeads/2), b.heads(v, "cache.kv_heads", c.KVHeads/2)
	}
	b.f.Add(ir.Share, nil, []*ir.Value{k, v}, nil, b.cache, b.spec.Pos("cache"))
	if b.memory != nil {
		return b.f.Param
	}
	return x
}

// head is the final norm and the output projection.
func (b *builder) head(x *ir.Value) *ir.Value {
	n := b.norm(x, "final.norm")
	if b.spec.TieEmbeddings {
		return b.f.Add(ir.Linear, nil, []*ir.Value{n}, []*ir.Weight{b.weight("embed")}, nil, b.spec.Pos("tie_embeddings"))
	}
	return b.linear(n, "head")
}
