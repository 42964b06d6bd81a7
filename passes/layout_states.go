package passes

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// A layout makes the objects that lay out the state which a value writes, and says its Type and Object.
type layout func(b *planner, v *ir.Value) plan.State

// layouts has a row for every op that writes a state; the file of its selector adds it.
var layouts = map[*ir.Op]layout{}

// names of the engine's fields, and of what a run has beside them, that no slot, object or state may have.
var names = []string{"engine", "logits", "partial", "phases", "pos", "rows", "runs", "scratch", "weights"}

// layoutStates lays out every state of the program as the op that writes it says.
func (b *planner) layoutStates() error {
	b.states = map[*ir.State]string{}
	for _, s := range b.program.States {
		v := b.writer(s)
		if v == nil {
			return fmt.Errorf("state $%s: nothing writes it", s.Name)
		}
		lay := layouts[v.Op]
		if lay == nil {
			return fmt.Errorf("state $%s: no layout for what %s writes", s.Name, v.Op.Name)
		}
		name := identifier(s.Name)
		if s.Kind == ir.Shared {
			name = "cache"
		}
		name = b.unused(name)
		b.states[s] = name
		st := lay(b, v)
		st.Name, st.Kind, st.First, st.Step = name, s.Kind, s.First, max(s.Step, 1)
		if s.Kind != ir.Shared {
			st.Layers = s.Layers
		}
		b.plan.States = append(b.plan.States, st)
	}
	return nil
}

// writer is the value that writes a state.
func (b *planner) writer(s *ir.State) *ir.Value {
	for _, st := range b.program.Stages {
		for _, v := range st.Func.Values {
			if v.State == s && v.Op.Effect == ir.Writes {
				return v
			}
		}
	}
	return nil
}

// state is the state of a value, by its name in the plan.
func (b *planner) state(v *ir.Value) plan.StateArg { return plan.StateArg(b.states[v.State]) }

// layoutOf is the object that lays a value's state out.
func (b *planner) layoutOf(v *ir.Value) string { return b.plan.State(b.states[v.State]).Object }

// isState reports whether a state has that name, one whose layout is in the making too.
func (b *planner) isState(name string) bool {
	for _, s := range b.states {
		if s == name {
			return true
		}
	}
	return false
}

// unused is a name that no slot, object or state has: this one, with a number behind it if need be.
func (b *planner) unused(name string) string {
	for n := 1; ; n++ {
		s := name
		if n > 1 {
			s = fmt.Sprint(name, n)
		}
		if b.plan.Slot(s) == nil && b.plan.Object(s) == nil && !b.isState(s) && !slices.Contains(names, s) {
			return s
		}
	}
}

// object is the name of an object with these fields, made at its first use.
func (b *planner) object(name, typ string, fields ...plan.Field) string {
	for _, o := range b.plan.Objects {
		if o.Type == typ && reflect.DeepEqual(o.Fields, fields) {
			return o.Name
		}
	}
	name = b.unused(name)
	b.plan.Objects = append(b.plan.Objects, plan.Object{Name: name, Type: typ, Fields: fields})
	return name
}

// spec is object for a type whose routines need scratch.
func (b *planner) spec(name, typ string, fields ...plan.Field) string {
	name = b.object(name, typ, fields...)
	if !slices.Contains(b.plan.Scratch.Objects, plan.Ref(name)) {
		b.plan.Scratch.Objects = append(b.plan.Scratch.Objects, plan.Ref(name))
	}
	return name
}

// rope is the object of a rotation of heads of dim elements, "" for none.
func (b *planner) rope(attr ir.RopeAttr, dim int) string {
	if attr == (ir.RopeAttr{}) {
		return ""
	}
	return b.object("rope", "Rope",
		plan.Field{Name: "Dim", Value: dim}, plan.Field{Name: "Theta", Value: attr.Theta},
		plan.Field{Name: "Freq", Value: attr.Freq}, plan.Field{Name: "Half", Value: attr.Pairing == "half-split"})
}

// rotated is what an equation says of a rope's rotation.
func rotated(rope, what string) string {
	if rope == "" {
		return ""
	}
	return ", " + what + " rotated"
}
