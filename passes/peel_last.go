package passes

import (
	"slices"
	"strings"

	"github.com/yococ/yococ/ir"
)

// peelLast makes the last run of a repeated stage a stage of its own, where that is the last to write a
// state and a part of it is for the last row alone: split-stage can then cut it. So a Transformer's last
// layer is apart from the others.
//
//	stage self repeat=12   → stage self repeat=11, stage self.last
func peelLast(p *ir.Program, _ *Target) {
	i := lastWriter(p)
	if i < 0 || p.Stages[i].Repeat == 1 {
		return
	}
	s := p.Stages[i]
	if findCut(s.Func) == nil {
		return
	}
	const suffix = "last"
	name := s.Name + "." + suffix
	last := &ir.Stage{Name: name, Repeat: 1}
	c := newCopier(&ir.Func{Name: name})
	c.weight = func(w *ir.Weight) *ir.Weight {
		if w.Layers == 0 {
			return w
		}
		one := *w
		one.Name, one.Layers, one.First = rename(w.Name, s.Name, suffix), 1, w.First+w.Layers-1
		one.Pack.Sources = slices.Clone(w.Pack.Sources)
		w.Layers--
		return &one
	}
	c.state = func(st *ir.State) *ir.State {
		if st.Layers != s.Repeat {
			return st // that of another stage
		}
		one := *st
		one.Name, one.Layers, one.First = rename(st.Name, s.Name, suffix), 1, st.Layer(st.Layers-1)
		st.Layers--
		p.States = slices.Insert(p.States, slices.Index(p.States, st)+1, &one)
		return &one
	}
	c.run = s.Repeat - 1
	for _, v := range s.Func.Values {
		c.copy(v)
	}
	last.Func = c.done(s.Func.Result)
	s.Repeat--
	insertStage(p, i+1, last)
}

// rename puts a suffix behind the name of a stage in front of a name, or behind the name: self.q →
// self.last.q, attention → attention.last.
func rename(name, stage, suffix string) string {
	if rest, ok := strings.CutPrefix(name, stage+"."); ok {
		return stage + "." + suffix + "." + rest
	}
	return name + "." + suffix
}

// lastWriter is the index of the last stage that needs every row if an entry wants the last result alone,
// -1 if there is none.
func lastWriter(p *ir.Program) int {
	if !slices.ContainsFunc(p.Entries, func(e *ir.Entry) bool { return e.Want == ir.Last }) {
		return -1
	}
	for i, s := range slices.Backward(p.Stages) {
		if !rowLocal(s.Func) {
			return i
		}
	}
	return -1
}

// insertStage puts a stage in front of stage i; entries compute the rows in it that they do in the one before.
func insertStage(p *ir.Program, i int, s *ir.Stage) {
	p.Stages = slices.Insert(p.Stages, i, s)
	for _, e := range p.Entries {
		e.Rows = slices.Insert(e.Rows, i, e.Rows[i-1])
	}
}

// A copier copies values of one function to another.
type copier struct {
	to      *ir.Func
	values  map[*ir.Value]*ir.Value
	weights map[*ir.Weight]*ir.Weight
	states  map[*ir.State]*ir.State
	weight  func(*ir.Weight) *ir.Weight // what stands for a weight in the copy; nil: itself
	state   func(*ir.State) *ir.State   // and for a state
	run     int                         // the run of the one that is the first of the other
}

func newCopier(to *ir.Func) *copier {
	return &copier{to: to, values: map[*ir.Value]*ir.Value{}, weights: map[*ir.Weight]*ir.Weight{}, states: map[*ir.State]*ir.State{}}
}

// copy appends a copy of v, whose arguments have been copied.
func (c *copier) copy(v *ir.Value) {
	if v.Op == ir.Param {
		c.values[v] = c.to.AddParam(v.Type, v.Pos)
		return
	}
	var args []*ir.Value
	for _, a := range v.Args {
		args = append(args, c.values[a])
	}
	var weights []*ir.Weight
	for _, w := range v.Weights {
		weights = append(weights, once(c.weights, w, c.weight))
	}
	var state *ir.State
	if v.State != nil {
		state = once(c.states, v.State, c.state)
	}
	attr := v.Attr
	if a, ok := attr.(ir.PerRun); ok {
		attr = a.From(c.run)
	}
	c.values[v] = c.to.Add(v.Op, attr, args, weights, state, v.Pos)
}

// once is what stands for x, made at its first use.
func once[T any](made map[*T]*T, x *T, stand func(*T) *T) *T {
	if stand == nil {
		return x
	}
	if made[x] == nil {
		made[x] = stand(x)
	}
	return made[x]
}

// done is the function with a result.
func (c *copier) done(result *ir.Value) *ir.Func {
	if result != nil {
		c.to.Result = c.values[result]
	}
	return c.to
}
