package passes

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// A selector turns a value of one op into a step, or into a view of another value's place.
type selector func(*planner, *ir.Func, *ir.Value) error

// selectors has a row for every op that a routine computes, or that costs nothing. Those of mixers are
// added by their files, select_*.go.
var selectors = map[*ir.Op]selector{}

func init() { // not a literal: the rows refer to methods that refer to the table
	selectors[ir.Param] = (*planner).param
	selectors[ir.Embed] = (*planner).embed
	selectors[ir.Slice] = (*planner).view
	selectors[ir.Reshape] = (*planner).view
	selectors[ir.Concat] = (*planner).concat
	selectors[ir.Project] = (*planner).project
}

// fusedBy has the other ops, and the pass that makes each a part of one that has a routine.
var fusedBy = map[*ir.Op]string{
	ir.Scale:      "fold",
	ir.Bias:       "fuse-bias",
	ir.Linear:     "fuse-bias",
	ir.Rope:       "fuse-rope",
	ir.LogSigmoid: "fuse-heads",
	ir.Softplus:   "fuse-heads",
	ir.Mul:        "fuse-swiglu",
	ir.RMSNorm:    "fuse-norm",
	ir.Gain:       "fuse-norm",
	ir.Add:        "fuse-residual",
}

// residual is the slot of the residual stream.
const residual = "x"

// selectRoutines makes a stage of the plan: a step for every value that needs one.
func (b *planner) selectRoutines(s *ir.Stage) error {
	b.plan.Stages = append(b.plan.Stages, plan.Stage{Name: identifier(s.Name), Repeat: s.Repeat, Layers: layered(s)})
	b.stage = &b.plan.Stages[len(b.plan.Stages)-1]
	b.stageName = s.Name
	b.where = map[*ir.Value]location{}
	if b.plan.Residual == "" {
		b.plan.Residual = residual
		width := b.streamWidth()
		b.plan.Slots = append(b.plan.Slots, plan.Slot{Name: residual, Width: width, Stride: plan.Stride(width), Value: ir.Of(width).String()})
	}
	b.fn = s.Func
	for _, v := range s.Func.Values { // parts of the stream are where they are, whoever asks first
		if _, placed := b.where[first(v.Args)]; v.Op == ir.Param || placed && (v.Op == ir.Slice || v.Op == ir.Reshape) {
			if err := selectors[v.Op](b, s.Func, v); err != nil {
				return err
			}
		}
	}
	for _, v := range s.Func.Values {
		sel := selectors[v.Op]
		if sel == nil {
			return noRoutine(v)
		}
		if err := sel(b, s.Func, v); err != nil {
			return fmt.Errorf("%v %s: %w", v.ID, v.Op.Name, err)
		}
	}
	want := location{residual, 0}
	if s.Name == "head" {
		want.slot = plan.Logits
	}
	if r := s.Func.Result; r != nil && b.where[r] != want {
		return fmt.Errorf("the result %v is in %s, want %s", r.ID, b.where[r].slot, want.slot)
	}
	if err := errors.Join(b.errs...); err != nil {
		return err
	}
	b.stage.Doc = b.stageDoc()
	return nil
}

// first is the first of some values, nil of none.
func first(vs []*ir.Value) *ir.Value {
	if len(vs) == 0 {
		return nil
	}
	return vs[0]
}

// streamWidth is the width of the residual stream where it is widest.
func (b *planner) streamWidth() int {
	width := 0
	for _, s := range b.program.Stages {
		if s.Func.Param != nil {
			width = max(width, s.Func.Param.Type.Size())
		}
	}
	return width
}

// layered reports whether a stage is layers: it repeats, or has weights or a state that a layer has.
func layered(s *ir.Stage) bool {
	return s.Repeat > 1 || slices.ContainsFunc(s.Func.Values, func(v *ir.Value) bool {
		return slices.ContainsFunc(v.Weights, func(w *ir.Weight) bool { return w.Layers > 0 }) ||
			v.Op.Effect == ir.Writes && v.State.Kind != ir.Shared
	})
}

// noRoutine is the error for a value that was left by itself.
func noRoutine(v *ir.Value) error {
	err := fmt.Errorf("%v %s: no routine computes it by itself", v.ID, v.Op.Name)
	if pass := fusedBy[v.Op]; pass != "" {
		err = fmt.Errorf("%w, and pass %s has not fused it with another operation", err, pass)
	}
	return err
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

// home is where a part of the stage's result has to be: the columns of the stream that the concatenation
// has it at. That holds for no other value, and for none whose place something behind it still reads.
func (b *planner) home(v *ir.Value) (location, bool) {
	c := b.fn.Result
	if c == nil || c.Op != ir.Concat {
		return location{}, false
	}
	at := location{residual, 0}
	for _, a := range c.Args {
		u := a
		for u != v && u.Op == ir.Reshape {
			u = u.Args[0]
		}
		if u == v {
			return at, b.readAfter(b.fn, v, at) == nil
		}
		at.col += a.Type.Size()
	}
	return location{}, false
}

// concat joins what is already where it belongs.
func (b *planner) concat(f *ir.Func, v *ir.Value) error {
	if f.Result != v {
		return fmt.Errorf("the result is a part of another value")
	}
	at := location{residual, 0}
	for _, a := range v.Args {
		if b.where[a] != at {
			return fmt.Errorf("%v is in %s from column %d on, want %s from %d on", a.ID, b.where[a].slot, b.where[a].col, at.slot, at.col)
		}
		at.col += a.Type.Size()
	}
	b.where[v] = location{residual, 0}
	return nil
}

// slot gives v a slot: its place in the stream if it has one, that of other stages under the name if it holds the same type, else one of
// its own, with the stage in front if the name is taken, and a number after it if need be.
func (b *planner) slot(v *ir.Value, name string, width int) plan.SlotArg {
	if at, ok := b.home(v); ok && width == v.Type.Size() {
		b.where[v] = at
		return plan.SlotArg{Slot: at.slot, Col: at.col, Size: width}
	}
	slot := plan.Slot{Name: name, Value: v.Type.String(), Width: width, Stride: plan.Stride(width)}
	live := plan.Live{Stage: b.stage.Name}
	for n := 1; ; n++ {
		old := b.plan.Slot(slot.Name)
		if old == nil && b.unused(slot.Name) == slot.Name {
			slot.Live = []plan.Live{live}
			b.plan.Slots = append(b.plan.Slots, slot)
			break
		}
		if old != nil && !old.In(b.stage.Name) && old.Value == slot.Value && old.Width == width {
			old.Live = append(old.Live, live)
			break
		}
		slot.Name = camel(b.stage.Name, name)
		if n > 1 {
			slot.Name += strconv.Itoa(n)
		}
	}
	b.where[v] = location{slot.Name, 0}
	return plan.SlotArg{Slot: slot.Name}
}

// arg is where an argument is.
func (b *planner) arg(v *ir.Value, i int) plan.SlotArg {
	at := b.where[v.Args[i]]
	return plan.SlotArg{Slot: at.slot, Col: at.col, Size: v.Args[i].Type.Size()}
}

// param is in the residual stream.
func (b *planner) param(_ *ir.Func, v *ir.Value) error {
	b.where[v] = location{residual, 0}
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

// embed fills the residual stream.
func (b *planner) embed(f *ir.Func, v *ir.Value) error {
	if f.Result != v {
		return fmt.Errorf("something follows it; pass fold puts the scale into it")
	}
	scale := ir.AttrOf[ir.EmbedAttr](v).Scale
	if scale == 0 {
		scale = 1
	}
	b.where[v] = location{residual, 0}
	b.step(v, plan.Embed, fmt.Sprintf("x = %sembed[token]", factor(scale)), plan.SlotArg{Slot: residual},
		plan.WeightArg(b.weight(v.Weights[0], plan.Table, 0)), plan.NameArg("tokens"), plan.FloatArg(scale))
	return nil
}

// factor is a number in front of a product.
func factor(s float64) string {
	if s == 1 {
		return ""
	}
	return fmt.Sprintf("%.6g · ", s)
}

// project becomes the routine of its epilogue, over the slot of its input or of the norm of that.
func (b *planner) project(f *ir.Func, v *ir.Value) error {
	attr := ir.AttrOf[ir.ProjectAttr](v)
	half := 0
	if attr.Act == "swiglu" {
		half = v.Type.Size()
	}
	m := b.weight(v.Weights[0], plan.Matrix, half)
	field := "p." + b.field(v.Weights[0].Name)

	at := b.arg(v, 0)
	in := plan.InputArg{Slot: at.Slot, Col: at.Col, Size: at.Size, Eps: attr.Eps}
	x := at.Slot
	if attr.Eps > 0 {
		x = "rmsnorm(" + x + ")"
	}
	if attr.Gain {
		in.Gain = b.weight(v.Weights[1], plan.Vector, 0)
		x += " ∘ p." + b.field(v.Weights[1].Name)
	}
	w := b.plan.Weight(m)
	switch formats := w.Formats(); { // in some layer
	case slices.ContainsFunc(formats, ir.Elem.Quantized):
		in.Elem = ir.Q8
	case b.target.Activations == ir.BF16 && slices.Contains(formats, ir.BF16):
		in.Elem = ir.BF16
		w.Rounds = true
	}
	if width := in.Width(w); width > 0 {
		in.Tmp = b.tmp(in, width, w.K)
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
		dst, size := b.where[v.Args[1]], v.Type.Size()
		if dst.meets(size, location{in.Slot, in.Col}, in.Size) {
			return fmt.Errorf("its input and its residual are both in %s, which workers cannot read and add to at once", dst.slot)
		}
		if u := b.readAfter(f, v, dst); u != nil {
			return fmt.Errorf("its residual is added to in place, but %v %s reads the old one after it", u.ID, u.Op.Name)
		}
		b.where[v] = dst
		b.step(v, plan.LinearAdd, fmt.Sprintf("%s += %s · %s%s", dst.slot, field, x, plus), plan.SlotArg{Slot: dst.slot, Col: dst.col, Size: size}, in, plan.WeightArg(m), bias, rows)
	case b.stage.Name == "head" && f.Result == v:
		b.where[v] = location{plan.Logits, 0}
		b.step(v, plan.Linear, fmt.Sprintf("logits = %s · %s%s", field, x, plus), plan.SlotArg{Slot: plan.Logits}, in, plan.WeightArg(m), bias, rows)
	default:
		dst := b.slot(v, b.field(v.Weights[0].Name), v.Type.Size())
		b.step(v, plan.Linear, fmt.Sprintf("%s = %s · %s%s", dst.Slot, field, x, plus), dst, in, plan.WeightArg(m), bias, rows)
	}
	return nil
}

// readAfter is a value behind v that reads something else from where v's result is to be; nil if there
// is none.
func (b *planner) readAfter(f *ir.Func, v *ir.Value, to location) *ir.Value {
	overwritten := func(a *ir.Value) bool {
		at, ok := b.where[a]
		return ok && at.meets(a.Type.Size(), to, v.Type.Size())
	}
	for _, u := range f.Values[slices.Index(f.Values, v)+1:] {
		if _, view := b.where[u]; !view && slices.ContainsFunc(u.Args, overwritten) {
			return u
		}
	}
	if f.Result != nil && overwritten(f.Result) {
		return f.Result
	}
	return nil
}

// tmp is the slot of an input's rows of k elements as they are multiplied. All steps share it; that
// it is never placed over another slot keeps steps beside each other free of barriers.
func (b *planner) tmp(in plan.InputArg, width, k int) string {
	name, value := "normed", ir.Of(k).String()
	switch in.Elem {
	case ir.Q8:
		name, value = "quantized", fmt.Sprintf("q8[%d]", k)
	case ir.BF16:
		name, value = "rounded", fmt.Sprintf("bf16[%d]", k)
	}
	if k != b.plan.Dim {
		name = fmt.Sprintf("%s%d", name, k)
	}
	b.plan.Scratch.Inputs = max(b.plan.Scratch.Inputs, k)
	if s := b.plan.Slot(name); s != nil {
		s.Width = max(s.Width, width)
		s.Stride = plan.Stride(s.Width)
		return name
	}
	b.plan.Slots = append(b.plan.Slots, plan.Slot{Name: name, Width: width, Stride: plan.Stride(width), Value: value})
	return name
}
