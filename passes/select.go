package passes

import (
	"fmt"
	"strings"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// A selector turns a value of one op into a step, or into a view of another value's place.
type selector func(*planner, *ir.Func, *ir.Value) error

// selectors has a row an op. An op that is missing here is only the inside of a fused one.
var selectors map[*ir.Op]selector

func init() { // not a literal: the rows refer to methods that refer to the table
	selectors = map[*ir.Op]selector{
		ir.Param:        (*planner).param,
		ir.Embed:        (*planner).embed,
		ir.Slice:        (*planner).view,
		ir.Reshape:      (*planner).view,
		ir.Project:      (*planner).project,
		ir.Retain:       (*planner).retain,
		ir.AttendWindow: (*planner).attendWindow,
		ir.Share:        (*planner).share,
		ir.Attend:       (*planner).attend,
	}
}

// residual is the slot of the residual stream.
const residual = "x"

// selectRoutines makes a stage of the plan: a step for every value that needs one.
func (b *planner) selectRoutines(s *ir.Stage) error {
	b.plan.Stages = append(b.plan.Stages, plan.Stage{Name: s.Name, Repeat: s.Repeat})
	b.stage = &b.plan.Stages[len(b.plan.Stages)-1]
	b.where = map[*ir.Value]place_{}
	if b.plan.Residual == "" {
		b.plan.Residual = residual
		b.plan.Slots = append(b.plan.Slots, plan.Slot{Name: residual, Width: b.plan.Dim, Stride: plan.Stride(b.plan.Dim), From: -1, To: -1, Value: ir.Of(b.plan.Dim).String()})
	}
	for _, v := range s.Func.Values {
		sel := selectors[v.Op]
		if sel == nil {
			return fmt.Errorf("%v %s: no routine computes it by itself; the passes fuse it into another operation", v.ID, v.Op.Name)
		}
		if err := sel(b, s.Func, v); err != nil {
			return fmt.Errorf("%v %s: %w", v.ID, v.Op.Name, err)
		}
	}
	if r := s.Func.Result; s.Name != "head" && b.where[r] != (place_{residual, 0}) {
		return fmt.Errorf("result %v is in %s, want the residual stream", r.ID, b.where[r].slot)
	}
	b.stage.Doc = b.stageDoc()
	return nil
}

// stageDoc lists a stage's equations.
func (b *planner) stageDoc() string {
	var d strings.Builder
	d.WriteString("computes, for every row,\n\n")
	for _, st := range b.stage.Steps {
		d.WriteString("\t" + st.Equation + "\n")
	}
	return d.String()
}

// step appends a step that computes v into its place.
func (b *planner) step(v *ir.Value, r *plan.Routine, equation string, operands ...plan.Operand) {
	value := v.ID.String()
	if len(v.Type.Shape) > 0 {
		value += ":" + v.Type.String()
	}
	if v.State != nil {
		value += "  " + v.Op.Effect.String() + " $" + v.State.Name
	}
	b.stage.Steps = append(b.stage.Steps, plan.Step{Routine: r, Operands: operands, Value: value, Equation: equation})
}

// slot gives v a slot of its own. A name that another stage has takes the stage's in front.
func (b *planner) slot(v *ir.Value, name string, width int) plan.SlotArg {
	for i := range b.plan.Slots {
		if b.plan.Slots[i].Name == name {
			name = camel(b.stage.Name, name)
			break
		}
	}
	b.plan.Slots = append(b.plan.Slots, plan.Slot{Name: name, Stage: b.stage.Name, Width: width, Stride: plan.Stride(width), Value: v.Type.String()})
	b.where[v] = place_{name, 0}
	return plan.SlotArg{Slot: name}
}

// arg is where an argument is.
func (b *planner) arg(v *ir.Value, i int) plan.SlotArg {
	at := b.where[v.Args[i]]
	return plan.SlotArg{Slot: at.slot, Col: at.col}
}

func (b *planner) param(_ *ir.Func, v *ir.Value) error {
	b.where[v] = place_{residual, 0}
	return nil
}

// view places v inside its argument: an operation that only renames elements costs nothing.
func (b *planner) view(_ *ir.Func, v *ir.Value) error {
	at := b.where[v.Args[0]]
	if v.Op == ir.Slice {
		at.col += ir.AttrOf[ir.SliceAttr](v).From
	}
	b.where[v] = at
	return nil
}

func (b *planner) embed(f *ir.Func, v *ir.Value) error {
	if f.Result != v {
		return fmt.Errorf("something follows it; pass fold puts the scale into it")
	}
	scale := ir.AttrOf[ir.EmbedAttr](v).Scale
	if scale == 0 {
		scale = 1
	}
	b.where[v] = place_{residual, 0}
	b.step(v, plan.Embed, fmt.Sprintf("x = %s embed[token]", factor(scale)), plan.SlotArg{Slot: residual},
		plan.WeightArg(b.weight(v.Weights[0], plan.Table, 0)), plan.NameArg("tokens"), plan.FloatArg(scale))
	return nil
}

func factor(s float64) string {
	if s == 1 {
		return ""
	}
	return fmt.Sprintf("%.6g ·", s)
}

func (b *planner) project(f *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.ProjectAttr](v)
	half := 0
	if attr.Act == "swiglu" {
		half = v.Type.Size()
	}
	m := b.weight(v.Weights[0], plan.Matrix, half)
	field := "p." + b.field(v.Weights[0].Name)
	b.plan.Scratch.Inputs = max(b.plan.Scratch.Inputs, v.Weights[0].Type.Shape[1])

	at := b.arg(v, 0)
	in := plan.InputArg{Slot: at.Slot, Col: at.Col, Eps: attr.Eps}
	x := at.Slot
	if attr.Eps > 0 {
		x = "rmsnorm(" + x + ")"
		in.Tmp = b.tmp(v.Args[0].Type.Size())
	}
	if attr.Gain {
		in.Gain = b.weight(v.Weights[1], plan.Vector, 0)
		x += " ∘ p." + b.field(v.Weights[1].Name)
	}
	bias, plus := plan.WeightArg(""), ""
	if attr.Bias {
		w := v.Weights[len(v.Weights)-1]
		bias = plan.WeightArg(b.weight(w, plan.Vector, 0))
		plus = " + p." + b.field(w.Name)
	}
	rows := plan.NameArg("rows")
	switch {
	case attr.Act == "swiglu" && !attr.Residual && !attr.Bias:
		dst := b.slot(v, "hidden", (half+31)/32*32)
		b.step(v, plan.LinearSwiGLU, fmt.Sprintf("%s = silu(gate) ∘ up, with gate, up = %s · %s", dst.Slot, field, x), dst, in, plan.WeightArg(m), rows)
	case attr.Act != "":
		return fmt.Errorf("no routine has act=%s with bias=%v residual=%v", attr.Act, attr.Bias, attr.Residual)
	case attr.Residual:
		if f.Uses()[v.Args[1]] > uses(f, v.Args[1], v) {
			return fmt.Errorf("the residual %v is read again after it, so it cannot be added in place", v.Args[1].ID)
		}
		dst := b.where[v.Args[1]]
		b.where[v] = dst
		b.step(v, plan.LinearAdd, fmt.Sprintf("%s += %s · %s%s", dst.slot, field, x, plus), plan.SlotArg{Slot: dst.slot, Col: dst.col}, in, plan.WeightArg(m), bias, rows)
	case b.stage.Name == "head" && f.Result == v:
		b.where[v] = place_{plan.Logits, 0}
		b.step(v, plan.Linear, fmt.Sprintf("logits = %s · %s%s", field, x, plus), plan.SlotArg{Slot: plan.Logits}, in, plan.WeightArg(m), bias, rows)
	default:
		dst := b.slot(v, b.field(v.Weights[0].Name), v.Type.Size())
		b.step(v, plan.Linear, fmt.Sprintf("%s = %s · %s%s", dst.Slot, field, x, plus), dst, in, plan.WeightArg(m), bias, rows)
	}
	return nil
}

// uses counts how often v is used up to and including the value last.
func uses(f *ir.Func, v, last *ir.Value) int {
	n := 0
	for _, u := range f.Values {
		for _, a := range u.Args {
			if a == v {
				n++
			}
		}
		if u == last {
			break
		}
	}
	return n
}

// tmp is the slot of normalized rows; the steps of a stage share it.
func (b *planner) tmp(width int) string {
	name := fmt.Sprintf("normed%d", width)
	if width == b.plan.Dim {
		name = "normed"
	}
	for _, s := range b.plan.Slots {
		if s.Name == name {
			return name
		}
	}
	b.plan.Slots = append(b.plan.Slots, plan.Slot{Name: name, Width: width, Stride: plan.Stride(width), From: -1, To: -1, Value: ir.Of(width).String()})
	return name
}
