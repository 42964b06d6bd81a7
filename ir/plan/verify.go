package plan

import (
	"errors"
	"fmt"
)

// What Verify holds:
//
//   - slots that are live at the same step do not overlap, and every offset is a whole number of
//     cache lines;
//   - a step has as many operands as its routine takes, and they name slots, weights, objects and
//     states of the plan;
//   - every weight of the plan is read by a step of its stage, every slot by a step;
//   - every kernel that a routine may call is in the plan;
//   - entries name stages; a layer's stage ends nowhere but in its own weights and states.

// Verify returns all violations, nil if there are none.
func Verify(p *Plan) error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for i := range p.Slots {
		a := &p.Slots[i]
		if a.Offset%16 != 0 || a.Stride%16 != 0 || a.Width > a.Stride {
			fail("slot %s: offset %d, stride %d, width %d", a.Name, a.Offset, a.Stride, a.Width)
		}
		for j := range p.Slots[:i] {
			b := &p.Slots[j]
			if a.Name == b.Name {
				fail("two slots %s", a.Name)
			}
			if Meet(a, b) && a.Offset < b.Offset+b.Stride && b.Offset < a.Offset+a.Stride {
				fail("slots %s and %s overlap and are live together", a.Name, b.Name)
			}
		}
	}
	used := map[string]bool{}
	for i := range p.Stages {
		s := &p.Stages[i]
		for n, step := range s.Steps {
			if len(step.Operands) != len(step.Routine.Access) {
				fail("stage %s, step %d: %s has %d operands, want %d", s.Name, n, step.Routine.Name, len(step.Operands), len(step.Routine.Access))
			}
			for _, o := range step.Operands {
				if what := p.missing(s, o, used); what != "" {
					fail("stage %s, step %d: %s: no %s", s.Name, n, step.Routine.Name, what)
				}
			}
			for _, k := range step.Routine.Kernels {
				if !p.has(k) {
					fail("stage %s, step %d: %s needs kernel %s", s.Name, n, step.Routine.Name, k.Name)
				}
			}
		}
	}
	for _, w := range p.Weights {
		if !used["weight "+w.Name] {
			fail("weight %s is not read", w.Name)
		}
	}
	for _, s := range p.Slots {
		if !used["slot "+s.Name] {
			fail("slot %s is not used", s.Name)
		}
	}
	for _, e := range p.Entries {
		if len(e.Stages) == 0 {
			fail("entry %s has no stage", e.Name)
		}
		for _, i := range e.Stages {
			if i < 0 || i >= len(p.Stages) {
				fail("entry %s: stage %d of %d", e.Name, i, len(p.Stages))
			}
		}
	}
	return errors.Join(errs...)
}

// missing names what an operand refers to and the plan has not; it notes what there is.
func (p *Plan) missing(s *Stage, o Operand, used map[string]bool) string {
	slot := func(name string) string {
		used["slot "+name] = true
		for _, t := range p.Slots {
			if t.Name == name && (t.Stage == "" || t.Stage == s.Name) {
				return ""
			}
		}
		if name == Logits {
			return ""
		}
		return "slot " + name
	}
	weight := func(name string) string {
		used["weight "+name] = true
		if w := p.Weight(name); name != "" && (w == nil || w.Stage != s.Name) {
			return "weight " + name
		}
		return ""
	}
	switch o := o.(type) {
	case SlotArg:
		return slot(o.Slot)
	case InputArg:
		for _, what := range []string{slot(o.Slot), weight(o.Gain)} {
			if what != "" {
				return what
			}
		}
		if o.Tmp != "" {
			return slot(o.Tmp)
		}
	case WeightArg:
		return weight(string(o))
	case ObjectArg:
		if p.Object(string(o)) == nil {
			return "object " + string(o)
		}
	case PhasesArg:
		if p.Object(string(o)) == nil {
			return "rope " + string(o)
		}
	case StateArg:
		for _, st := range p.States {
			if st.Name == string(o) {
				return ""
			}
		}
		return "state " + string(o)
	}
	return ""
}

func (p *Plan) has(k *Kernel) bool {
	for _, q := range p.Kernels {
		if q == k {
			return true
		}
	}
	return false
}

// Meet reports whether two slots are ever live at the same step.
func Meet(a, b *Slot) bool {
	if a.Stage == "" || b.Stage == "" {
		return true
	}
	return a.Stage == b.Stage && a.From <= b.To && b.From <= a.To
}
