package passes

import (
	"fmt"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

func init() {
	selectors[ir.Stripe] = (*planner).stripe
	selectors[ir.Differ] = (*planner).differ
}

func (b *planner) stripe(_ *ir.Func, v *ir.Value) error {
	places, shape := ir.AttrOf[ir.StripeAttr](v).Places, v.Args[0].Type.Shape
	spec := b.object("stripe", "StripeSpec",
		plan.Field{Name: "Heads", Value: shape[0]}, plan.Field{Name: "Dim", Value: shape[1]}, plan.Field{Name: "Places", Value: places})
	x := b.arg(v, 0)
	dst := b.slot(v, "striped", v.Type.Size())
	b.step(v, plan.Stripe, fmt.Sprintf("%s = q, head h at place h mod %d, zero elsewhere, q in %s", dst.Slot, places, placed(x)), plan.ObjectArg(spec), dst, x, plan.NameArg("rows"))
	return nil
}

func (b *planner) differ(_ *ir.Func, v *ir.Value) error {
	attr, shape := ir.AttrOf[ir.DifferAttr](v), v.Args[0].Type.Shape
	spec := b.object("pairs", "DifferSpec",
		plan.Field{Name: "Heads", Value: shape[0]}, plan.Field{Name: "Dim", Value: shape[1]}, plan.Field{Name: "Eps", Value: attr.Eps})
	x := b.arg(v, 0)
	dst := b.slot(v, "differed", v.Type.Size())
	operands := []plan.Operand{plan.ObjectArg(spec), dst, x}
	var fields []string
	for _, w := range v.Weights {
		operands = append(operands, plan.WeightArg(b.weight(w, plan.Vector, 0)))
		fields = append(fields, b.field(w.Name))
	}
	equation := fmt.Sprintf("%s = rmsnorm(even heads - λ odd heads) ∘ p.%s · (1 - λinit), λ = exp(p.%s · p.%s) - exp(p.%s · p.%s) + λinit, heads in %s",
		dst.Slot, fields[4], fields[0], fields[1], fields[2], fields[3], x.Slot)
	b.step(v, plan.Differ, equation, append(operands, plan.LayerArg{First: attr.Depth, Step: attr.Step}, plan.NameArg("rows"))...)
	return nil
}
