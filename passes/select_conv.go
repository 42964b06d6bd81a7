package passes

import (
	"fmt"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

func init() {
	selectors[ir.ShortConv] = (*planner).shortConv
	selectors[ir.SiLU] = (*planner).activate
	layouts[ir.ShortConv] = func(b *planner, v *ir.Value) plan.State {
		return plan.State{Type: "ConvState", Object: b.convSpec(v)}
	}
}

// convSpec is the object of a convolution, which lays its state out too.
func (b *planner) convSpec(v *ir.Value) string {
	part := v.State.Parts[0]
	return b.spec("conv", "ConvSpec",
		plan.Field{Name: "Name", Value: part.Name}, plan.Field{Name: "Channels", Value: part.Type.Shape[1]},
		plan.Field{Name: "Taps", Value: part.Type.Shape[0] + 1}, plan.Field{Name: "SiLU", Value: ir.AttrOf[ir.ShortConvAttr](v).SiLU})
}

func (b *planner) shortConv(_ *ir.Func, v *ir.Value) error {
	attr, w := ir.AttrOf[ir.ShortConvAttr](v), v.Weights[0]
	taps := plan.WeightArg(b.weight(w, plan.Vector, 0))
	x := b.arg(v, 0)
	bias, equation := plan.WeightArg(""), fmt.Sprintf("p.%s ∗ %s from column %d, over %d tokens", b.field(w.Name), x.Slot, x.Col, v.State.Parts[0].Type.Shape[0]+1)
	if attr.Bias {
		bias = plan.WeightArg(b.weight(v.Weights[1], plan.Vector, 0))
		equation += " + p." + b.field(v.Weights[1].Name)
	}
	if attr.SiLU {
		equation = "silu(" + equation + ")"
	}
	dst := b.slot(v, b.field(w.Name), v.Type.Size())
	b.step(v, plan.ShortConv, dst.Slot+" = "+equation,
		plan.ObjectArg(b.convSpec(v)), dst, x, taps, bias, b.state(v), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

// activate is silu of a value that no matrix has in its epilogue.
func (b *planner) activate(_ *ir.Func, v *ir.Value) error {
	x := b.arg(v, 0)
	dst := b.slot(v, "active", v.Type.Size())
	b.step(v, plan.Activate, fmt.Sprintf("%s = silu(%s)", dst.Slot, x.Slot), dst, x, plan.IntArg(v.Type.Size()), plan.NameArg("rows"))
	return nil
}
