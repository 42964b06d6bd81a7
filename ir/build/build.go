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

// Program is the model that a spec describes: stages embed, self, share, cross and head over one
// shared cache, and the entries prefill, decode and score.
func Program(spec *models.Spec) (*ir.Program, error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	b := &builder{spec: spec, asked: spec.Weights(), p: &ir.Program{Name: spec.Name}}
	hd := spec.Dim / spec.Cross.Heads
	kv := ir.Of(spec.Cache.KVHeads, hd)
	b.cache = b.state(&ir.State{Name: "kv", Kind: ir.Shared, Layers: 1, Parts: []ir.Part{{Name: "k", Type: kv}, {Name: "v", Type: kv}}})

	b.stage("embed", 1, b.embed)
	b.stage("self", spec.Self.Layers, func() *ir.Value { return b.self(b.param("self")) })
	b.stage("share", 1, func() *ir.Value { return b.share(b.param("cache")) })
	b.stage("cross", spec.Cross.Layers, func() *ir.Value { return b.cross(b.param("cross")) })
	b.stage("head", 1, func() *ir.Value { return b.head(b.param("")) })
	if b.err != nil {
		return nil, b.err
	}
	const head = 4
	for _, e := range []struct {
		name string
		want ir.Rows
	}{{"prefill", ir.Last}, {"decode", ir.Last}, {"score", ir.All}} {
		rows := make([]ir.Rows, len(b.p.Stages))
		rows[head] = e.want
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
	layers int // of that stage if it is made of layers, else 0
	asked  []models.WeightSpec
	cache  *ir.State // the shared one
	err    error
}

// stage appends a stage whose result body gives.
func (b *builder) stage(name string, repeat int, body func() *ir.Value) {
	b.f, b.layers = &ir.Func{Name: name}, 0
	if name == "self" || name == "cross" {
		b.layers = repeat
	}
	b.f.Result = body()
	b.p.Stages = append(b.p.Stages, &ir.Stage{Name: name, Func: b.f, Repeat: repeat})
}

func (b *builder) state(s *ir.State) *ir.State {
	b.p.States = append(b.p.States, s)
	return s
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
		Name: string(role), Type: ir.Of(b.asked[i].Shape...), Layers: b.layers, Pos: b.asked[i].Pos,
		Pack: ir.Pack{Sources: []ir.Source{{Role: string(role), Scale: 1}}},
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

func (b *builder) param(path string) *ir.Value {
	return b.f.AddParam(ir.Of(b.spec.Dim), b.spec.Pos(path))
}

// norm is RMSNorm with a gain.
func (b *builder) norm(x *ir.Value, role models.Role) *ir.Value {
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

// heads gives a flat row its heads.
func (b *builder) heads(x *ir.Value, path string, n int) *ir.Value {
	return b.op(ir.Reshape, path, ir.ReshapeAttr{Shape: []int{n, x.Type.Size() / n}}, x)
}

func (b *builder) rope(x *ir.Value, r models.Rope, path string) *ir.Value {
	attr := ir.RopeAttr{Theta: r.Theta, Freq: string(r.Freq), Pairing: string(r.Pairing)}
	return b.op(ir.Rope, path, ir.RotateAttr{Rope: attr}, x)
}

// attentionScale is what q·k is multiplied by for heads of d elements.
func attentionScale(d int) float64 { return 1 / math.Sqrt(float64(d)) }

// embed is √D · embed[token].
func (b *builder) embed() *ir.Value {
	x := b.weighted(ir.Embed, "embed")
	return b.op(ir.Scale, "dim", ir.ScaleAttr{By: math.Sqrt(float64(b.spec.Dim))}, x)
}

// self is one layer of the self-decoder: x += mixer(norm(x)); x += FFN(norm(x)).
func (b *builder) self(x *ir.Value) *ir.Value {
	n := b.norm(x, "self.norm")
	var y *ir.Value
	switch m := b.spec.Self.Mixer.(type) {
	case *models.GatedRetention:
		y = b.retention(n, m)
	case *models.SlidingWindow:
		y = b.window(n, m)
	default:
		b.err = fmt.Errorf("%s: no equations for the mixer %T", b.spec.Pos("self.mixer"), m)
		return x
	}
	x = b.op(ir.Add, "self.mixer", nil, b.linear(y, "self.o"), x)
	return b.ffn(x, "self")
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
	b.f.Add(ir.Share, nil, []*ir.Value{k, v}, nil, b.cache, b.spec.Pos("cache"))
	return x
}

// cross is one layer of the cross-decoder: x += Wo attend(rope(Wq norm(x))); x += FFN(norm(x)).
func (b *builder) cross(x *ir.Value) *ir.Value {
	c, hd := b.spec.Cross, b.spec.Dim/b.spec.Cross.Heads
	n := b.norm(x, "cross.norm")
	q := b.heads(b.affine(n, "cross.q", c.Bias), "cross.heads", c.Heads)
	if c.QNorm {
		const eps = 1e-5 // whatever norm_eps is
		q = b.op(ir.RMSNorm, "cross.q_norm", ir.RMSNormAttr{Eps: eps}, q)
		q = b.weighted(ir.Gain, "cross.q.norm", q)
	}
	q = b.rope(q, b.spec.Cache.Rope, "cache.rope")
	o := b.f.Add(ir.Attend, ir.AttendAttr{Scale: attentionScale(hd)}, []*ir.Value{q}, nil, b.cache, b.spec.Pos("cross.heads"))
	x = b.op(ir.Add, "cross", nil, b.linear(o, "cross.o"), x)
	return b.ffn(x, "cross")
}

// head is the final norm and the output projection.
func (b *builder) head(x *ir.Value) *ir.Value {
	n := b.norm(x, "final.norm")
	if b.spec.TieEmbeddings {
		return b.f.Add(ir.Linear, nil, []*ir.Value{n}, []*ir.Weight{b.weight("embed")}, nil, b.spec.Pos("tie_embeddings"))
	}
	return b.linear(n, "head")
}
