package passes

import (
	"slices"

	"github.com/yococ/yococ/ir"
)

// splitStage cuts the last stage that writes a state where the residual stream alone connects what later
// tokens need, which is all that its writes depend on, with the rest. Early exit then computes the rest
// for the last row. Norms and the like, cheap, are computed on both sides rather than passed on.
//
//	x → k, v → cache; q, attend, o, FFN → x'
//	→ stage: x → k, v → cache, leaves x; stage.exit: x → q, attend, o, FFN → x'
//
// A mixer that writes what it reads, as a window does, is cut behind: its FFN is the rest.
func splitStage(p *ir.Program, _ *Target) {
	i := lastWriter(p)
	if i < 0 || p.Stages[i].Repeat > 1 {
		return
	}
	s := p.Stages[i]
	at := findCut(s.Func)
	if at == nil {
		return
	}
	first, rest := newCopier(&ir.Func{Name: s.Func.Name}), newCopier(&ir.Func{Name: s.Func.Name + ".exit"})
	rest.values[at.stream] = rest.to.AddParam(at.stream.Type, at.stream.Pos)
	for _, v := range s.Func.Values {
		if at.first[v] {
			first.copy(v)
		}
		if at.rest[v] {
			rest.copy(v)
		}
	}
	result := s.Func.Result
	s.Func = first.done(at.stream)
	insertStage(p, i+1, &ir.Stage{Name: s.Name + ".exit", Func: rest.done(result), Repeat: 1})
}

// A cut divides the values of a function: first leaves the value stream, which rest starts from. Cheap
// values may be in both.
type cut struct {
	stream      *ir.Value
	first, rest map[*ir.Value]bool
}

// findCut is the earliest cut of f that leaves something worth while behind it, nil if there is none.
func findCut(f *ir.Func) *cut {
	if f.Result == nil || f.Param == nil {
		return nil
	}
	needed := map[*ir.Value]bool{} // by later tokens
	for _, v := range f.Values {
		if v.Op.Effect == ir.Writes {
			cone(v, needed)
		}
	}
	for _, v := range f.Values {
		if !inStream(f, v) {
			continue
		}
		c := &cut{stream: v, first: map[*ir.Value]bool{f.Param: true}, rest: map[*ir.Value]bool{}}
		for n := range needed {
			c.first[n] = true
		}
		cone(v, c.first)
		if c.follow(f.Result) && slices.ContainsFunc(f.Values, func(v *ir.Value) bool { return c.rest[v] && !cheap(v) }) {
			return c
		}
	}
	return nil
}

// cone adds v and all that it depends on to a set.
func cone(v *ir.Value, into map[*ir.Value]bool) {
	if into[v] {
		return
	}
	into[v] = true
	for _, a := range v.Args {
		cone(a, into)
	}
}

// follow adds v and all that it depends on to the rest, back to the stream, and reports whether that is
// all that it depends on: what is in front of the cut and not cheap can't be passed on.
func (c *cut) follow(v *ir.Value) bool {
	switch {
	case v == c.stream || c.rest[v]:
		return true
	case v.Op == ir.Param || v.Op.Effect == ir.Writes || c.first[v] && !cheap(v):
		return false
	}
	c.rest[v] = true
	return !slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return !c.follow(a) })
}

// inStream reports whether v is the residual stream at some place of f: its parameter, or what a sum
// with that has made of it.
func inStream(f *ir.Func, v *ir.Value) bool {
	return v == f.Param || v.Op == ir.Add && v.Type.Equal(f.Param.Type) && slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return inStream(f, a) })
}

// cheap reports whether an operation looks at no state and has no matrix.
func cheap(v *ir.Value) bool {
	return v.Op.Effect == ir.Pure && !slices.ContainsFunc(v.Weights, func(w *ir.Weight) bool { return len(w.Type.Shape) > 1 })
}
