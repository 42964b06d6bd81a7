package ir

import (
	"errors"
	"fmt"
	"slices"
)

// What a program has to keep. Names
//
//   - of the program, its states, weights, stages and entries are words, each once in its kind.
//
// Values
//
//   - have an ID of their own and are defined before they are used, in the same function;
//   - name ops, attribute structs, weights and states as their op says, weights and states of the
//     program, and have the type that it infers;
//   - are used, or the function's result, or write a state.
//
// Functions
//
//   - belong to one stage and have at most one param, as their first value;
//   - start from the tokens in the first stage and from a param of the type of the stream that
//     reaches them in all others; the last has a result;
//   - that are repeated give the type that they take.
//
// States
//
//   - have parts, each once, with types that make sense; a window if and only if they are rings;
//   - are written by exactly one value, in a stage with as many repeats as the state has layers;
//   - are not read before that value.
//
// YOCO
//
//   - there is one shared state at the most, of one layer, written in a stage that runs once;
//   - no stage after that one writes a state: a program without a shared state has no cross-decoder, and its
//     stages may write states anywhere.
//
// Weights
//
//   - are used, in stages with as many repeats as they have layers, or have none;
//   - have sources, whose rows add up to the weight's and whose scales are finite and not zero.
//
// Entries
//
//   - there is one, and each has rows for every stage: once the last row only, always so;
//   - compute every row in a stage that writes a state, and wherever all results are asked for.

// Verify checks all that, and lists what does not hold, a line each.
func Verify(p *Program) error {
	c := &checker{p: p, users: map[*Weight]int{}, writers: map[*State]*Value{}, shared: -1}
	c.names()
	c.states()
	for i, st := range p.Stages {
		c.stage, c.at = st, i
		c.function(st.Func)
	}
	c.stage = nil
	c.stream()
	c.effects()
	c.weights()
	c.entries()
	return errors.Join(c.errs...)
}

// A checker collects violations.
type checker struct {
	p       *Program
	stage   *Stage // in work, nil outside
	at      int    // its index
	users   map[*Weight]int
	writers map[*State]*Value
	shared  int // index of the stage that writes the shared state, -1 for none so far
	errs    []error
}

// fail reports a violation in the stage in work.
func (c *checker) fail(pos, format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if c.stage != nil {
		s = "stage " + c.stage.Name + ": " + s
	}
	if pos != "" {
		s = pos + ": " + s
	}
	c.errs = append(c.errs, errors.New(s))
}

func (c *checker) names() {
	if !isWord(c.p.Name) {
		c.fail("", "program: %q is not a name", c.p.Name)
	}
	for _, kind := range []struct {
		name  string
		names []string
	}{
		{"state", namesOf(c.p.States, func(s *State) string { return s.Name })},
		{"weight", namesOf(c.p.Weights, func(w *Weight) string { return w.Name })},
		{"stage", namesOf(c.p.Stages, func(s *Stage) string { return s.Name })},
		{"function", namesOf(c.p.Stages, func(s *Stage) string { return s.Func.Name })},
		{"entry", namesOf(c.p.Entries, func(e *Entry) string { return e.Name })},
	} {
		for i, n := range kind.names {
			if !isWord(n) {
				c.fail("", "%s: %q is not a name", kind.name, n)
			} else if kind.name != "function" && slices.Contains(kind.names[:i], n) {
				c.fail("", "%s %s is defined twice", kind.name, n)
			}
		}
	}
}

func namesOf[T any](list []*T, name func(*T) string) (names []string) {
	for _, x := range list {
		names = append(names, name(x))
	}
	return names
}

func (c *checker) states() {
	for _, s := range c.p.States {
		if len(s.Parts) == 0 {
			c.fail("", "state $%s has no parts", s.Name)
		}
		for i, part := range s.Parts {
			if !isWord(part.Name) {
				c.fail("", "state $%s: part %q is not a name", s.Name, part.Name)
			}
			if slices.ContainsFunc(s.Parts[:i], func(q Part) bool { return q.Name == part.Name }) {
				c.fail("", "state $%s: part %s is defined twice", s.Name, part.Name)
			}
			if err := checkShape(part.Type.Shape); err != nil {
				c.fail("", "state $%s: part %s: %v", s.Name, part.Name, err)
			}
		}
		if (s.Kind == Ring) != (s.Window > 0) {
			c.fail("", "state $%s: window is %d of a %v state", s.Name, s.Window, s.Kind)
		}
	}
}

// function checks the values of one function and notes what they do to states and weights.
func (c *checker) function(f *Func) {
	if slices.ContainsFunc(c.p.Stages[:c.at], func(st *Stage) bool { return st.Func == f }) {
		c.fail("", "function %s belongs to another stage", f.Name)
		return
	}
	if c.stage.Repeat < 1 {
		c.fail("", "repeat is %d, want at least 1", c.stage.Repeat)
	}
	uses, defined, ids := f.Uses(), map[*Value]bool{}, map[ID]bool{}
	for i, v := range f.Values {
		if ids[v.ID] {
			c.fail(v.Pos, "%v is defined twice", v.ID)
		}
		ids[v.ID] = true
		ordered := true
		for _, a := range v.Args {
			if !defined[a] {
				c.fail(v.Pos, "%v: %s: argument %v is not defined before", v.ID, v.Op.Name, a.ID)
				ordered = false
			}
		}
		defined[v] = true
		if (v.Op == Param) != (v == f.Param) || v.Op == Param && i > 0 {
			c.fail(v.Pos, "%v: a param that is not the function's first value", v.ID)
		}
		if ordered {
			c.value(v)
		}
		if uses[v] == 0 && v.Op.Effect != Writes && v.Op != Param {
			c.fail(v.Pos, "%v: %s: the result is not used", v.ID, v.Op.Name)
		}
		c.note(v)
	}
	if f.Param != nil && !defined[f.Param] {
		c.fail("", "the param %v is not among the values", f.Param.ID)
	}
	if f.Result != nil && !defined[f.Result] {
		c.fail("", "the result %v is not among the values", f.Result.ID)
	}
}

// value checks v against its op and the program.
func (c *checker) value(v *Value) {
	for _, w := range v.Weights {
		if !slices.Contains(c.p.Weights, w) {
			c.fail(v.Pos, "%v: %s: weight @%s is not the program's", v.ID, v.Op.Name, w.Name)
		}
	}
	if v.State != nil && !slices.Contains(c.p.States, v.State) {
		c.fail(v.Pos, "%v: %s: state $%s is not the program's", v.ID, v.Op.Name, v.State.Name)
	}
	t, err := infer(v)
	if err != nil {
		c.fail(v.Pos, "%v: %v", v.ID, err)
	} else if !t.Equal(v.Type) {
		c.fail(v.Pos, "%v: %s: type is %v, want %v", v.ID, v.Op.Name, orNone(v.Type), orNone(t))
	}
}

// note records which states and weights v names, and checks their layers.
func (c *checker) note(v *Value) {
	for _, w := range v.Weights {
		c.users[w]++
		if w.Layers != 0 && w.Layers != c.stage.Repeat {
			c.fail(v.Pos, "%v: %s: weight @%s has %d layers, the stage %d", v.ID, v.Op.Name, w.Name, w.Layers, c.stage.Repeat)
		}
	}
	s := v.State
	if s == nil {
		return
	}
	switch {
	case v.Op.Effect == Reads && c.writers[s] == nil:
		c.fail(v.Pos, "%v: %s: reads state $%s before it is written", v.ID, v.Op.Name, s.Name)
	case v.Op.Effect == Writes && c.writers[s] != nil:
		c.fail(v.Pos, "%v: %s: writes state $%s, which another value has written", v.ID, v.Op.Name, s.Name)
	case v.Op.Effect == Writes:
		c.writers[s] = v
		if s.Layers != c.stage.Repeat {
			c.fail(v.Pos, "%v: %s: state $%s has %d layers, the stage %d", v.ID, v.Op.Name, s.Name, s.Layers, c.stage.Repeat)
		}
		if c.shared >= 0 && c.shared < c.at {
			c.fail(v.Pos, "%v: %s: writes state $%s after the shared state was written", v.ID, v.Op.Name, s.Name)
		}
		if s.Kind == Shared {
			c.shared = c.at
		}
	}
}

// stream checks that what one stage gives fits the next.
func (c *checker) stream() {
	var t Type
	for i, st := range c.p.Stages {
		c.stage = st
		f := st.Func
		if i == 0 && f.Param != nil {
			c.fail(f.Param.Pos, "the first stage has a param")
		}
		if i > 0 && f.Param == nil {
			c.fail("", "has no param, the stage before leaves %v", orNone(t))
		}
		if i > 0 && f.Param != nil && !f.Param.Type.Equal(t) {
			c.fail(f.Param.Pos, "param is %v, the stage before leaves %v", f.Param.Type, orNone(t))
		}
		if f.Result != nil {
			if st.Repeat > 1 && !f.Result.Type.Equal(paramType(f)) {
				c.fail(f.Result.Pos, "takes %v and leaves %v, but is repeated", orNone(paramType(f)), f.Result.Type)
			}
			t = f.Result.Type
		} else if i == 0 || i == len(c.p.Stages)-1 {
			c.fail("", "has no result")
		}
	}
	c.stage = nil
	if len(c.p.Stages) == 0 {
		c.fail("", "there is no stage")
	}
}

func paramType(f *Func) Type {
	if f.Param == nil {
		return Type{}
	}
	return f.Param.Type
}

// effects checks what the whole program does to its states.
func (c *checker) effects() {
	shared := 0
	for _, s := range c.p.States {
		if s.Kind == Shared {
			shared++
			if s.Layers != 1 {
				c.fail("", "state $%s: a shared state of %d layers, want 1", s.Name, s.Layers)
			}
		}
		if c.writers[s] == nil {
			c.fail("", "state $%s is not written", s.Name)
		}
	}
	if shared > 1 {
		c.fail("", "there are %d shared states, want one at the most", shared)
	}
}

func (c *checker) weights() {
	for _, w := range c.p.Weights {
		if c.users[w] == 0 {
			c.fail(w.Pos, "weight @%s is not used", w.Name)
		}
		if err := checkShape(w.Type.Shape); err != nil {
			c.fail(w.Pos, "weight @%s: %v", w.Name, err)
		}
		if len(w.Pack.Sources) == 0 {
			c.fail(w.Pos, "weight @%s has no source", w.Name)
		}
		rows := 0
		for _, s := range w.Pack.Sources {
			rows += s.Rows
			if s.Scale == 0 || s.Scale-s.Scale != 0 {
				c.fail(w.Pos, "weight @%s: source %s has scale %v, want a finite number other than 0", w.Name, s.Role, s.Scale)
			}
			if !isWord(s.Role) || s.Gain != "" && !isWord(s.Gain) {
				c.fail(w.Pos, "weight @%s: source %v: not a name", w.Name, s)
			}
		}
		if n := len(w.Pack.Sources); len(w.Type.Shape) > 0 && rows != w.Type.Shape[0] && (n > 1 || rows != 0) {
			c.fail(w.Pos, "weight @%s has %d rows, its sources %d", w.Name, w.Type.Shape[0], rows)
		}
	}
}

func (c *checker) entries() {
	if len(c.p.Entries) == 0 {
		c.fail("", "there is no entry")
	}
	for _, e := range c.p.Entries {
		if len(e.Rows) != len(c.p.Stages) {
			c.fail("", "entry %s has rows for %d stages, want %d", e.Name, len(e.Rows), len(c.p.Stages))
			continue
		}
		for i, st := range c.p.Stages {
			if e.Rows[i] == All && i > 0 && e.Rows[i-1] == Last {
				c.fail("", "entry %s: stage %s computes all rows after one that computes the last", e.Name, st.Name)
			}
			if writes := slices.IndexFunc(st.Func.Values, func(v *Value) bool { return v.Op.Effect == Writes }); writes >= 0 && e.Rows[i] == Last {
				c.fail("", "entry %s: stage %s writes $%s and computes the last row only", e.Name, st.Name, st.Func.Values[writes].State.Name)
			}
			if e.Want == All && e.Rows[i] == Last {
				c.fail("", "entry %s: all results are asked for, stage %s computes the last row only", e.Name, st.Name)
			}
		}
	}
}
