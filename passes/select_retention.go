package passes

import (
	"fmt"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

func init() {
	selectors[ir.Retain] = (*planner).retain
	layouts[ir.Retain] = func(b *planner, v *ir.Value) plan.State {
		return plan.State{Type: "Retention", Object: b.retainSpec(v)}
	}
}

// retainSpec is the object of a retention, which lays its state out too.
func (b *planner) retainSpec(v *ir.Value) string {
	attr, shape := ir.AttrOf[ir.RetainAttr](v), v.State.Parts[0].Type.Shape
	return b.spec("retain", "RetainSpec",
		plan.Field{Name: "Heads", Value: shape[0]}, plan.Field{Name: "Dim", Value: shape[1]},
		plan.Field{Name: "Normalizer", Value: attr.Normalizer}, plan.Field{Name: "KScale", Value: orOne(attr.KScale)},
		plan.Field{Name: "Eps", Value: attr.Eps}, plan.Field{Name: "Rope", Value: plan.Ref(b.rope(attr.Rope, shape[1]))})
}

func (b *planner) retain(_ *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.RetainAttr](v)
	if attr.Normalizer == 0 || !attr.Gate {
		return fmt.Errorf("the routine takes raw decays and gates; pass fuse-heads puts that into it")
	}
	shape := v.State.Parts[0].Type.Shape
	if shape[1] != shape[2] {
		return fmt.Errorf("keys of %d and values of %d elements, want equal sizes", shape[1], shape[2])
	}
	spec, rope := b.retainSpec(v), b.rope(attr.Rope, shape[1])
	q, k, val, a, g := b.arg(v, 0), b.arg(v, 1), b.arg(v, 2), b.arg(v, 3), b.arg(v, 4)
	dst := b.slot(v, "mixed", shape[0]*shape[1])
	b.step(v, plan.Retain, fmt.Sprintf("%s = silu(g) ∘ rmsnorm(q · S), S = exp(logsigmoid(decay)/%g) S + %skᵀ v%s", dst.Slot, attr.Normalizer, factor(orOne(attr.KScale)), rotated(rope, "q and k")),
		plan.ObjectArg(spec), dst, q, k, val, g, a, b.state(v), plan.PhasesArg(rope), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

// orOne is a factor, whose zero means that there is none.
func orOne(x float64) float64 {
	if x == 0 {
		return 1
	}
	return x
}
