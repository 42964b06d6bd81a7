package passes

import (
	"fmt"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// Plan makes every choice that optimizing has left open. The order of its steps is that of their
// needs: a routine is selected before its operands are laid out, all of them before memory is
// placed, and barriers are set where placed memory conflicts.
func Plan(p *ir.Program, t Target) (*plan.Plan, error) {
	b := &planner{program: p, target: t, plan: &plan.Plan{
		Package: t.Package, Source: t.Source, Context: t.Context,
		Self: t.Self, Cross: t.Cross, CacheElem: t.KV,
	}}
	if err := b.precision(); err != nil {
		return nil, err
	}
	if err := b.layoutStates(); err != nil {
		return nil, err
	}
	for _, s := range p.Stages {
		if err := b.selectRoutines(s); err != nil {
			return nil, fmt.Errorf("stage %s: %w", s.Name, err)
		}
	}
	if err := b.entries(); err != nil {
		return nil, err
	}
	b.collectKernels()
	for i := range b.plan.Slots {
		liveness(b.plan, &b.plan.Slots[i])
	}
	place(b.plan.Slots)
	for i := range b.plan.Stages {
		schedule(b.plan, &b.plan.Stages[i])
	}
	if err := plan.Verify(b.plan); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return b.plan, nil
}

// planner is a plan in the making.
type planner struct {
	program   *ir.Program
	target    Target
	plan      *plan.Plan
	fn        *ir.Func // of the stage in hand
	stage     *plan.Stage
	stageName string                 // in the program
	where     map[*ir.Value]location // of the stage's values
	states    map[*ir.State]string   // their names in the plan
	errs      []error                // of weights that cannot be laid out
}

// location is where a value is: the columns of a slot from one on.
type location struct {
	slot string
	col  int
}

// meets reports whether n columns from a on and m columns from b on have one in common.
func (a location) meets(n int, b location, m int) bool {
	return a.slot == b.slot && a.col < b.col+m && b.col < a.col+n
}

// precision checks the formats and takes the model's sizes from its program.
func (b *planner) precision() error {
	if err := b.target.formats(); err != nil {
		return err
	}
	for _, name := range []string{"embed", "head"} {
		if s := b.program.Stage(name); s == nil || s.Func.Result == nil {
			return fmt.Errorf("program has no stage %s", name)
		}
	}
	b.plan.Dim = b.program.Stage("embed").Func.Result.Type.Size()
	b.plan.Vocab = b.program.Stage("head").Func.Result.Type.Size()
	return nil
}

// entries cuts the program's entries at the rows that they need.
func (b *planner) entries() error {
	pre := b.program.Entry("prefill")
	if pre == nil {
		return fmt.Errorf("program has no entry prefill")
	}
	var all, last, score []int
	head := len(pre.Rows) - 1
	for i, r := range pre.Rows {
		switch {
		case r == ir.Last, i == head && pre.Want == ir.Last: // logits have room for few rows
			last = append(last, i)
		case len(last) > 0:
			return fmt.Errorf("entry prefill: stage %s needs all rows after one that needs the last", b.program.Stages[i].Name)
		default:
			all = append(all, i)
		}
		if b.program.Stages[i].Name != "head" {
			score = append(score, i)
		}
	}
	b.plan.Entries = []plan.Entry{
		{Name: "prefill", Stages: all, Doc: "runs the stages that need every row of the tokens, which Place has placed."},
		{Name: "last", Stages: last, Doc: "runs the stages that prefill left, for one row of its chunk, which Place has placed: no other row of\ntheirs is ever read. It leaves the row's logits in row 0 of Logits and may run once a chunk."},
		{Name: "score", Stages: score, Doc: "runs every stage but the head for every row of the tokens, which Place has placed."},
	}
	return nil
}

// collectKernels lists the kernels that the steps call.
func (b *planner) collectKernels() {
	need := map[*plan.Kernel]bool{}
	for i := range b.plan.Stages {
		for _, step := range b.plan.Stages[i].Steps {
			for _, k := range step.Routine.Kernels {
				need[k] = true
			}
			for _, k := range b.operandKernels(step) {
				need[k] = true
			}
		}
	}
	for _, k := range plan.Kernels {
		if need[k] {
			b.plan.Kernels = append(b.plan.Kernels, k)
		}
	}
}

// cacheKernels are the kernels that a routine needs because of the format of the cache that it uses.
func (b *planner) cacheKernels(r *plan.Routine) []*plan.Kernel {
	switch {
	case r == plan.Append:
		return map[ir.Elem][]*plan.Kernel{ir.Q8: {plan.QuantizeRow, plan.ScaleRows}, ir.Q4: {plan.QuantizeRow, plan.ScaleRows, plan.Hadamard}}[b.target.KV]
	case r == plan.Attend:
		return map[ir.Elem][]*plan.Kernel{
			ir.F32:  {plan.GemmF32, plan.Softmax},
			ir.BF16: {plan.GemmBF16, plan.Softmax},
			ir.Q8:   {plan.SplitQueries, plan.ScoreQ8, plan.SoftmaxQ8, plan.WeighQ8},
			ir.Q4:   {plan.SplitQueries, plan.ScoreQ4, plan.SoftmaxQ8, plan.WeighQ4, plan.Hadamard},
		}[b.target.KV]
	}
	return nil
}

// operandKernels are the kernels that a step needs because of the formats of its operands.
func (b *planner) operandKernels(step plan.Step) []*plan.Kernel {
	gemm := map[ir.Elem][]*plan.Kernel{
		ir.F32: {plan.GemmF32}, ir.BF16: {plan.GemmBF16}, ir.Q8: {plan.GemmQ8, plan.GemvQ8}, ir.Q4: {plan.GemmQ4, plan.GemvQ4},
	}
	var ks []*plan.Kernel
	for _, o := range step.Operands {
		switch o := o.(type) {
		case plan.WeightArg:
			if w := b.plan.Weight(string(o)); w != nil && step.Routine.Gemm && w.Form == plan.Matrix {
				for _, e := range w.Formats() {
					if e == ir.BF16 && w.Rounds {
						ks = append(ks, plan.GemmBF16Dot, plan.RoundRow)
						continue
					}
					ks = append(ks, gemm[e]...)
				}
			}
		case plan.InputArg:
			if o.Elem == ir.Q8 {
				ks = append(ks, plan.QuantizeRow)
			}
		case plan.StateArg:
			ks = append(ks, b.cacheKernels(step.Routine)...)
		case plan.PhasesArg:
			if o == "" {
				continue
			}
			if b.plan.Object(string(o)).Field("Half").(bool) {
				ks = append(ks, plan.RopeHalf)
			} else {
				ks = append(ks, plan.RopeInterleaved)
			}
		}
	}
	return ks
}
