package passes

import (
	"fmt"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

func init() {
	selectors[ir.Delta] = (*planner).delta
	layouts[ir.Delta] = func(b *planner, v *ir.Value) plan.State {
		return plan.State{Type: "DeltaState", Object: b.deltaSpec(v)}
	}
}

// deltaSpec is the object of a delta rule, which lays its state out too.
func (b *planner) deltaSpec(v *ir.Value) string {
	attr, shape := ir.AttrOf[ir.DeltaAttr](v), v.State.Parts[0].Type.Shape
	return b.spec("deltaRule", "DeltaSpec",
		plan.Field{Name: "Heads", Value: v.Args[0].Type.Size() / shape[1]}, plan.Field{Name: "ValueHeads", Value: shape[0]},
		plan.Field{Name: "Dim", Value: shape[1]}, plan.Field{Name: "ValueDim", Value: shape[2]},
		plan.Field{Name: "Scale", Value: attr.Scale}, plan.Field{Name: "Beta", Value: attr.Beta},
		plan.Field{Name: "L2Eps", Value: attr.L2Eps}, plan.Field{Name: "Eps", Value: attr.Eps})
}

func (b *planner) delta(_ *ir.Func, v *ir.Value) error {
	attr, shape := ir.AttrOf[ir.DeltaAttr](v), v.State.Parts[0].Type.Shape
	spec := plan.ObjectArg(b.deltaSpec(v))
	dst := b.slot(v, "mixed", shape[0]*shape[2])
	operands := []plan.Operand{spec, dst}
	for i := range v.Args {
		operands = append(operands, b.arg(v, i))
	}
	var fields []any
	for _, w := range v.Weights {
		operands = append(operands, plan.WeightArg(b.weight(w, plan.Vector, 0)))
		fields = append(fields, b.field(w.Name))
	}
	operands = append(operands, b.state(v), plan.NameArg("pos"), plan.NameArg("rows"))
	routine, gate := plan.Delta, ""
	if attr.Gate {
		routine, gate = plan.DeltaGated, "silu(g) ∘ "
	}
	equation := fmt.Sprintf("%srmsnorm(q · S) ∘ p.%s, S = exp(a) S + β kᵀ (v - k exp(a) S), a = -exp(p.%s) softplus(α + p.%s)", gate, fields[2], fields[0], fields[1])
	b.step(v, routine, dst.Slot+" = "+equation, operands...)
	return nil
}
