package build

import (
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// l2Eps is what flash-linear-attention adds to the squared length of a query or key.
const l2Eps = 1e-6

// deltaNet is the gated delta net of Yang et al. 2024 (arXiv 2412.06464):
//
//	q, k, v = silu(conv(Wq x)), silu(conv(Wk x)), silu(conv(Wv x)), or without conv
//	q = q/|q|/√dk, k = k/|k|;  β = sigmoid(Wβ x), twice that with negative eigenvalues
//	a = -exp(rate) softplus(Wα x + bias);  S = exp(a) S;  S = S + β kᵀ (v - k S);  o = q S
//	y = Wo (rmsnorm(o) ∘ norm ∘ silu(Wg x)), the norm over each head, or without the gate
func (b *builder) deltaNet(x *ir.Value, m *models.GatedDeltaNet) *ir.Value {
	q, k, v := b.shortConv(x, m, "q"), b.shortConv(x, m, "k"), b.shortConv(x, m, "v")
	attr := ir.DeltaAttr{Scale: attentionScale(m.HeadDim), Beta: 1, L2Eps: l2Eps, Eps: b.spec.NormEps, Gate: m.UseGate}
	if m.AllowNegEigen {
		attr.Beta = 2
	}
	args := []*ir.Value{q, k, v, b.linear(x, b.role("alpha")), b.linear(x, b.role("beta"))}
	if m.UseGate {
		args = append(args, b.linear(x, b.role("g")))
	}
	s := b.layered(&ir.State{
		Name: "delta", Kind: ir.Carry,
		Parts: []ir.Part{{Name: "S", Type: ir.Of(m.ValueHeads, m.HeadDim, m.ValueDim())}},
	})
	weights := []*ir.Weight{b.weight(b.role("rate")), b.weight(b.role("alpha.bias")), b.weight(b.role("o.norm"))}
	o := b.f.Add(ir.Delta, attr, args, weights, s, b.spec.Pos(b.key("")))
	return b.linear(o, b.role("o"))
}

// shortConv is silu of a projection, convolved along the tokens if the mixer does that.
func (b *builder) shortConv(x *ir.Value, m *models.GatedDeltaNet, name string) *ir.Value {
	y := b.linear(x, b.role(name))
	if !m.UseShortConv {
		return b.op(ir.SiLU, b.key("use_short_conv"), nil, y)
	}
	s := b.layered(&ir.State{
		Name: "conv." + name, Kind: ir.Carry,
		Parts: []ir.Part{{Name: "conv_" + name, Type: ir.Of(m.ConvSize-1, y.Type.Size())}},
	})
	w := b.weight(b.role(name + ".conv"))
	return b.f.Add(ir.ShortConv, ir.ShortConvAttr{SiLU: true}, []*ir.Value{y}, []*ir.Weight{w}, s, w.Pos)
}
