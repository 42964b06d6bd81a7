package codegen

import (
	"fmt"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// weights writes weights.go: what the packed weight file has to hold, and the structs through
// which stages reach it.
func (g *generator) weights() {
	p := g.plan
	f := g.file("weights.go", "")
	comment(f, "fingerprint ties packed weights to this package: both come from one plan.")
	f.Const().Id("fingerprint").Op("=").Lit(p.Fingerprint())
	f.Line()
	comment(f, "packed are the tensors of the weight file, in order.")
	f.Var().Id("packed").Op("=").Index().Qual(weightsPath, "Entry").ValuesFunc(func(v *jen.Group) {
		for _, w := range p.Weights {
			if w.Alias != "" {
				continue
			}
			var shape []jen.Code
			for _, d := range w.Shape() {
				shape = append(shape, jen.Lit(d))
			}
			v.Line().Values(jen.Id("Name").Op(":").Lit(w.Name), jen.Id("DType").Op(":").Lit(dtype(w.Elem)),
				jen.Id("Shape").Op(":").Index().Int().Values(shape...))
		}
		v.Line()
	})
	f.Line()

	comment(f, "modelWeights are the trained parameters: views of the weight file, which is mapped.")
	var stages []*plan.Stage
	f.Type().Id("modelWeights").StructFunc(func(s *jen.Group) {
		for i := range p.Stages {
			st := &p.Stages[i]
			if len(g.stageWeights(st)) == 0 {
				continue
			}
			stages = append(stages, st)
			typ := jen.Id(st.Name + "Weights")
			if funcName(st) != st.Name {
				typ = jen.Index(jen.Lit(st.Repeat)).Add(typ)
			}
			s.Id(st.Name).Add(typ)
		}
	})
	f.Line()
	for _, st := range stages {
		what := "the " + st.Name + " stage"
		if funcName(st) != st.Name {
			what = fmt.Sprintf("one layer of the %s-decoder", st.Name)
		}
		comment(f, fmt.Sprintf("%sWeights are the weights of %s.", st.Name, what))
		f.Type().Id(st.Name + "Weights").StructFunc(func(s *jen.Group) {
			for _, w := range g.stageWeights(st) {
				s.Id(w.Field).Add(weightType(w)).Comment(weightNote(w))
			}
		})
		f.Line()
	}

	comment(f, "bind gives every weight its place in the file.")
	f.Func().Id("bind").Params(jen.Id("f").Op("*").Qual(weightsPath, "File")).Op("*").Id("modelWeights").BlockFunc(func(b *jen.Group) {
		b.Id("m").Op(":=").Op("&").Id("modelWeights").Values()
		for _, st := range stages {
			if funcName(st) == st.Name {
				for _, w := range g.stageWeights(st) {
					b.Id("m").Dot(st.Name).Dot(w.Field).Op("=").Add(bindCall(w, jen.Lit(0)))
				}
				continue
			}
			b.For(jen.Id("l").Op(":=").Range().Id("m").Dot(st.Name)).BlockFunc(func(in *jen.Group) {
				in.Id("p").Op(":=").Op("&").Id("m").Dot(st.Name).Index(jen.Id("l"))
				for _, w := range g.stageWeights(st) {
					in.Id("p").Dot(w.Field).Op("=").Add(bindCall(w, jen.Id("l")))
				}
			})
		}
		b.Return(jen.Id("m"))
	})
}

// stageWeights are the weights that a stage reads.
func (g *generator) stageWeights(s *plan.Stage) []*plan.Weight {
	var ws []*plan.Weight
	for i := range g.plan.Weights {
		if g.plan.Weights[i].Stage == s.Name {
			ws = append(ws, &g.plan.Weights[i])
		}
	}
	return ws
}

// weightType is the type of a weight's field.
func weightType(w *plan.Weight) jen.Code {
	switch w.Form {
	case plan.Matrix:
		return jen.Qual(kernelPath, "Matrix")
	case plan.Table:
		return jen.Qual(kernelPath, "Table")
	default:
		return jen.Index().Float32()
	}
}

// weightNote says what a weight is made of.
func weightNote(w *plan.Weight) string {
	var parts []string
	for _, s := range w.Sources {
		n := s.Role
		if s.Gain != "" {
			n += " · " + s.Gain
		}
		if s.Scale != 1 {
			n += fmt.Sprintf(" · %.6g", s.Scale)
		}
		parts = append(parts, n)
	}
	shape := fmt.Sprintf("%v[%d %d]", w.Elem, w.N, w.K)
	if w.Form == plan.Vector {
		shape = fmt.Sprintf("%v[%d]", w.Elem, w.N)
	}
	return shape + "  " + strings.Join(parts, ", ")
}

// bindCall finds a weight's layer in the file.
func bindCall(w *plan.Weight, layer jen.Code) jen.Code {
	name := w.Name
	if w.Alias != "" {
		name = w.Alias
	}
	if w.Layers == 0 { // all layers have the same
		layer = jen.Lit(0)
	}
	args := []jen.Code{jen.Id("f"), jen.Lit(name)}
	switch w.Form {
	case plan.Matrix:
		return jen.Qual(runtimePath, "BindMatrix").Call(append(args, layer, jen.Lit(w.Outputs()), jen.Lit(w.K))...)
	case plan.Table:
		return jen.Qual(runtimePath, "BindTable").Call(append(args, jen.Lit(w.N), jen.Lit(w.K), jen.Lit(w.Alias != ""))...)
	default:
		return jen.Qual(runtimePath, "BindVector").Call(append(args, layer, jen.Lit(w.N))...)
	}
}

// dtype is how safetensors spells an element type.
func dtype(e ir.Elem) string { return strings.ToUpper(e.String()) }
