package build

import (
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// retention is gated retention, section 3.2 of the paper:
//
//	q = rope(Wq x), k = rope(Wk x)/√hd, v = Wv x, a = logsigmoid(Wγ x)/normalizer
//	S = exp(a) S + kᵀ v;  o = q S
//	y = Wo (silu(Wg x) ∘ rmsnorm(o)), the norm over each head
func (b *builder) retention(x *ir.Value, m *models.GatedRetention) *ir.Value {
	at, heads, rope, gate := b.key(""), b.key("heads"), b.key("rope"), b.key("gate_normalizer")
	hd := m.Width(b.spec.Dim)
	s := b.layered(&ir.State{
		Name: "retention", Kind: ir.Carry,
		Parts: []ir.Part{{Name: "S", Type: ir.Of(m.Heads, hd, hd)}},
	})

	q := b.rope(b.heads(b.linear(x, b.role("q")), heads, m.Heads), &m.Rope, rope)
	k := b.rope(b.heads(b.linear(x, b.role("k")), heads, m.Heads), &m.Rope, rope)
	k = b.op(ir.Scale, heads, ir.ScaleAttr{By: attentionScale(hd)}, k)
	v := b.heads(b.linear(x, b.role("v")), heads, m.Heads)
	a := b.op(ir.LogSigmoid, gate, nil, b.linear(x, b.role("decay")))
	a = b.op(ir.Scale, gate, ir.ScaleAttr{By: 1 / m.GateNormalizer}, a)
	o := b.f.Add(ir.Retain, nil, []*ir.Value{q, k, v, a}, nil, s, b.spec.Pos(at))

	o = b.op(ir.RMSNorm, "norm_eps", ir.RMSNormAttr{Eps: b.spec.NormEps}, o)
	g := b.op(ir.SiLU, at, nil, b.heads(b.linear(x, b.role("g")), heads, m.Heads))
	return b.linear(b.op(ir.Mul, at, nil, g, o), b.role("o"))
}
