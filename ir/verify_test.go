package ir

import (
	"strings"
	"testing"
)

// TestVerifyBuilt: what the text form cannot say.
func TestVerifyBuilt(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(p *Program)
		want string
	}{
		{"weight of another program", func(p *Program) {
			w := *p.Weights[1]
			p.Stages[1].Func.Values[1].Weights[0] = &w
		}, "%1: linear: weight @q is not the program's"},
		{"state of another program", func(p *Program) {
			s := *p.States[1]
			p.Stages[3].Func.Values[1].State = &s
		}, "%1: attend: state $kv is not the program's"},
		{"attribute of another op", func(p *Program) {
			p.Stages[3].Func.Values[1].Attr = WindowAttr{Scale: 1}
		}, "%1: attend: attribute is a ir.WindowAttr, want a ir.AttendAttr"},
		{"argument of another function", func(p *Program) {
			p.Stages[3].Func.Values[1].Args[0] = p.Stages[2].Func.Param
		}, "stage cross: %1: attend: argument %0 is not defined before"},
		{"number twice", func(p *Program) { p.Stages[1].Func.Values[2].ID = 1 }, "%1 is defined twice"},
		{"foreign param", func(p *Program) { p.Stages[3].Func.Param = p.Stages[2].Func.Param }, "the param %0 is not among the values"},
		{"foreign result", func(p *Program) { p.Stages[3].Func.Result = p.Stages[2].Func.Param }, "the result %0 is not among the values"},
		{"function twice", func(p *Program) { p.Stages[3].Func = p.Stages[2].Func }, "stage cross: function share belongs to another stage"},
		{"no stage result", func(p *Program) { p.Stages[4].Func.Result = nil }, "stage head: has no result"},
		{"name with a blank", func(p *Program) { p.Entries[0].Name = "pre fill" }, `entry: "pre fill" is not a name`},
		{"state name twice", func(p *Program) { p.States[0].Name = "kv" }, "state kv is defined twice"},
		{"weight name twice", func(p *Program) { p.Weights[0].Name = "q" }, "weight q is defined twice"},
		{"stage name twice", func(p *Program) { p.Stages[0].Name = "self" }, "stage self is defined twice"},
		{"entry name twice", func(p *Program) { p.Entries[0].Name = "score" }, "entry score is defined twice"},
		{"no program name", func(p *Program) { p.Name = "" }, `program: "" is not a name`},
		{"function without a name", func(p *Program) { p.Stages[0].Func.Name = "" }, `function: "" is not a name`},
		{"source without a name", func(p *Program) { p.Weights[0].Pack.Sources[0].Role = "a b" }, "weight @embed: source a b: not a name"},
		{"weight of no size", func(p *Program) { p.Weights[1].Type.Shape = nil }, "weight @q: shape is empty"},
		{"part of no size", func(p *Program) { p.States[1].Parts[0].Type.Shape = []int{0, 4} }, "state $kv: part k: shape [0 4] is not of positive sizes"},
		{"too many rows", func(p *Program) { p.Entries[0].Rows = append(p.Entries[0].Rows, All) }, "entry prefill has rows for 6 stages, want 5"},
	} {
		p := tiny(t)
		c.edit(p)
		if err := Verify(p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is\n%v\nwant in it\n%s", c.name, err, c.want)
		}
		_ = p.String() // anything prints
	}
}
