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
		for _, a := range now {
			for _, b := range open {
				if a.overlaps(b) && (a.write || b.write) {
					step.Sync = true
				}
			}
		}
		if step.Sync {
			open = open[:0]
		}
		open = append(open, now...)
	}
}

// An access is a use of a range of the arena, or of a state.
type access struct {
	state    string
	from, to int // floats a row of the arena
	write    bool
}

func (a access) overlaps(b access) bool {
	if a.state != "" || b.state != "" {
		return a.state == b.state
	}
	return a.from < b.to && b.from < a.to
}

func accesses(p *plan.Plan, step *plan.Step) []access {
	var as []access
	slot := func(name string, write bool) {
		if name == plan.Logits {
			as = append(as, access{state: plan.Logits, write: write})
			return
		}
		for _, s := range p.Slots {
			if s.Name == name {
				as = append(as, access{from: s.Offset, to: s.Offset + s.Stride, write: write})
			}
		}
	}
	for i, o := range step.Operands {
		write := step.Routine.Access[i] == plan.Write
		switch o := o.(type) {
		case plan.SlotArg:
			slot(o.Slot, write)
		case plan.InputArg:
			slot(o.Slot, false)
			if o.Tmp != "" {
				slot(o.Tmp, true)
			}
		case plan.StateArg:
			if step.Routine.Access[i] != plan.None {
				as = append(as, access{state: string(o), write: write})
			}
		}
	}
	return as
}
