package passes

import "github.com/yococ/yococ/ir/plan"

// schedule sets the barriers of a stage: before a step that touches memory which another worker
// may still be writing, or may still be reading while the step writes it. A worker writes a part
// of its own and may read all, so any two accesses of which one is a write conflict. Every stage
// ends with a barrier, which is not a step's.
func schedule(p *plan.Plan, s *plan.Stage) {
	var open []access // since the last barrier
	for i := range s.Steps {
		step := &s.Steps[i]
		now := accesses(p, step)
		step.Sync = conflict(now, open)
		if step.Sync {
			open = open[:0]
		}
		open = append(open, now...)
	}
}

// conflict reports whether two sets of accesses may not happen at the same time.
func conflict(now, open []access) bool {
	for _, a := range now {
		for _, b := range open {
			if (a.write || b.write) && a.overlaps(b) {
				return true
			}
		}
	}
	return false
}

// An access is a use of a range of the arena, or of other memory, which has a name.
type access struct {
	name     string
	from, to int    // floats a row of the arena
	slot     string // whose columns are used
	lo, hi   int    // those
	write    bool
}

func (a access) overlaps(b access) bool {
	switch {
	case a.name != "" || b.name != "":
		return a.name == b.name
	case a.slot == b.slot:
		return a.lo < b.hi && b.lo < a.hi
	}
	return a.from < b.to && b.from < a.to
}

// accesses are the uses of memory by a step.
func accesses(p *plan.Plan, step *plan.Step) []access {
	var as []access
	slot := func(o plan.Operand, write bool) {
		name, lo, hi := plan.Columns(o)
		if name == plan.Logits {
			as = append(as, access{name: plan.Logits, write: write})
			return
		}
		s := p.Slot(name)
		as = append(as, access{from: s.Offset, to: s.Offset + s.Stride, slot: name, lo: lo, hi: hi, write: write})
	}
	for i, o := range step.Operands {
		how := step.Routine.Access[i]
		switch o := o.(type) {
		case plan.SlotArg:
			slot(o, how == plan.Write)
		case plan.InputArg:
			slot(o, false)
			if o.Tmp != "" {
				slot(plan.SlotArg{Slot: o.Tmp}, true)
			}
		case plan.StateArg:
			as = append(as, access{name: string(o), write: how == plan.Write})
		case plan.NameArg:
			if how != plan.None {
				as = append(as, access{name: string(o), write: how == plan.Write})
			}
		}
	}
	return as
}
