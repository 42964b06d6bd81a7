package build

import (
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// ffn is x + Wd (silu(Wg norm(x)) ∘ Wu norm(x)), a SwiGLU network whose roles start with half.
func (b *builder) ffn(x *ir.Value, half models.Role) *ir.Value {
	role, at := half+".ffn", string(half)+".ffn"
	n := b.norm(x, role+".norm")
	gate := b.op(ir.SiLU, at, nil, b.linear(n, role+".gate"))
	up := b.linear(n, role+".up")
	down := b.linear(b.op(ir.Mul, at, nil, gate, up), role+".down")
	return b.op(ir.Add, at, nil, down, x)
}
