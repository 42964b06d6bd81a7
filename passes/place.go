package passes

import (
	"cmp"
	"slices"

	"github.com/yococ/yococ/ir/plan"
)

// place gives every slot an offset in the arena so that slots that are in use at the same step do
// not overlap. First fit in order of decreasing size, those that are always in use first.
func place(slots []plan.Slot) {
	order := make([]*plan.Slot, len(slots))
	for i := range slots {
		order[i] = &slots[i]
	}
	slices.SortStableFunc(order, func(a, b *plan.Slot) int {
		return cmp.Or(cmp.Compare(min(len(a.Live), 1), min(len(b.Live), 1)), cmp.Compare(b.Stride, a.Stride))
	})
	for i, s := range order {
		s.Offset = firstFit(s, order[:i])
	}
}

// firstFit is the lowest offset at which s overlaps none of the placed slots that are in use with it.
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

// liveness sets the first and the last step that use a slot, in each of its stages.
func liveness(p *plan.Plan, slot *plan.Slot) {
	for i := range slot.Live {
		l := &slot.Live[i]
		steps := p.Stage(l.Stage).Steps
		l.From, l.To = len(steps), -1
		for n, step := range steps {
			if slices.ContainsFunc(step.Operands, func(o plan.Operand) bool { return mentions(o, slot.Name) }) {
				l.From, l.To = min(l.From, n), n
			}
		}
	}
}

// mentions reports whether an operand is in a slot.
func mentions(o plan.Operand, slot string) bool {
	switch o := o.(type) {
	case plan.SlotArg:
		return o.Slot == slot
	case plan.InputArg:
		return o.Slot == slot || o.Tmp == slot
	}
	return false
}
