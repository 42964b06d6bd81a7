package passes

import (
	"fmt"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// object appends an object and returns its address.
func (b *planner) object(name, typ string, fields ...plan.Field) plan.ObjectArg {
	b.plan.Objects = append(b.plan.Objects, plan.Object{Name: name, Type: typ, Fields: fields})
	if typ == "RetainSpec" || typ == "AttendSpec" {
		b.plan.Scratch.Objects = append(b.plan.Scratch.Objects, plan.Ref(name))
	}
	return plan.ObjectArg(name)
}

// retain, attendWindow, share and attend are the selectors of the operations that have a state.

func (b *planner) retain(_ *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.RetainAttr](v)
	if attr.Rope == (ir.RopeAttr{}) || attr.Normalizer == 0 || !attr.Gate {
		return fmt.Errorf("the routine rotates, takes raw decays and gates; passes fuse-rope and fuse-heads put that into it")
	}
	shape := v.State.Parts[0].Type.Shape
	heads, dim := shape[0], shape[1]
	if shape[2] != dim {
		return fmt.Errorf("keys of %d and values of %d elements, want equal sizes", dim, shape[2])
	}
	kScale := attr.KScale
	if kScale == 0 {
		kScale = 1
	}
	rope := b.ropeObject(attr.Rope, dim)
	spec := b.object("retain", "RetainSpec",
		plan.Field{Name: "Heads", Value: heads}, plan.Field{Name: "Dim", Value: dim},
		plan.Field{Name: "Normalizer", Value: attr.Normalizer}, plan.Field{Name: "KScale", Value: kScale},
		plan.Field{Name: "Eps", Value: attr.Eps}, plan.Field{Name: "Rope", Value: plan.Ref(rope)})
	q, k, val, a, g := b.arg(v, 0), b.arg(v, 1), b.arg(v, 2), b.arg(v, 3), b.arg(v, 4)
	dst := b.slot(v, "mixed", heads*dim)
	b.step(v, plan.Retain, fmt.Sprintf("%s = silu(g) ∘ rmsnorm(q · S), S = exp(logsigmoid(decay)/%g) S + %skᵀ v, q and k rotated", dst.Slot, attr.Normalizer, factor(kScale)),
		spec, dst, q, k, val, g, a, plan.StateArg(retentionName), plan.PhasesArg(rope), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

func (b *planner) attendWindow(_ *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.WindowAttr](v)
	if attr.Rope == (ir.RopeAttr{}) {
		return fmt.Errorf("the routine rotates; pass fuse-rope puts that into it")
	}
	kv, dim := v.State.Parts[0].Type.Shape[0], v.State.Parts[0].Type.Shape[1]
	heads := v.Args[0].Type.Size() / dim
	rope := b.ropeObject(attr.Rope, dim)
	spec := b.attendSpec("attendWindow", heads, kv, dim, attr.Scale, v.State.Window, 0, rope, ringName)
	q, k, val := b.arg(v, 0), b.arg(v, 1), b.arg(v, 2)
	dst := b.slot(v, "mixed", heads*dim)
	b.step(v, plan.AttendWindow, fmt.Sprintf("%s = softmax(%sq · kᵀ over the last %d tokens) v, q and k rotated", dst.Slot, factor(attr.Scale), v.State.Window),
		spec, dst, q, k, val, plan.StateArg(ringName), plan.PhasesArg(rope), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

func (b *planner) share(_ *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.ShareAttr](v)
	if attr.Rope == (ir.RopeAttr{}) {
		return fmt.Errorf("the routine rotates; pass fuse-rope puts that into it")
	}
	rope := b.ropeObject(attr.Rope, v.State.Parts[0].Type.Shape[1])
	k, val := b.arg(v, 0), b.arg(v, 1)
	b.step(v, plan.Append, "cache += k, v, k rotated", plan.ObjectArg(cacheName+layoutSuffix), plan.StateArg(cacheName), k, val,
		plan.ObjectArg(rope), plan.PhasesArg(rope), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

func (b *planner) attend(_ *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.AttendAttr](v)
	if attr.Rope == (ir.RopeAttr{}) {
		return fmt.Errorf("the routine rotates; pass fuse-rope puts that into it")
	}
	kv, dim := v.State.Parts[0].Type.Shape[0], v.State.Parts[0].Type.Shape[1]
	heads := v.Args[0].Type.Size() / dim
	rope := b.ropeObject(attr.Rope, dim)
	gain, norm := plan.WeightArg(""), "q"
	if attr.QNorm != 0 {
		gain = plan.WeightArg(b.weight(v.Weights[0], plan.Vector, 0))
		norm = "(rmsnorm(q) ∘ p." + b.field(v.Weights[0].Name) + ")"
	}
	spec := b.attendSpec("attend", heads, kv, dim, attr.Scale, 0, attr.QNorm, rope, cacheName)
	q := b.arg(v, 0)
	dst := b.slot(v, "mixed", heads*dim)
	b.step(v, plan.Attend, fmt.Sprintf("%s = softmax(%s%s · Kᵀ) V over the shared cache, q rotated", dst.Slot, factor(attr.Scale), norm),
		spec, dst, q, gain, plan.StateArg(cacheName), plan.PhasesArg(rope), plan.NameArg("partial"), plan.NameArg("pos"), plan.NameArg("rows"))
	return nil
}

// attendSpec makes the object of an attention to a window or to the shared cache.
func (b *planner) attendSpec(name string, heads, kv, dim int, scale float64, window int, qnorm float64, rope, cache string) plan.ObjectArg {
	return b.object(name, "AttendSpec",
		plan.Field{Name: "Heads", Value: heads}, plan.Field{Name: "KVHeads", Value: kv}, plan.Field{Name: "Dim", Value: dim},
		plan.Field{Name: "Scale", Value: scale}, plan.Field{Name: "Window", Value: window}, plan.Field{Name: "QNormEps", Value: qnorm},
		plan.Field{Name: "Rope", Value: plan.Ref(rope)}, plan.Field{Name: "Cache", Value: plan.Ref(cache + layoutSuffix)})
}
