package build

import "github.com/yococ/yococ/ir"

// ffn is x + Wd (silu(Wg norm(x)) ∘ Wu norm(x)), a SwiGLU network.
func (b *builder) ffn(x *ir.Value) *ir.Value {
	at := b.place.At + ".ffn"
	n := b.norm(x, b.role("ffn.norm"))
	gate := b.op(ir.SiLU, at, nil, b.linear(n, b.role("ffn.gate")))
	up := b.linear(n, b.role("ffn.up"))
	down := b.linear(b.op(ir.Mul, at, nil, gate, up), b.role("ffn.down"))
	return b.op(ir.Add, at, nil, down, x)
}
