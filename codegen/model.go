package codegen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// model writes model.go: the package's doc and what a program that imports it calls.
func (g *generator) model() {
	p := g.plan
	f := g.file("model.go", "")
	for _, l := range g.doc() {
		f.PackageComment(l)
	}

	f.Comment("Name is the model's name in its spec.")
	f.Const().Id("Name").Op("=").Lit(p.Package)
	f.Line()
	comment(f, "A Model is the opened weights. It may be used by many goroutines and have many sessions;",
		"NewSession starts one.")
	f.Type().Id("Model").Struct(jen.Op("*").Qual(runtimePath, "Model"))
	f.Line()
	options := jen.Id("opts").Op("...").Qual(weightsPath, "Option")
	comment(f, "Open maps packed weights, as yococ build writes them. It checks header, sizes and fingerprint;",
		"Verify checks the payload, and so does the option weights.VerifyPayload().")
	f.Func().Id("Open").Params(jen.Id("path").String(), options).Params(jen.Op("*").Id("Model"), jen.Error()).Block(
		jen.List(jen.Id("m"), jen.Err()).Op(":=").Id("OpenRuntime").Call(jen.Id("path"), jen.Id("opts").Op("...")),
		jen.If(jen.Err().Op("!=").Nil()).Block(jen.Return(jen.Nil(), jen.Err())),
		jen.Return(jen.Op("&").Id("Model").Values(jen.Id("m")), jen.Nil()),
	)
	f.Line()
	comment(f, "OpenBytes is Open for weights in memory, such as an embedded file.")
	f.Func().Id("OpenBytes").Params(jen.Id("data").Index().Byte()).Params(jen.Op("*").Id("Model"), jen.Error()).Block(
		jen.List(jen.Id("f"), jen.Err()).Op(":=").Qual(weightsPath, "OpenBytes").Call(jen.Id("data"), jen.Id("fingerprint"), jen.Id("packed")),
		jen.If(jen.Err().Op("!=").Nil()).Block(jen.Return(jen.Nil(), jen.Err())),
		jen.Return(jen.Op("&").Id("Model").Values(jen.Id("runtimeModel").Call(jen.Id("f"))), jen.Nil()),
	)
	f.Line()
	comment(f, "OpenRuntime is Open, without the type of this package: for programs that run any model.")
	f.Func().Id("OpenRuntime").Params(jen.Id("path").String(), options).Params(jen.Op("*").Qual(runtimePath, "Model"), jen.Error()).Block(
		jen.List(jen.Id("f"), jen.Err()).Op(":=").Qual(weightsPath, "Open").Call(jen.Id("path"), jen.Id("fingerprint"), jen.Id("packed"), jen.Id("opts").Op("...")),
		jen.If(jen.Err().Op("!=").Nil()).Block(jen.Return(jen.Nil(), jen.Err())),
		jen.Return(jen.Id("runtimeModel").Call(jen.Id("f")), jen.Nil()),
	)
	f.Line()
	f.Func().Id("runtimeModel").Params(jen.Id("f").Op("*").Qual(weightsPath, "File")).Op("*").Qual(runtimePath, "Model").Block(
		jen.Id("w").Op(":=").Id("bind").Call(jen.Id("f")),
		jen.Return(jen.Qual(runtimePath, "NewModel").Call(
			jen.Qual(runtimePath, "Info").Values(g.info()...),
			jen.Id("f"),
			jen.Func().Params(jen.Id("c").Qual(runtimePath, "EngineConfig")).Params(jen.Qual(runtimePath, "Engine"), jen.Error()).Block(
				jen.Return(jen.Id("newEngine").Call(jen.Id("w"), jen.Id("c")), jen.Nil()),
			),
		)),
	)
	f.Line()
	comment(f, "scratchFloats is the private memory of a worker, in floats, for chunks of a size.")
	f.Func().Id("scratchFloats").Params(jen.Id("chunk").Int()).Int().Block(
		jen.Return(jen.Max(g.scratch()...)),
	)
	f.Line()
	comment(f, "regionBytes is the memory of the states of a fixed size.")
	f.Func().Id("regionBytes").Params().Int().Block(jen.Return(g.stateBytes(ir.Ring, ir.Carry)))
	f.Line()
	comment(f, "spanBytes is the memory of the caches that grow, for each span of tokens.")
	f.Func().Id("spanBytes").Params().Int().Block(jen.Return(g.stateBytes(ir.Shared, ir.Grow)))
}

func (g *generator) info() []jen.Code {
	p := g.plan
	var vs []jen.Code
	for _, kv := range []struct {
		name string
		val  jen.Code
	}{
		{"Name", jen.Id("Name")},
		{"Vocab", jen.Lit(p.Vocab)},
		{"Dim", jen.Lit(p.Dim)},
		{"Context", jen.Lit(p.Context)},
		{"Identity", jen.Lit(p.Identity())},
		{"Formats", jen.Lit(fmt.Sprintf("weights %s, cache %v", p.Precision(), p.CacheElem))},
		{"SelfLayers", jen.Lit(p.Self)},
		{"CrossLayers", jen.Lit(p.Cross)},
		{"HeadRows", jen.Lit(plan.HeadRows)},
		{"ScratchFloats", jen.Id("scratchFloats")},
		{"RegionBytes", jen.Id("regionBytes").Call()},
		{"SpanBytes", jen.Id("spanBytes").Call()},
		{"RowFloats", jen.Lit(g.rowFloats())},
		{"Sets", jen.Id("kernelSet")},
	} {
		vs = append(vs, jen.Line().Id(kv.name).Op(":").Add(kv.val))
	}
	return append(vs, jen.Line())
}

// scratch are the runtime's own sizes of scratch for the model's routines.
func (g *generator) scratch() []jen.Code {
	sizes := []jen.Code{jen.Qual(kernelPath, "LinearScratch").Call(jen.Lit(g.plan.Scratch.Inputs), jen.Id("chunk"))}
	var shapes []string
	for _, r := range g.plan.Scratch.Objects {
		o := g.plan.Object(string(r))
		shape := g.shape(o)
		if text := shape.GoString(); !slices.Contains(shapes, text) {
			shapes = append(shapes, text)
			sizes = append(sizes, shape.Dot("Scratch").Call(jen.Id("chunk")))
		}
	}
	return sizes
}

// shape is an object with what sizes depend on: its numbers of things and its format.
func (g *generator) shape(o *plan.Object) *jen.Statement {
	return jen.Qual(kernelPath, o.Type).ValuesFunc(func(v *jen.Group) {
		for _, fd := range o.Fields {
			n, isInt := fd.Value.(int)
			_, isElem := fd.Value.(ir.Elem)
			if isInt && n != 0 || isElem {
				v.Id(fd.Name).Op(":").Add(g.field(fd.Value))
			}
		}
	})
}

// stateBytes is the sum of the runtime's own sizes of the states of some kinds, in all layers.
func (g *generator) stateBytes(kinds ...ir.StateKind) jen.Code {
	var sum *jen.Statement
	for _, st := range g.plan.States {
		if !slices.Contains(kinds, st.Kind) {
			continue
		}
		spec := jen.Op("&").Add(g.shape(g.plan.Object(st.Object)))
		bytes := jen.Parens(spec).Dot("Bytes").Call()
		if st.Kind == ir.Carry {
			bytes = jen.Qual(kernelPath, "StateBytes").Call(spec)
		}
		if st.Layers > 1 {
			bytes = jen.Lit(st.Layers).Op("*").Add(bytes)
		}
		if sum == nil {
			sum = bytes
		} else {
			sum.Op("+").Line().Add(bytes)
		}
	}
	if sum == nil {
		return jen.Lit(0)
	}
	return sum
}

// doc is the package's comment.
func (g *generator) doc() []string {
	p := g.plan
	around := ""
	if slices.ContainsFunc(p.States, func(s plan.State) bool { return s.Kind == ir.Shared }) {
		around = fmt.Sprintf(" around one %s key/value cache,", p.CacheElem)
	}
	first := fmt.Sprintf("Package %s runs the YOCO model of %s: %d self-decoder and %d cross-decoder layers of", p.Package, p.Source, p.Self, p.Cross)
	if p.Cross == 0 {
		first = fmt.Sprintf("Package %s runs the model of %s: %d layers of", p.Package, p.Source, p.Self)
	}
	var files []string
	for i := range p.Stages {
		if s := &p.Stages[i]; s.Name != "embed" && s.Name != "head" {
			files = append(files, fileName(s))
		}
	}
	list, are := strings.Join(files, ", "), "is"
	if n := len(files) - 1; n > 0 {
		list, are = strings.Join(files[:n], ", ")+" and "+files[n], "are"
	}
	return []string{
		first,
		fmt.Sprintf("width %d%s with %s weights.", p.Dim, around, p.Precision()),
		"",
		list + " " + are + " the model; engine.go strings them together.",
		"",
		"It imports the runtime, and may not import anything of the compiler.",
	}
}
