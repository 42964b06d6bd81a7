package codegen

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/dave/jennifer/jen"

	"github.com/yococ/yococ/ir/plan"
)

// funcName is the method that a stage becomes: selfLayer where it is layers, head where not.
func funcName(s *plan.Stage) string {
	if s.Layers {
		return s.Name + "Layer"
	}
	return s.Name
}

// fileName is the file that a stage becomes: selfLast → self_last.go.
func fileName(s *plan.Stage) string {
	var b strings.Builder
	for _, r := range s.Name {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String() + ".go"
}

// stage writes the file of one stage: a method that is a straight line of calls.
func (g *generator) stage(s *plan.Stage) {
	f := g.file(fileName(s), "")
	doc := strings.Split(strings.TrimSpace(s.Doc), "\n")
	comment(f, funcName(s)+" "+doc[0])
	for _, l := range doc[1:] {
		comment(f, l)
	}
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id(funcName(s)).Params(g.stageParams(s)...).BlockFunc(func(b *jen.Group) {
		if slices.ContainsFunc(s.Steps, func(step plan.Step) bool { return !perRun(&step) && slices.ContainsFunc(step.Operands, isSlot) }) {
			b.Id("s").Op(":=").Op("&").Id("e").Dot("scratch")
		}
		if uses(s, isWeight) {
			p := jen.Op("&").Id("e").Dot("weights").Dot(s.Name)
			if s.Layers {
				p.Index(jen.Id("l"))
			}
			b.Id("p").Op(":=").Add(p)
		}
		b.Line()
		for _, step := range s.Steps {
			if step.Sync {
				b.Id("w").Dot("Sync").Call()
			}
			call := jen.Qual(kernelPath, step.Routine.Name).CallFunc(func(args *jen.Group) {
				args.Id("w")
				for _, o := range step.Operands {
					args.Add(g.operand(s, &step, o))
				}
			})
			if step.Value != "" {
				call.Comment(step.Value)
			}
			if perRun(&step) {
				call = eachRun(call)
			}
			b.Add(call)
		}
		b.Id("w").Dot("Sync").Call()
	})
}

// stageParams are a stage method's parameters: the worker, the layer, and what its steps name.
func (g *generator) stageParams(s *plan.Stage) []jen.Code {
	ps := []jen.Code{jen.Id("w").Op("*").Qual(kernelPath, "Worker")}
	var ints []jen.Code
	if takesLayer(s) {
		ints = append(ints, jen.Id("l"))
	}
	if namesArg(s, "tokens") {
		ps = append(ps, jen.Id("tokens").Index().Int32())
	}
	if s.Name == "head" {
		ints = append(ints, jen.Id("from"))
	}
	if namesRows(s) {
		ints = append(ints, jen.Id("rows"))
	}
	if len(ints) > 0 {
		ps = append(ps, jen.List(ints...).Int())
	}
	return ps
}

// takesLayer reports whether a stage's method has to know which layer it is.
func takesLayer(s *plan.Stage) bool {
	return s.Layers && (uses(s, isWeight) || uses(s, func(o plan.Operand) bool { _, ok := o.(plan.StateArg); return ok }))
}

// stageCall calls a stage's method with what it takes, in a loop over layers if it repeats.
func (g *generator) stageCall(s *plan.Stage, from, rows jen.Code) jen.Code {
	args := []jen.Code{jen.Id("w")}
	if namesArg(s, "tokens") {
		args = append(args, jen.Id("tokens"))
	}
	if takesLayer(s) {
		l := jen.Id("l")
		if s.Repeat == 1 {
			l = jen.Lit(0)
		}
		args = append(args, l)
	}
	if s.Name == "head" {
		args = append(args, from)
	}
	if namesRows(s) {
		args = append(args, rows)
	}
	call := jen.Id("e").Dot(funcName(s)).Call(args...)
	if s.Repeat > 1 {
		return jen.For(jen.Id("l").Op(":=").Range().Lit(s.Repeat)).Block(call)
	}
	return call
}

// perRun reports whether a step is called for each run of rows: it looks at positions and states,
// which every session has its own of.
func perRun(step *plan.Step) bool {
	return slices.Contains(step.Operands, plan.Operand(plan.NameArg("pos")))
}

// eachRun repeats a call for every run r.
func eachRun(call jen.Code) *jen.Statement {
	return jen.For(jen.List(jen.Id("_"), jen.Id("r")).Op(":=").Range().Id("e").Dot("runs")).Block(call)
}

// operand prints one argument of a step. A run has the engine's fields and its own rows of the slots.
func (g *generator) operand(s *plan.Stage, step *plan.Step, o plan.Operand) jen.Code {
	engine, scratch := "e", "s"
	if perRun(step) {
		engine, scratch = "r", "r"
	}
	switch o := o.(type) {
	case plan.SlotArg:
		return g.slot(s, scratch, o.Slot, o.Col)
	case plan.InputArg:
		x := g.slot(s, scratch, o.Slot, o.Col)
		switch {
		case o.Tmp == "":
			return jen.Qual(kernelPath, "Plain").Call(x)
		case o.Eps == 0:
			return jen.Qual(kernelPath, "Quantized").Call(x, g.slot(s, scratch, o.Tmp, 0))
		}
		return jen.Qual(kernelPath, "Normed").Call(x, g.weight(plan.WeightArg(o.Gain)), jen.Lit(o.Eps), g.slot(s, scratch, o.Tmp, 0))
	case plan.WeightArg:
		return g.weight(o)
	case plan.ObjectArg:
		if o == "" {
			return jen.Nil()
		}
		return jen.Op("&").Id(engine).Dot(string(o))
	case plan.StateArg:
		st := jen.Op("&").Id(engine).Dot(string(o))
		if g.plan.State(string(o)).Layers > 0 {
			st.Index(jen.Id("l"))
		}
		return st
	case plan.PhasesArg:
		if o == "" {
			return jen.Qual(kernelPath, "Phases").Values()
		}
		return jen.Id(scratch).Dot("phases").Dot(string(o))
	case plan.LayerArg:
		return layerOf(o.First, o.Step, s.Repeat)
	case plan.IntArg:
		return jen.Lit(int(o))
	case plan.FloatArg:
		return jen.Lit(float64(o))
	case plan.NameArg:
		if perRun(step) {
			return jen.Id("r").Dot(string(o))
		}
		return jen.Id(string(o))
	}
	panic(fmt.Sprintf("BUG: operand %T", o))
}

// slot prints a slot's rows. The head's input starts at the row that its caller names.
func (g *generator) slot(s *plan.Stage, scratch, name string, col int) *jen.Statement {
	if name == plan.Logits {
		return jen.Id("e").Dot("logits")
	}
	x := jen.Id(scratch).Dot(name)
	if s.Name == "head" && name == g.plan.Residual {
		x.Dot("From").Call(jen.Id("from"))
	}
	if col > 0 {
		x.Dot("Cols").Call(jen.Lit(col))
	}
	return x
}

// weight prints a field of the stage's weights: a vector as a slice, the rest by address.
func (g *generator) weight(name plan.WeightArg) jen.Code {
	if name == "" {
		return jen.Nil()
	}
	w := g.plan.Weight(string(name))
	if w.Form == plan.Vector {
		return jen.Id("p").Dot(w.Field)
	}
	return jen.Op("&").Id("p").Dot(w.Field)
}

// uses reports whether a stage has an operand of a kind.
func uses(s *plan.Stage, kind func(plan.Operand) bool) bool {
	return slices.ContainsFunc(s.Steps, func(step plan.Step) bool { return slices.ContainsFunc(step.Operands, kind) })
}

// isSlot reports whether an operand is printed with the scratch, which a rotation's phases are part of.
func isSlot(o plan.Operand) bool {
	switch o := o.(type) {
	case plan.SlotArg:
		return o.Slot != plan.Logits
	case plan.InputArg:
		return true
	case plan.PhasesArg:
		return o != ""
	}
	return false
}

// isWeight reports whether an operand is printed with the stage's weights.
func isWeight(o plan.Operand) bool {
	w, ok := o.(plan.WeightArg)
	return ok && w != ""
}

// namesArg reports whether a stage has an operand of that name.
func namesArg(s *plan.Stage, name string) bool {
	return uses(s, func(o plan.Operand) bool { return o == plan.NameArg(name) })
}

// namesRows reports whether a stage needs the number of all rows.
func namesRows(s *plan.Stage) bool {
	return slices.ContainsFunc(s.Steps, func(step plan.Step) bool {
		return !perRun(&step) && slices.Contains(step.Operands, plan.Operand(plan.NameArg("rows")))
	})
}
