package build

import (
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// mamba is Mamba-1 (Gu and Dao 2023, arXiv 2312.00752):
//
//	[u z] = Win x;  v = silu(conv(u) + bc);  [r B C] = Wx v;  d = softplus(Wd r + bd)
//	S = exp(d A) S + (d v) Bᵀ;  m = S C + D ∘ v;  y = Wo (silu(z) ∘ m)
//
// with A = -exp(rates), as the checkpoint has them. m is the memory that gated memory units read.
func (b *builder) mamba(x *ir.Value, m *models.Mamba) *ir.Value {
	inner, rank := m.Inner(b.spec.Dim), m.StepRank(b.spec.Dim)
	expand, conv, states := b.key("expand"), b.key("conv"), b.key("states")
	tail := b.layered(&ir.State{Name: "conv", Kind: ir.Carry, Parts: []ir.Part{{Name: "conv", Type: ir.Of(m.Conv-1, inner)}}})
	ssm := b.layered(&ir.State{Name: "ssm", Kind: ir.Carry, Parts: []ir.Part{{Name: "ssm", Type: ir.Of(inner, m.States)}}})

	uz := b.linear(x, b.role("in"))
	u, z := b.part(uz, expand, 0, inner), b.part(uz, expand, inner, inner)
	kernel := []*ir.Weight{b.weight(b.role("conv")), b.weight(b.role("conv.bias"))}
	v := b.f.Add(ir.ShortConv, ir.ShortConvAttr{Bias: true, SiLU: true}, []*ir.Value{u}, kernel, tail, b.spec.Pos(conv))
	rbc := b.linear(v, b.role("x"))
	d := b.op(ir.Softplus, b.key("rank"), nil, b.affine(b.part(rbc, states, 0, rank), b.role("dt"), true))
	in, out := b.part(rbc, states, rank, m.States), b.part(rbc, states, rank+m.States, m.States)
	rates := b.weight(b.role("rates"))
	rates.Pack.Sources[0].NegExp = true
	y := b.f.Add(ir.Scan, nil, []*ir.Value{v, d, in, out}, []*ir.Weight{rates, b.weight(b.role("skip"))}, ssm, b.spec.Pos(states))
	if source, ok := b.spec.Memory(); ok && source.Prefix == b.place.Prefix {
		b.memory = y
	}
	return b.linear(b.op(ir.Mul, expand, nil, b.op(ir.SiLU, expand, nil, z), y), b.role("o"))
}

// part is n elements of x from one on.
func (b *builder) part(x *ir.Value, path string, from, n int) *ir.Value {
	return b.op(ir.Slice, path, ir.SliceAttr{From: from, Shape: []int{n}}, x)
}

// gatedMemory is y = Wo (silu(Win x) ∘ m), m being the memory of the same token (SambaY, arXiv 2507.06607).
func (b *builder) gatedMemory(x *ir.Value) *ir.Value {
	gate := b.op(ir.SiLU, b.key(""), nil, b.linear(x, b.role("in")))
	return b.linear(b.op(ir.Mul, b.key(""), nil, gate, b.memory), b.role("o"))
}
