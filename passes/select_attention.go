package passes

import (
	"fmt"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

func init() {
	selectors[ir.AttendWindow] = (*planner).attendWindow
	selectors[ir.Share] = (*planner).share
	selectors[ir.Attend] = (*planner).attend
	// A window is kept in float32, a cache that grows in the target's format.
	layouts[ir.AttendWindow] = func(b *planner, v *ir.Value) plan.State {
		return b.cacheLayout(v, ir.F32)
	}
	layouts[ir.Share] = func(b *planner, v *ir.Value) plan.State {
		return b.cacheLayout(v, b.target.KV)
	}
}

// cacheLayout makes the object that lays out a cache of keys and values.
func (b *planner) cacheLayout(v *ir.Value, format ir.Elem) plan.State {
	s := v.State
	shape := s.Parts[0].Type.Shape
	fields := []plan.Field{
		{Name: "KVHeads", Value: shape[0]},
		{Name: "Dim", Value: shape[1]},
		{Name: "Format", Value: format},
	}
	if s.Kind == ir.Ring {
		fields = append(fields, plan.Field{Name: "Window", Value: s.Window})
	}
	name := b.unused(b.states[s] + "Layout")
	b.plan.Objects = append(b.plan.Objects, plan.Object{Name: name, Type: "CacheSpec", Fields: fields})
	return plan.State{Type: "Cache", Object: name}
}

func (b *planner) attendWindow(_ *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.WindowAttr](v)
	dim := v.State.Parts[0].Type.Shape[1]
	rope := b.rope(attr.Rope, dim)
	spec := b.attendSpec("attendWindow", v, attr.Scale, 0, rope)
	q, k, val := b.arg(v, 0), b.arg(v, 1), b.arg(v, 2)
	dst := b.slot(v, "mixed", v.Args[0].Type.Size())
	b.step(v, plan.AttendWindow, fmt.Sprintf("%s = softmax(%sq · kᵀ over the last %d tokens) v%s", dst.Slot, factor(attr.Scale), v.State.Window, rotated(rope, "q and k")),
		spec, dst, q, k, val, b.state(v), plan.PhasesArg(rope), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

func (b *planner) share(_ *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.ShareAttr](v)
	rope := b.rope(attr.Rope, v.State.Parts[0].Type.Shape[1])
	k, val := b.arg(v, 0), b.arg(v, 1)
	b.step(v, plan.Append, fmt.Sprintf("%s += k, v%s", b.states[v.State], rotated(rope, "k")), plan.ObjectArg(b.layoutOf(v)), b.state(v), k, val,
		plan.ObjectArg(rope), plan.PhasesArg(rope), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

func (b *planner) attend(_ *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.AttendAttr](v)
	rope := b.rope(attr.Rope, v.State.Parts[0].Type.Shape[1])
	gain, norm := plan.WeightArg(""), "q"
	if attr.QNorm != 0 {
		gain = plan.WeightArg(b.weight(v.Weights[0], plan.Vector, 0))
		norm = "(rmsnorm(q) ∘ p." + b.field(v.Weights[0].Name) + ")"
	}
	over := "the shared cache"
	if v.State.Kind != ir.Shared {
		over = b.states[v.State]
	}
	spec := b.attendSpec("attend", v, attr.Scale, attr.QNorm, rope)
	q := b.arg(v, 0)
	dst := b.slot(v, "mixed", v.Args[0].Type.Size())
	b.step(v, plan.Attend, fmt.Sprintf("%s = softmax(%s%s · Kᵀ) V over %s%s", dst.Slot, factor(attr.Scale), norm, over, rotated(rope, "q")),
		spec, dst, q, gain, b.state(v), plan.PhasesArg(rope), plan.NameArg("partial"), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

// attendSpec is the object of an attention to a window or to a cache that grows.
func (b *planner) attendSpec(name string, v *ir.Value, scale, qnorm float64, rope string) plan.ObjectArg {
	kv, dim := v.State.Parts[0].Type.Shape[0], v.State.Parts[0].Type.Shape[1]
	return plan.ObjectArg(b.spec(name, "AttendSpec",
		plan.Field{Name: "Heads", Value: v.Args[0].Type.Size() / dim}, plan.Field{Name: "KVHeads", Value: kv}, plan.Field{Name: "Dim", Value: dim},
		plan.Field{Name: "Scale", Value: scale}, plan.Field{Name: "Window", Value: v.State.Window}, plan.Field{Name: "QNormEps", Value: qnorm},
		plan.Field{Name: "Rope", Value: plan.Ref(rope)}, plan.Field{Name: "Cache", Value: plan.Ref(b.layoutOf(v))}))
}
