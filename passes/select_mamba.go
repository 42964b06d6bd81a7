package passes

import (
	"fmt"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

func init() {
	selectors[ir.Scan] = (*planner).scan
	selectors[ir.SwiGLU] = (*planner).gate
	selectors[ir.LayerNorm] = (*planner).layerNorm
	layouts[ir.Scan] = func(b *planner, v *ir.Value) plan.State {
		return plan.State{Type: "Scanned", Object: b.scanSpec(v)}
	}
}

// scanSpec is the object of a selective scan, which lays its state out too.
func (b *planner) scanSpec(v *ir.Value) string {
	shape := v.State.Parts[0].Type.Shape
	return b.spec("selectiveScan", "ScanSpec", plan.Field{Name: "Channels", Value: shape[0]}, plan.Field{Name: "States", Value: shape[1]})
}

func (b *planner) scan(_ *ir.Func, v *ir.Value) error {
	if !ir.AttrOf[ir.ScanAttr](v).Softplus {
		return fmt.Errorf("the routine takes raw steps; pass fuse-heads puts softplus into it")
	}
	rates, skip := b.weight(v.Weights[0], plan.Vector, 0), b.weight(v.Weights[1], plan.Vector, 0)
	x, d, in, out := b.arg(v, 0), b.arg(v, 1), b.arg(v, 2), b.arg(v, 3)
	dst := b.slot(v, "scanned", v.Type.Size())
	b.step(v, plan.SelectiveScan, fmt.Sprintf("%s = S c + p.%s ∘ v, S = exp(d p.%s) S + (d v) bᵀ, d = softplus(%s), v in %s", placed(dst), b.field(v.Weights[1].Name), b.field(v.Weights[0].Name), d.Slot, x.Slot),
		plan.ObjectArg(b.scanSpec(v)), dst, x, d, in, out, plan.WeightArg(rates), plan.WeightArg(skip), b.state(v), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

// gate is a value gated by another, where neither is of one matrix with the other.
func (b *planner) gate(_ *ir.Func, v *ir.Value) error {
	g, x := b.arg(v, 0), b.arg(v, 1)
	dst := b.slot(v, "gated", v.Type.Size())
	b.step(v, plan.Gate, fmt.Sprintf("%s = silu(%s) ∘ %s", dst.Slot, placed(g), placed(x)), dst, g, x, plan.IntArg(v.Type.Size()), plan.NameArg("rows"))
	return nil
}

func (b *planner) layerNorm(_ *ir.Func, v *ir.Value) error {
	gain, shift := b.weight(v.Weights[0], plan.Vector, 0), b.weight(v.Weights[1], plan.Vector, 0)
	x := b.arg(v, 0)
	dst := b.slot(v, "centered", v.Type.Size())
	b.step(v, plan.NormRows, fmt.Sprintf("%s = layernorm(%s) ∘ p.%s + p.%s", dst.Slot, placed(x), b.field(v.Weights[0].Name), b.field(v.Weights[1].Name)),
		dst, x, plan.WeightArg(gain), plan.WeightArg(shift), plan.FloatArg(ir.AttrOf[ir.LayerNormAttr](v).Eps), plan.NameArg("rows"))
	return nil
}

// placed names a place for readers: the slot, and the column from which on it is meant.
func placed(at plan.SlotArg) string {
	if at.Col == 0 {
		return at.Slot
	}
	return fmt.Sprintf("%s[%d:]", at.Slot, at.Col)
}
