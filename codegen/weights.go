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
		for _, t := range p.Tensors() {
			var shape []jen.Code
			for _, d := range t.Shape() {
				shape = append(shape, jen.Lit(d))
			}
			v.Line().Values(jen.Id("Name").Op(":").Lit(t.Name), jen.Id("DType").Op(":").Lit(t.DType()),
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
			if st.Layers {
				typ = jen.Index(jen.Lit(st.Repeat)).Add(typ)
			}
			s.Id(st.Name).Add(typ)
		}
	})
	f.Line()
	for _, st := range stages {
		what := "the " + st.Name + " stage"
		if st.Layers {
			what = "one layer of " + what
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
			if !st.Layers {
				for _, w := range g.stageWeights(st) {
					b.Id("m").Dot(st.Name).Dot(w.Field).Op("=").Add(g.bindCall(w.Tensors()[0], jen.Lit(0)))
				}
				continue
			}
			b.For(jen.Id("l").Op(":=").Range().Id("m").Dot(st.Name)).BlockFunc(func(in *jen.Group) {
				in.Id("p").Op(":=").Op("&").Id("m").Dot(st.Name).Index(jen.Id("l"))
				for _, w := range g.stageWeights(st) {
					in.Add(g.bindLayer(w))
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
	var formats []string
	for _, e := range w.Formats() {
		formats = append(formats, e.String())
	}
	shape := fmt.Sprintf("%s[%d %d]", strings.Join(formats, "+"), w.N, w.K)
	if w.Form == plan.Vector {
		shape = fmt.Sprintf("%v[%d]", w.Elem, w.N)
		if w.K > 1 {
			shape = fmt.Sprintf("%v[%d %d]", w.Elem, w.K, w.N)
		}
	}
	return shape + "  " + strings.Join(parts, ", ")
}

// bindLayer gives layer l of p its part of a weight, from the tensor that has it if there are several.
func (g *generator) bindLayer(w *plan.Weight) jen.Code {
	bind := func(t plan.Tensor) jen.Code {
		l := jen.Id("l")
		if t.First > 0 {
			l.Op("-").Lit(t.First)
		}
		return jen.Id("p").Dot(w.Field).Op("=").Add(g.bindCall(t, l))
	}
	ts := w.Tensors()
	if len(ts) == 1 {
		return bind(ts[0])
	}
	return jen.Switch().BlockFunc(func(s *jen.Group) {
		for _, t := range ts[:len(ts)-1] {
			s.Case(jen.Id("l").Op("<").Lit(t.First + t.Layers)).Block(bind(t))
		}
		s.Default().Block(bind(ts[len(ts)-1]))
	})
}

// bindCall finds a layer of a tensor in the file.
func (g *generator) bindCall(t plan.Tensor, layer jen.Code) jen.Code {
	w, name := t.Weight, t.Name
	if w.Alias != "" {
		name = w.Alias
	}
	if w.Layers == 0 { // all layers have the same
		layer = jen.Lit(0)
	}
	format := jen.Qual(runtimePath, strings.ToUpper(t.Elem.String()))
	if t.Elem == ir.BF16 && w.Rounds {
		format = jen.Qual(runtimePath, "RoundingBF16")
	}
	args := []jen.Code{jen.Id("f"), jen.Lit(name)}
	switch w.Form {
	case plan.Matrix:
		return jen.Qual(runtimePath, "BindMatrix").Call(append(args, format, layer, jen.Lit(w.Outputs()), jen.Lit(w.K))...)
	case plan.Table:
		return jen.Qual(runtimePath, "BindTable").Call(append(args, format, jen.Lit(w.N), jen.Lit(w.K), jen.Lit(w.Alias != ""))...)
	default:
		if w.K > 1 {
			return jen.Qual(runtimePath, "BindVectors").Call(append(args, layer, jen.Lit(w.N), jen.Lit(w.K))...)
		}
		return jen.Qual(runtimePath, "BindVector").Call(append(args, layer, jen.Lit(w.N))...)
	}
}
