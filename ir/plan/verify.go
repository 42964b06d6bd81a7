package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/yococ/yococ/ir"
)

// What Verify holds:
//
//   - slots that are in use at the same step do not overlap, and start and end with a cache line;
//   - weights, and slots, objects and states together, have names of their own, weights of a stage
//     also fields;
//   - a step has as many operands as its routine takes; they name slots and weights of its stage,
//     objects and states of the plan;
//   - a step reads no columns of a slot that it writes: a worker may be done before another has begun;
//   - a product has a slot for rows that it does not multiply as they are, wide enough for them;
//   - every weight is read by a step of its stage, every slot used by one;
//   - a view is of a weight that is in the file;
//   - every kernel that a routine may call is in the plan;
//   - entries name stages, one at the least.

// Verify returns all violations, a line each, nil if there are none.
func Verify(p *Plan) error {
	c := &checker{p: p, used: map[string]bool{}}
	c.slots()
	c.names()
	for i := range p.Stages {
		s := &p.Stages[i]
		for n := range s.Steps {
			c.stage, c.at = s, n
			c.step(&s.Steps[n])
		}
	}
	c.stage = nil
	c.unused()
	c.entries()
	return errors.Join(c.errs...)
}

// A checker collects violations.
type checker struct {
	p     *Plan
	stage *Stage // in work, nil outside
	at    int    // its step
	used  map[string]bool
	errs  []error
}

// fail reports a violation at the step in work.
func (c *checker) fail(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if c.stage != nil {
		s = fmt.Sprintf("stage %s, step %d: %s: %s", c.stage.Name, c.at, c.stage.Steps[c.at].Routine.Name, s)
	}
	c.errs = append(c.errs, errors.New(s))
}

func (c *checker) slots() {
	for i := range c.p.Slots {
		a := &c.p.Slots[i]
		if a.Offset%16 != 0 || a.Stride%16 != 0 || a.Width > a.Stride {
			c.fail("slot %s: offset %d, stride %d, width %d", a.Name, a.Offset, a.Stride, a.Width)
		}
		for j := range c.p.Slots[:i] {
			b := &c.p.Slots[j]
			if Meet(a, b) && a.Offset < b.Offset+b.Stride && b.Offset < a.Offset+a.Stride {
				c.fail("slots %s and %s overlap and are in use together", b.Name, a.Name)
			}
		}
	}
}

func (c *checker) names() {
	seen := map[string]bool{}
	once := func(kind, name string) {
		if seen[kind+" "+name] {
			c.fail("two of the %s are %s", kind, name)
		}
		seen[kind+" "+name] = true
	}
	for _, s := range c.p.Slots {
		once("slots, objects and states", s.Name)
	}
	for _, o := range c.p.Objects {
		once("slots, objects and states", o.Name)
	}
	for _, s := range c.p.States {
		once("slots, objects and states", s.Name)
		if c.p.Object(s.Object) == nil {
			c.fail("state %s: no object %s", s.Name, s.Object)
		}
	}
	for _, w := range c.p.Weights {
		once("weights", w.Name)
		once("fields of stage "+w.Stage, w.Field)
		if w.Alias == "" {
			continue
		}
		if of := c.p.Weight(w.Alias); of == nil || of.Alias != "" {
			c.fail("weight %s is a view of %s, which is not in the file", w.Name, w.Alias)
		}
	}
}

func (c *checker) step(step *Step) {
	r := step.Routine
	if len(step.Operands) != len(r.Access) {
		c.fail("has %d operands, want %d", len(step.Operands), len(r.Access))
		return
	}
	for i, o := range step.Operands {
		if what := c.missing(o); what != "" {
			c.fail("no %s", what)
		}
		if in, ok := o.(InputArg); ok {
			c.input(in, step.Operands)
		}
		slot, from, to := Columns(o)
		if _, ok := o.(SlotArg); !ok || r.Access[i] != Write {
			continue
		}
		for j, read := range step.Operands {
			s, lo, hi := Columns(read)
			if s == slot && r.Access[j] != Write && lo < to && from < hi {
				c.fail("reads and writes slot %s", slot)
				break
			}
		}
	}
	for _, k := range r.Kernels {
		if !slices.Contains(c.p.Kernels, k) {
			c.fail("needs kernel %s", k.Name)
		}
	}
}

// input checks that an input is converted as the matrix of its step wants it, and where to.
func (c *checker) input(in InputArg, operands []Operand) {
	for _, o := range operands {
		name, ok := o.(WeightArg)
		w := c.p.Weight(string(name))
		if !ok || w == nil || w.Form != Matrix {
			continue
		}
		if in.Elem != ir.Q8 && slices.ContainsFunc(w.Formats(), ir.Elem.Quantized) {
			c.fail("weight %s is quantized, its input %v", w.Name, in.Elem)
		}
		if w.Rounds != (in.Elem == ir.BF16) {
			c.fail("weight %s rounds is %v, its input %v", w.Name, w.Rounds, in.Elem)
		}
		want := in.Width(w)
		switch tmp := c.p.Slot(in.Tmp); {
		case want > 0 && in.Tmp == "":
			c.fail("no slot for rows of %d", want)
		case tmp != nil && tmp.Width < want:
			c.fail("slot %s is %d wide, want %d", tmp.Name, tmp.Width, want)
		}
	}
}

func (c *checker) unused() {
	for _, w := range c.p.Weights {
		if !c.used["weight "+w.Name] {
			c.fail("weight %s is not read", w.Name)
		}
	}
	for _, s := range c.p.Slots {
		if !c.used["slot "+s.Name] {
			c.fail("slot %s is not used", s.Name)
		}
	}
}

func (c *checker) entries() {
	for _, e := range c.p.Entries {
		if len(e.Stages) == 0 {
			c.fail("entry %s has no stage", e.Name)
		}
		for _, i := range e.Stages {
			if i < 0 || i >= len(c.p.Stages) {
				c.fail("entry %s: stage %d of %d", e.Name, i, len(c.p.Stages))
			}
		}
	}
}

// missing names what an operand refers to and the stage in work has not; it notes what there is.
func (c *checker) missing(o Operand) string {
	switch o := o.(type) {
	case SlotArg:
		return c.slot(o.Slot)
	case InputArg:
		what := cmp.Or(c.slot(o.Slot), c.weight(o.Gain))
		if o.Tmp != "" {
			what = cmp.Or(what, c.slot(o.Tmp))
		}
		return what
	case WeightArg:
		return c.weight(string(o))
	case ObjectArg:
		if o != "" && c.p.Object(string(o)) == nil {
			return "object " + string(o)
		}
	case PhasesArg:
		if o != "" && c.p.Object(string(o)) == nil {
			return "rope " + string(o)
		}
	case StateArg:
		if c.p.State(string(o)) == nil {
			return "state " + string(o)
		}
	}
	return ""
}

func (c *checker) slot(name string) string {
	c.used["slot "+name] = true
	if s := c.p.Slot(name); name == Logits || s != nil && s.In(c.stage.Name) {
		return ""
	}
	return "slot " + name
}

func (c *checker) weight(name string) string {
	if name == "" {
		return ""
	}
	c.used["weight "+name] = true
	if w := c.p.Weight(name); w == nil || w.Stage != c.stage.Name {
		return "weight " + name
	}
	return ""
}
