package passes

import (
	"cmp"
	"slices"

	"github.com/yococ/yococ/ir/plan"
)

// place gives every slot an offset in the arena so that slots that are live at the same step do
// not overlap. First fit in order of decreasing size, those that are always live first.
func place(p *plan.Plan) {
	for i := range p.Stages {
		liveness(p, &p.Stages[i])
	}
	order := make([]*plan.Slot, len(p.Slots))
	for i := range p.Slots {
		order[i] = &p.Slots[i]
	}
	slices.SortStableFunc(order, func(a, b *plan.Slot) int {
		if always(a) != always(b) {
			if always(a) {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Stride, a.Stride)
	})
	for i, s := range order {
		s.Offset = firstFit(s, order[:i])
	}
}

// liveness sets From and To of the slots of a stage: the first and last step that use them.
func liveness(p *plan.Plan, s *plan.Stage) {
	for i := range p.Slots {
		slot := &p.Slots[i]
		if slot.Stage != s.Name {
			continue
		}
		slot.From, slot.To = len(s.Steps), -1
		for n, step := range s.Steps {
			for _, o := range step.Operands {
				if a, ok := o.(plan.SlotArg); ok && a.Slot == slot.Name {
					slot.From, slot.To = min(slot.From, n), max(slot.To, n)
				}
				if a, ok := o.(plan.InputArg); ok && (a.Slot == slot.Name || a.Tmp == slot.Name) {
					slot.From, slot.To = min(slot.From, n), max(slot.To, n)
				}
			}
		}
	}
}

func always(s *plan.Slot) bool { return s.Stage == "" }

// firstFit is the lowest offset at which s overlaps none of the placed slots that are live with it.
func firstFit(s *plan.Slot, placed []*plan.Slot) int {
	var taken []*plan.Slot
	for _, t := range placed {
		if plan.Meet(s, t) {
			taken = append(taken, t)
		}
	}
	slices.SortFunc(taken, func(a, b *plan.Slot) int { return cmp.Compare(a.Offset, b.Offset) })
	at := 0
	for _, t := range taken {
		if at+s.Stride <= t.Offset {
			break
		}
		at = max(at, t.Offset+t.Stride)
	}
	return at
}
