package codegen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// engine writes engine.go: the sequence of stages of each entry, and where the session's memory is.
func (g *generator) engine() {
	p := g.plan
	f := g.file("engine.go", "")
	comment(f, "engine runs the model for one session: its stages, over one arena and the states that are bound to it.")
	f.Type().Id("engine").StructFunc(func(s *jen.Group) {
		s.Id("weights").Op("*").Id("modelWeights")
		s.Id("scratch").Id("scratch")
		s.Id("logits").Qual(kernelPath, "Rows").Comment(fmt.Sprintf("[%d][%d]", plan.HeadRows, p.Vocab))
		s.Line()
		for _, o := range p.Objects {
			s.Id(o.Name).Qual(kernelPath, o.Type)
		}
		s.Line()
		for _, st := range p.States {
			typ := jen.Qual(kernelPath, st.Type)
			if st.Layers > 0 {
				typ = jen.Index(jen.Lit(st.Layers)).Add(typ)
			}
			s.Id(st.Name).Add(typ).Comment(st.Kind.String())
		}
		if len(g.attends()) > 0 {
			s.Id("partial").Index().Float32().Comment("results of cache segments, until they are merged")
		}
		s.Line()
		s.Id("runs").Index().Id("run").Comment("what the rows in work are")
	})
	f.Line()
	g.run(f)
	g.newEngine(f)
	g.bindStates(f)
	g.rewindable(f)
	g.forget(f)
	g.spoiled(f)
	g.place(f)
	for i := range p.Entries {
		g.entry(f, &p.Entries[i])
	}
	g.head(f)
	g.export(f)
}

// run writes the type of rows that belong together.
func (g *generator) run(f *jen.File) {
	comment(f, "run is tokens of one session that follow one another, among the rows in work: the session's engine,",
		"for its states, and the tokens' rows of the scratch that the pass is computed in.")
	f.Type().Id("run").Struct(
		jen.Op("*").Id("engine"),
		jen.Id("scratch"),
		jen.List(jen.Id("pos"), jen.Id("rows")).Int().Comment("of the first token; number of tokens"),
	)
	f.Line()
}

// place writes the method that says what the rows of the next pass are.
func (g *generator) place(f *jen.File) {
	comment(f, "Place says whose tokens the rows of the next pass are, one run after another.")
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id("Place").Params(jen.Id("runs").Index().Qual(runtimePath, "Run")).Block(
		jen.Clear(jen.Id("e").Dot("runs")).Comment("keep no other session's memory"),
		jen.Id("e").Dot("runs").Op("=").Id("e").Dot("runs").Index(jen.Empty(), jen.Lit(0)),
		jen.Id("row").Op(":=").Lit(0),
		jen.For(jen.List(jen.Id("_"), jen.Id("r")).Op(":=").Range().Id("runs")).Block(
			jen.Id("e").Dot("runs").Op("=").Append(jen.Id("e").Dot("runs"), jen.Id("run").Values(
				jen.Id("r").Dot("Engine").Assert(jen.Op("*").Id("engine")), jen.Id("e").Dot("scratch").Dot("from").Call(jen.Id("row")),
				jen.Id("r").Dot("Pos"), jen.Id("r").Dot("Rows"))),
			jen.Id("row").Op("+=").Id("r").Dot("Rows"),
		),
	)
	f.Line()
}

// attends are the objects of the routines that attend to a cache which grows.
func (g *generator) attends() []string {
	var objects []string
	for _, s := range g.plan.Stages {
		for _, step := range s.Steps {
			if step.Routine != plan.Attend {
				continue
			}
			if o := string(step.Operands[0].(plan.ObjectArg)); !slices.Contains(objects, o) {
				objects = append(objects, o)
			}
		}
	}
	return objects
}

// newEngine writes the function that lays an engine's own memory out.
func (g *generator) newEngine(f *jen.File) {
	p := g.plan
	comment(f, "newEngine lays out an engine's own memory. Nothing is allocated after it, but for the runs of larger batches.")
	f.Func().Id("newEngine").Params(jen.Id("weights").Op("*").Id("modelWeights"), jen.Id("c").Qual(runtimePath, "EngineConfig")).Op("*").Id("engine").BlockFunc(func(b *jen.Group) {
		b.Id("m").Op(":=").Id("c").Dot("Memory")
		b.Id("e").Op(":=").Op("&").Id("engine").Values(jen.Dict{jen.Id("weights"): jen.Id("weights"), jen.Id("scratch"): jen.Id("newScratch").Call(jen.Id("m"), jen.Id("c").Dot("Chunk"))})
		b.Id("e").Dot("logits").Op("=").Qual(kernelPath, "Rows").Values(jen.Dict{
			jen.Id("Data"):   jen.Id("m").Dot("Floats").Call(jen.Lit(plan.HeadRows * p.Vocab)),
			jen.Id("Stride"): jen.Lit(p.Vocab),
		})
		b.Line()
		for _, o := range p.Objects {
			b.Id("e").Dot(o.Name).Op("=").Add(g.object(&o))
		}
		var partials []jen.Code
		for _, a := range g.attends() {
			partials = append(partials, jen.Id("e").Dot(a).Dot("Partial").Call(jen.Id("c").Dot("Context")))
		}
		switch len(partials) {
		case 0:
		case 1:
			b.Line()
			b.Id("e").Dot("partial").Op("=").Id("m").Dot("Floats").Call(partials[0])
		default:
			b.Line()
			b.Id("e").Dot("partial").Op("=").Id("m").Dot("Floats").Call(jen.Max(partials...))
		}
		b.Return(jen.Id("e"))
	})
	f.Line()
}

// bindStates writes the method that says where a session's states are.
func (g *generator) bindStates(f *jen.File) {
	comment(f, "Bind gives the engine the states of a session: those of a fixed size in region, caches that grow in spans.")
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id("Bind").Params(jen.Id("region").Index().Byte(), jen.Id("spans").Op("*").Qual(kernelPath, "Spans")).BlockFunc(func(b *jen.Group) {
		b.Id("at").Op(":=").Qual(kernelPath, "NewStates").Call(jen.Id("region"), jen.Id("spans"))
		for _, st := range g.plan.States {
			spec := jen.Id("e").Dot(st.Object)
			view := spec.Clone().Dot("View").Call(jen.Op("&").Id("at"))
			if st.Kind == ir.Carry {
				view = spec.Clone().Dot("State").Call(jen.Id("at").Dot("Floats").Call(spec.Clone().Dot("StateFloats").Call()))
			}
			if st.Layers > 0 {
				b.For(jen.Id("l").Op(":=").Range().Id("e").Dot(st.Name)).Block(jen.Id("e").Dot(st.Name).Index(jen.Id("l")).Op("=").Add(view))
			} else {
				b.Id("e").Dot(st.Name).Op("=").Add(view)
			}
		}
	})
	f.Line()
}

// rewindable writes the method that asks the layouts of all states.
func (g *generator) rewindable(f *jen.File) {
	comment(f, "Rewindable reports whether the states after from tokens serve as those after the first to of them.")
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id("Rewindable").Params(jen.List(jen.Id("from"), jen.Id("to")).Int()).Bool().BlockFunc(func(b *jen.Group) {
		var all *jen.Statement
		var asked []string
		for _, st := range g.plan.States {
			if slices.Contains(asked, st.Object) {
				continue
			}
			asked = append(asked, st.Object)
			one := jen.Id("e").Dot(st.Object).Dot("Rewindable").Call(jen.Id("from"), jen.Id("to"))
			if all == nil {
				all = one
			} else {
				all.Op("&&").Line().Add(one)
			}
		}
		if all == nil {
			all = jen.True()
		}
		b.Return(all)
	})
	f.Line()
}

// forget writes the method that makes states equal bytes which say the same.
func (g *generator) forget(f *jen.File) {
	comment(f, "Forget makes zero what the states hold and no token from position pos on looks at.")
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id("Forget").Params(jen.Id("pos").Int()).BlockFunc(func(b *jen.Group) {
		for _, st := range g.plan.States {
			state := jen.Op("&").Id("e").Dot(st.Name)
			if st.Layers > 0 {
				state.Index(jen.Id("l"))
			}
			call := jen.Id("e").Dot(st.Object).Dot("Forget").Call(state, jen.Id("pos"))
			if st.Layers > 0 {
				call = jen.For(jen.Id("l").Op(":=").Range().Id("e").Dot(st.Name)).Block(call)
			}
			b.Add(call)
		}
	})
	f.Line()
}

// spoiled writes the method that asks the layout of each state of the region.
func (g *generator) spoiled(f *jen.File) {
	comment(f, "Spoiled appends the parts of the region that do not say, after from tokens, what they said after the first to",
		"of them.")
	parts := jen.Index().Qual(kernelPath, "Part")
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id("Spoiled").Params(jen.Id("parts").Add(parts), jen.List(jen.Id("from"), jen.Id("to")).Int()).Add(parts).BlockFunc(func(b *jen.Group) {
		b.Id("at").Op(":=").Qual(kernelPath, "NewParts").Call(jen.Id("parts"))
		for _, st := range g.plan.States {
			spec := jen.Id("e").Dot(st.Object)
			size := spec.Clone().Dot("Bytes").Call()
			switch st.Kind {
			case ir.Shared, ir.Grow:
				continue
			case ir.Carry:
				size = jen.Qual(kernelPath, "StateBytes").Call(jen.Op("&").Add(spec.Clone()))
			}
			b.Id("at").Dot("Add").Call(jen.Lit(max(st.Layers, 1)), size, spec.Clone().Dot("Rewindable").Call(jen.Id("from"), jen.Id("to")))
		}
		b.Return(jen.Id("at").Dot("Spoiled"))
	})
	f.Line()
}

// object is the expression that builds an object.
func (g *generator) object(o *plan.Object) jen.Code {
	if o.Type == "Rope" {
		return jen.Op("*").Qual(kernelPath, "NewRope").CallFunc(func(a *jen.Group) {
			for _, fd := range o.Fields {
				a.Add(g.field(fd.Value))
			}
		})
	}
	return jen.Qual(kernelPath, o.Type).ValuesFunc(func(v *jen.Group) {
		for _, fd := range o.Fields {
			v.Id(fd.Name).Op(":").Add(g.field(fd.Value))
		}
	})
}

// field is the expression of a field of an object.
func (g *generator) field(v any) jen.Code {
	switch v := v.(type) {
	case plan.Ref:
		if v == "" {
			return jen.Nil()
		}
		return jen.Op("&").Id("e").Dot(string(v))
	case ir.Elem:
		return jen.Qual(kernelPath, strings.ToUpper(v.String()))
	default:
		return jen.Lit(v)
	}
}

// entry writes the method of an entry: the phases that its stages need, then the stages.
func (g *generator) entry(f *jen.File, en *plan.Entry) {
	name := map[string]string{"prefill": "Prefill", "last": "Last", "score": "Score"}[en.Name]
	comment(f, strings.Split(name+" "+en.Doc, "\n")...)
	last := en.Name == "last"
	params := []jen.Code{jen.Id("w").Op("*").Qual(kernelPath, "Worker")}
	if last {
		params = append(params, jen.Id("row").Int())
	} else {
		params = append(params, jen.Id("tokens").Index().Int32())
	}
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id(name).Params(params...).BlockFunc(func(b *jen.Group) {
		rows := jen.Code(jen.Lit(1))
		if last {
			b.Qual(kernelPath, "FirstRow").Call(jen.Id("w"), jen.Id("e").Dot("scratch").Dot(g.plan.Residual), jen.Id("row"), jen.Lit(g.rowFloats()))
		} else {
			b.Id("rows").Op(":=").Len(jen.Id("tokens"))
			rows = jen.Id("rows")
		}
		for _, r := range g.phases(en) {
			b.Add(eachRun(jen.Qual(kernelPath, plan.Rotate.Name).Call(jen.Id("w"), jen.Id("r").Dot("phases").Dot(r), jen.Op("&").Id("e").Dot(r), jen.Id("r").Dot("pos"), jen.Id("r").Dot("rows"))))
		}
		if last {
			b.Id("w").Dot("Sync").Call()
		}
		for _, i := range en.Stages {
			b.Add(g.stageCall(&g.plan.Stages[i], jen.Lit(0), rows))
		}
	})
	f.Line()
}

// phases are the ropes whose phases an entry's stages use, in order of use.
func (g *generator) phases(en *plan.Entry) []string {
	var ropes []string
	seen := map[string]bool{}
	for _, i := range en.Stages {
		for _, step := range g.plan.Stages[i].Steps {
			for _, o := range step.Operands {
				if r, ok := o.(plan.PhasesArg); ok && r != "" && !seen[string(r)] {
					seen[string(r)] = true
					ropes = append(ropes, string(r))
				}
			}
		}
	}
	return ropes
}

// head writes the methods that score needs after its stages, and that give the logits away.
func (g *generator) head(f *jen.File) {
	h := g.plan.Stage("head")
	comment(f, "Head computes the logits of rows from … from+rows-1 of the chunk that Score has just seen.")
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id("Head").Params(jen.Id("w").Op("*").Qual(kernelPath, "Worker"), jen.List(jen.Id("from"), jen.Id("rows")).Int()).Block(
		g.stageCall(h, jen.Id("from"), jen.Id("rows")),
	)
	f.Line()
	comment(f, "Row is all that Last and Head read of a row of the chunk.")
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id("Row").Params(jen.Id("row").Int()).Index().Float32().Block(
		jen.Return(jen.Id("e").Dot("scratch").Dot(g.plan.Residual).Dot("Row").Call(jen.Id("row"), jen.Lit(g.rowFloats()))))
	f.Line()
	comment(f, "Logits are the rows that Last and Head fill.")
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id("Logits").Params().Qual(kernelPath, "Rows").Block(jen.Return(jen.Id("e").Dot("logits")))
	f.Line()
}

// rowFloats is the width of the stream between the stages.
func (g *generator) rowFloats() int { return g.plan.Slot(g.plan.Residual).Width }

// export writes the method that brings the states into the conventions of golden files.
func (g *generator) export(f *jen.File) {
	comment(f, "Export returns the states after pos tokens: of the shared cache shared_k and shared_v, of layer N of the",
		"self-decoder selfN.k and selfN.v, [tokens, kv heads, head size], or selfN.S and others of a fixed size.")
	f.Func().Params(jen.Id("e").Op("*").Id("engine")).Id("Export").Params(jen.Id("pos").Int()).Index().Qual(runtimePath, "Tensor").BlockFunc(func(b *jen.Group) {
		b.Var().Id("out").Index().Qual(runtimePath, "Tensor")
		for _, st := range g.plan.States {
			state := jen.Op("&").Id("e").Dot(st.Name)
			if st.Layers > 1 {
				state.Index(jen.Id("l"))
			} else if st.Layers == 1 {
				state.Index(jen.Lit(0))
			}
			prefix := jen.Code(jen.Lit("shared_"))
			switch {
			case st.Layers == 1:
				prefix = jen.Lit(fmt.Sprintf("self%d.", st.First))
			case st.Layers > 1:
				prefix = jen.Qual("fmt", "Sprintf").Call(jen.Lit("self%d."), layerOf(st.First, st.Step, st.Layers))
			}
			tensors := jen.Qual(kernelPath, "Named").Call(prefix, jen.Id("e").Dot(st.Object).Dot("Export").Call(state, jen.Id("pos")))
			add := jen.Id("out").Op("=").Append(jen.Id("out"), tensors.Op("..."))
			if st.Layers > 1 {
				add = jen.For(jen.Id("l").Op(":=").Range().Id("e").Dot(st.Name)).Block(add)
			}
			b.Add(add)
		}
		b.Return(jen.Id("out"))
	})
}

// layerOf is the layer of the stack that layer l of n stands for.
func layerOf(first, step, n int) jen.Code {
	if n == 1 {
		return jen.Lit(first)
	}
	l := jen.Id("l")
	if step > 1 {
		l = jen.Lit(step).Op("*").Id("l")
	}
	if first > 0 {
		l = jen.Lit(first).Op("+").Add(l)
	}
	return l
}
