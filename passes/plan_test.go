package passes

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// placeCase places slots and draws them: a line a slot, in the order of their offsets in the
// arena, with the steps at which it is in use; the last line is the size. Slots that are in use at
// one step must not overlap.
//
//	NAME STRIDE always|FROM..TO|STAGE:FROM..TO …
func placeCase(t *testing.T, d *datadriven.TestData) string {
	var slots []plan.Slot
	for _, l := range strings.Split(d.Input, "\n") {
		f := strings.Fields(l)
		stride, err := strconv.Atoi(f[1])
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s := plan.Slot{Name: f[0], Stride: stride}
		for _, live := range f[2:] {
			if live == "always" {
				continue
			}
			stage, steps, ok := strings.Cut(live, ":")
			if !ok {
				stage, steps = "", live
			}
			l := plan.Live{Stage: stage}
			if _, err := fmt.Sscanf(steps, "%d..%d", &l.From, &l.To); err != nil {
				d.Fatalf(t, "%s: %v", live, err)
			}
			s.Live = append(s.Live, l)
		}
		slots = append(slots, s)
	}
	place(slots)
	return draw(t, d.Pos, slots)
}

func draw(t *testing.T, pos string, slots []plan.Slot) string {
	stages, length := []string(nil), map[string]int{}
	for _, s := range slots {
		for _, l := range s.Live {
			if length[l.Stage] == 0 {
				stages = append(stages, l.Stage)
			}
			length[l.Stage] = max(length[l.Stage], l.To+1)
		}
	}
	// used[slot][i]: the slot is in use at step i of all stages one after the other
	used := make([]string, len(slots))
	for i, s := range slots {
		var parts []string
		for _, stage := range stages {
			row := strings.Repeat(".", length[stage])
			if len(s.Live) == 0 {
				row = strings.Repeat("#", length[stage])
			}
			for _, l := range s.Live {
				if l.Stage == stage {
					row = row[:l.From] + strings.Repeat("#", l.To+1-l.From) + row[l.To+1:]
				}
			}
			parts = append(parts, row)
		}
		used[i] = strings.Join(parts, " ")
	}
	order := make([]int, len(slots))
	size := 0
	for i := range slots {
		order[i] = i
		size = max(size, slots[i].Offset+slots[i].Stride)
		for j := range i {
			a, b := slots[i], slots[j]
			for n := range used[i] {
				if used[i][n] == '#' && used[j][n] == '#' && a.Offset < b.Offset+b.Stride && b.Offset < a.Offset+a.Stride {
					t.Errorf("%s: %s and %s overlap", pos, a.Name, b.Name)
					break
				}
			}
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(slots[i].Offset, slots[j].Offset) })
	var b strings.Builder
	for _, i := range order {
		fmt.Fprintf(&b, "%6d  %-8s %s\n", slots[i].Offset, slots[i].Name, used[i])
	}
	fmt.Fprintf(&b, "%6d\n", size)
	return b.String()
}

// scheduleCase prints steps with the barriers between them.
//
//	slot NAME OFFSET STRIDE
//	step [read NAME] [write NAME] [norm NAME TMP] …    NAME of a slot, $NAME of a state, =NAME of other memory
func scheduleCase(t *testing.T, d *datadriven.TestData) string {
	p := &plan.Plan{Stages: []plan.Stage{{Name: "s"}}}
	s := &p.Stages[0]
	var lines []string
	for _, l := range strings.Split(d.Input, "\n") {
		f := strings.Fields(l)
		if f[0] == "slot" {
			offset, _ := strconv.Atoi(f[2])
			stride, _ := strconv.Atoi(f[3])
			p.Slots = append(p.Slots, plan.Slot{Name: f[1], Offset: offset, Stride: stride})
			continue
		}
		r := &plan.Routine{}
		step := plan.Step{Routine: r}
		for i := 1; i < len(f); i += 2 {
			how := plan.Read
			if f[i] == "write" {
				how = plan.Write
			}
			r.Access = append(r.Access, how)
			switch name := f[i+1]; {
			case f[i] == "norm":
				step.Operands = append(step.Operands, plan.InputArg{Slot: name, Eps: 1, Tmp: f[i+2]})
				i++
			case name[0] == '$':
				step.Operands = append(step.Operands, plan.StateArg(name[1:]))
			case name[0] == '=':
				step.Operands = append(step.Operands, plan.NameArg(name[1:]))
			default:
				step.Operands = append(step.Operands, plan.SlotArg{Slot: name})
			}
		}
		s.Steps = append(s.Steps, step)
		lines = append(lines, strings.Join(f[1:], " "))
	}
	schedule(p, s)
	var b strings.Builder
	for i, l := range lines {
		if s.Steps[i].Sync {
			b.WriteString("sync\n")
		}
		b.WriteString(l + "\n")
	}
	return b.String()
}

// selectCase plans a fragment and prints the steps of its stages and the slots, or the error.
func selectCase(t *testing.T, d *datadriven.TestData) string {
	full, shown := frame(t, d)
	p, err := ir.Parse(full)
	if err != nil {
		d.Fatalf(t, "%v\n%s", err, full)
	}
	if err := ir.Verify(p); err != nil {
		d.Fatalf(t, "%v", err)
	}
	made, err := Plan(p, Target{Package: "framed"})
	if err != nil {
		return err.Error()
	}
	text := made.String()
	var b strings.Builder
	for _, name := range shown {
		_, stage, _ := strings.Cut(text, "\nstage "+name)
		stage, _, _ = strings.Cut(stage, "\n\n")
		fmt.Fprintf(&b, "stage %s%s\n", name, stage)
	}
	for _, s := range made.Slots {
		fmt.Fprintf(&b, "%s %s: %s\n", s.Name, s.Value, s.When())
	}
	return b.String()
}

// TestPlaceRandom: whatever the intervals, slots in use together lie apart, those always in use
// from all others.
func TestPlaceRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var slots []plan.Slot
		for i := range 1 + r.IntN(12) {
			s := plan.Slot{Name: fmt.Sprint("s", i), Stride: 16 * (1 + r.IntN(40))}
			for _, stage := range []string{"self", "cross"} {
				if r.IntN(3) > 0 {
					from := r.IntN(10)
					s.Live = append(s.Live, plan.Live{Stage: stage, From: from, To: from + r.IntN(5)})
				}
			}
			slots = append(slots, s)
		}
		place(slots)
		draw(t, "random", slots)
	}
}

// TestLiveness: a slot is in use from the first step that names it to the last, wherever the step
// names it.
func TestLiveness(t *testing.T) {
	p := &plan.Plan{Stages: []plan.Stage{{Name: "a"}, {Name: "b"}}}
	for _, o := range []plan.Operand{plan.SlotArg{Slot: "other"}, plan.InputArg{Slot: "other", Tmp: "s"}, plan.NameArg("s"), plan.SlotArg{Slot: "s"}, plan.WeightArg("s")} {
		p.Stages[0].Steps = append(p.Stages[0].Steps, plan.Step{Operands: []plan.Operand{plan.FloatArg(1), o}})
	}
	p.Stages[1].Steps = []plan.Step{{Operands: []plan.Operand{plan.InputArg{Slot: "s"}}}}
	s := &plan.Slot{Name: "s", Live: []plan.Live{{Stage: "a"}, {Stage: "b"}}}
	if liveness(p, s); s.When() != "a 1..3, b 0..0" {
		t.Errorf("in use: %s", s.When())
	}
}

// TestScheduleRandom: of any two accesses to the same memory of which one writes, a barrier lies
// between; and every barrier separates some.
func TestScheduleRandom(t *testing.T) {
	type use struct {
		from, to int // of one space for slots and other memory
		write    bool
	}
	conflict := func(as, bs []use) bool {
		for _, a := range as {
			for _, b := range bs {
				if (a.write || b.write) && max(a.from, b.from) < min(a.to, b.to) {
					return true
				}
			}
		}
		return false
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		p := &plan.Plan{Stages: []plan.Stage{{Name: "s"}}}
		s := &p.Stages[0]
		for i := range 6 {
			p.Slots = append(p.Slots, plan.Slot{Name: fmt.Sprint(i), Offset: 16 * r.IntN(8), Stride: 16 * (1 + r.IntN(3))})
		}
		ofSlot := func(i int, write bool) use {
			return use{p.Slots[i].Offset, p.Slots[i].Offset + p.Slots[i].Stride, write}
		}
		var uses [][]use
		for range 12 {
			rt := &plan.Routine{}
			step, us := plan.Step{Routine: rt}, []use(nil)
			for range 1 + r.IntN(3) {
				write, i := r.IntN(3) == 0, r.IntN(6)
				how := plan.Read
				if write {
					how = plan.Write
				}
				switch r.IntN(8) {
				case 0:
					step.Operands, us = append(step.Operands, plan.StateArg("kv")), append(us, use{1000, 1001, write})
				case 1:
					step.Operands, us = append(step.Operands, plan.NameArg("partial")), append(us, use{1001, 1002, write})
				case 2:
					step.Operands, us = append(step.Operands, plan.SlotArg{Slot: plan.Logits}), append(us, use{1002, 1003, write})
				case 3:
					tmp := r.IntN(6)
					step.Operands = append(step.Operands, plan.InputArg{Slot: fmt.Sprint(i), Eps: 1, Tmp: fmt.Sprint(tmp)})
					us, how = append(us, ofSlot(i, false), ofSlot(tmp, true)), plan.Read
				case 4:
					step.Operands, how = append(step.Operands, plan.NameArg("rows")), plan.None
				default:
					step.Operands, us = append(step.Operands, plan.SlotArg{Slot: fmt.Sprint(i), Col: 3}), append(us, ofSlot(i, write))
				}
				rt.Access = append(rt.Access, how)
			}
			s.Steps, uses = append(s.Steps, step), append(uses, us)
		}
		schedule(p, s)
		last := 0 // the step behind the latest barrier
		for i := range s.Steps {
			needed := false
			for j := last; j < i; j++ {
				needed = needed || conflict(uses[i], uses[j])
			}
			if needed != s.Steps[i].Sync {
				t.Fatalf("step %d has sync=%v, want %v", i, s.Steps[i].Sync, needed)
			}
			if needed {
				last = i
			}
		}
	}
}
