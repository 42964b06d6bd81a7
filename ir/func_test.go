package ir

import (
	"slices"
	"strings"
	"testing"
)

// sample is a function on which every edit can be tried.
func sample(t *testing.T) (*Program, *Func) {
	p, err := Parse(`program t
weight @w f32[8 8]
state $S carry {S:f32[2 4 4]}
stage only
  %0:f32[8] = param
  %1:f32[8] = linear %0 @w
  %2:f32[8] = silu %1
  %3:f32[8] = mul %2 %1
  %5:f32[8] = add %3 %0
  return %5
`)
	if err != nil {
		t.Fatal(err)
	}
	return p, p.Stages[0].Func
}

func expect(t *testing.T, f *Func, want string) {
	t.Helper()
	if got := strings.TrimSpace(f.String()); got != strings.TrimSpace(want) {
		t.Errorf("function is\n%s\nwant\n%s", got, want)
	}
}

// panics demands that do panics with a message that holds every word.
func panics(t *testing.T, do func(), words ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		s, _ := recover().(string)
		for _, w := range append(words, "BUG:") {
			if !strings.Contains(s, w) {
				t.Errorf("panic is %q, want %q in it", s, w)
			}
		}
	}()
	do()
}

func TestEdit(t *testing.T) {
	p, f := sample(t)
	w := p.Weight("w")
	for v := range f.All(Mul) {
		if s := v.Args[0]; s.Op == SiLU && f.Uses()[s] == 1 {
			v.Become(SwiGLU, nil, s.Args[0], v.Args[1])
			f.Remove(s)
		}
	}
	for v := range f.All(Add) {
		u := f.InsertBefore(v, Scale, ScaleAttr{By: 2}, []*Value{v.Args[0]}, nil, nil, "here")
		f.ReplaceUses(v.Args[0], u)
		v.BecomeWith(Project, ProjectAttr{Residual: true}, v.Args, []*Weight{w}, nil)
	}
	f.Result = f.Add(SiLU, nil, []*Value{f.Result}, nil, nil, "")
	expect(t, f, `
  %0:f32[8] = param
  %1:f32[8] = linear %0 @w
  %3:f32[8] = swiglu %1 %1
  %6:f32[8] = scale %3 {by=2}  ; here
  %5:f32[8] = project %6 %0 @w {residual}
  %7:f32[8] = silu %5
  return %7`)
	f.Renumber()
	u := f.Add(SiLU, nil, []*Value{f.Result}, nil, nil, "")
	if u.ID != 6 {
		t.Errorf("a value added after renumbering is %v, want %%6", u.ID)
	}
	f.Remove(u)
	expect(t, f, `
  %0:f32[8] = param
  %1:f32[8] = linear %0 @w
  %2:f32[8] = swiglu %1 %1
  %3:f32[8] = scale %2 {by=2}  ; here
  %4:f32[8] = project %3 %0 @w {residual}
  %5:f32[8] = silu %4
  return %5`)
}

func TestUses(t *testing.T) {
	_, f := sample(t)
	uses := f.Uses()
	var got []int
	for _, v := range f.Values {
		got = append(got, uses[v])
	}
	if want := []int{2, 2, 1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("uses are %v, want %v", got, want)
	}
	f.ReplaceUses(f.Result, f.Param)
	if f.Result != f.Param {
		t.Errorf("the result was not replaced")
	}
}

// TestAllEdited: a loop over the values of an op leaves those out that it has changed itself.
func TestAllEdited(t *testing.T) {
	_, f := sample(t)
	a := f.Add(SiLU, nil, []*Value{f.Param}, nil, nil, "")
	b := f.Add(SiLU, nil, []*Value{f.Param}, nil, nil, "")
	seen := 0
	for v := range f.All(SiLU) {
		if seen++; v.ID == 2 {
			f.Remove(a)
			b.Become(LogSigmoid, nil, f.Param)
		}
	}
	if seen != 1 {
		t.Errorf("saw %d values, want 1", seen)
	}
}

func TestEditMistakes(t *testing.T) {
	p, f := sample(t)
	add := f.Values[4]
	panics(t, func() { add.Become(Reshape, ReshapeAttr{[]int{2, 4}}, add.Args[0]) }, "%5:f32[8] = add", "f32[2 4]")
	panics(t, func() { add.Become(Linear, nil, add.Args[0]) }, "linear: has 0 weights")
	panics(t, func() { add.Become(Scale, RMSNormAttr{}, add.Args[0]) }, "attribute is a ir.RMSNormAttr")
	panics(t, func() { f.Remove(add) }, "1 uses")
	panics(t, func() { f.AddParam(Of(8), "") }, "parameter already")
	panics(t, func() { f.ReplaceUses(add, &Value{Op: Param, Type: Of(4)}) }, "replaced by")
	panics(t, func() { f.Add(Add, nil, add.Args[:1], nil, nil, "") }, "add: has 1 arguments, want 2")
	panics(t, func() { AttrOf[ScaleAttr](add) }, "%5 (add)", "want ir.ScaleAttr")
	panics(t, func() { define(&Op{Name: "add"}) }, "defined twice")
	p.Stages = append(p.Stages, &Stage{Name: "two words", Func: &Func{}})
	panics(t, func() { p.Clone() }, "does not parse")
	expect(t, f, `
  %0:f32[8] = param
  %1:f32[8] = linear %0 @w
  %2:f32[8] = silu %1
  %3:f32[8] = mul %2 %1
  %5:f32[8] = add %3 %0
  return %5`)
}

// TestClone: nothing that is done to the copy shows in the original.
func TestClone(t *testing.T) {
	p, f := sample(t)
	text := p.String()
	c := p.Clone()
	if c.String() != text {
		t.Fatalf("clone is\n%v", c)
	}
	g := c.Stages[0].Func
	g.Values[4].Become(Mul, nil, g.Param, g.Param)
	c.Weights[0].Type.Shape[0] = 9
	c.States[0].Parts[0].Name = "T"
	if p.String() != text || f.Values[1].Weights[0] != p.Weights[0] {
		t.Errorf("the original became\n%v", p)
	}
}

// TestOps: what every op declares fits together.
func TestOps(t *testing.T) {
	for name, op := range ops {
		switch {
		case name != op.Name || !isWord(name):
			t.Errorf("%s: registered as %s", op.Name, name)
		case op.Doc == "" || op.Infer == nil || op.Eval == nil:
			t.Errorf("%s: not complete", name)
		case op.MaxArgs < op.MinArgs || op.MaxWeights < op.Weights:
			t.Errorf("%s: takes %s arguments and %s weights", name, span(op.MinArgs, op.MaxArgs), span(op.Weights, op.MaxWeights))
		case (op.Effect == Writes) != (op.Locality == Prefix) || (op.Effect == Reads) != (op.Locality == Cached):
			t.Errorf("%s: effect %v does not fit locality %d", name, op.Effect, op.Locality)
		}
	}
}
