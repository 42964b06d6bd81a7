package codegen

import (
	"fmt"

	"github.com/dave/jennifer/jen"

	"github.com/yococ/yococ/ir/plan"
)

// arena writes arena.go: the activations of a chunk, views of one range of memory.
func (g *generator) arena() {
	p := g.plan
	f := g.file("arena.go", "")
	comment(f, "scratch holds the activations of a chunk of tokens: views of one arena. A slot starts at",
		"offset*chunk floats and has a row of stride floats a token. Two slots share memory only where",
		"they are never in use at once.", "")
	for _, l := range g.arenaTable() {
		comment(f, l)
	}
	f.Type().Id("scratch").StructFunc(func(s *jen.Group) {
		for _, sl := range p.Slots {
			s.Id(sl.Name).Qual(kernelPath, "Rows")
		}
		if ropes := g.ropes(); len(ropes) > 0 {
			s.Id("phases").StructFunc(func(in *jen.Group) {
				for _, r := range ropes {
					in.Id(r.Name).Qual(kernelPath, "Phases")
				}
			}).Comment("rotations of the chunk's positions")
		}
	})
	f.Line()
	comment(f, "newScratch lays the arena out for chunks of at most chunk tokens.")
	f.Func().Id("newScratch").Params(jen.Id("m").Op("*").Qual(runtimePath, "Memory"), jen.Id("chunk").Int()).Id("scratch").BlockFunc(func(b *jen.Group) {
		b.Id("arena").Op(":=").Id("m").Dot("Floats").Call(jen.Lit(p.ArenaFloats()).Op("*").Id("chunk"))
		b.Id("rows").Op(":=").Func().Params(jen.List(jen.Id("offset"), jen.Id("stride")).Int()).Qual(kernelPath, "Rows").Block(
			jen.Return(jen.Qual(kernelPath, "Rows").Values(jen.Dict{
				jen.Id("Data"):   jen.Id("arena").Index(jen.Id("offset").Op("*").Id("chunk"), jen.Parens(jen.Id("offset").Op("+").Id("stride")).Op("*").Id("chunk")),
				jen.Id("Stride"): jen.Id("stride"),
			})))
		b.Var().Id("s").Id("scratch")
		for _, sl := range p.Slots {
			b.Id("s").Dot(sl.Name).Op("=").Id("rows").Call(jen.Lit(sl.Offset), jen.Lit(sl.Stride)).Comment(sl.Value)
		}
		offset := p.SlotFloats()
		for _, r := range g.ropes() {
			stride := plan.Stride(r.Int("Dim"))
			b.Id("s").Dot("phases").Dot(r.Name).Op("=").Qual(kernelPath, "Phases").Values(
				jen.Id("Cos").Op(":").Id("rows").Call(jen.Lit(offset), jen.Lit(stride)),
				jen.Id("Sin").Op(":").Id("rows").Call(jen.Lit(offset+stride), jen.Lit(stride)),
			)
			offset += 2 * stride
		}
		b.Return(jen.Id("s"))
	})
	f.Line()
	f.Comment("from is the scratch from a row on.")
	f.Func().Params(jen.Id("s").Id("scratch")).Id("from").Params(jen.Id("row").Int()).Id("scratch").BlockFunc(func(b *jen.Group) {
		move := func(name ...string) {
			x := jen.Id("s")
			for _, n := range name {
				x.Dot(n)
			}
			b.Add(x).Op("=").Add(x).Dot("From").Call(jen.Id("row"))
		}
		for _, sl := range p.Slots {
			move(sl.Name)
		}
		for _, r := range g.ropes() {
			move("phases", r.Name)
		}
		b.Return(jen.Id("s"))
	})
}

// ropes are the objects that rotate.
func (g *generator) ropes() []plan.Object {
	var ropes []plan.Object
	for _, o := range g.plan.Objects {
		if o.Type == "Rope" {
			ropes = append(ropes, o)
		}
	}
	return ropes
}

// arenaTable is the arena's doc: a line a slot, with the steps during which it is in use.
func (g *generator) arenaTable() []string {
	p := g.plan
	name, value := len("slot"), len("value")
	for _, s := range p.Slots {
		name, value = max(name, len(s.Name)), max(value, len(s.Value))
	}
	lines := []string{fmt.Sprintf("\t%7s %7s  %-*s  %-*s  %s", "offset", "stride", name, "slot", value, "value", "in use at steps")}
	for _, s := range p.Slots {
		lines = append(lines, fmt.Sprintf("\t%7d %7d  %-*s  %-*s  %s", s.Offset, s.Stride, name, s.Name, value, s.Value, s.When()))
	}
	offset := p.SlotFloats()
	for _, r := range g.ropes() {
		stride := plan.Stride(r.Int("Dim"))
		lines = append(lines, fmt.Sprintf("\t%7d %7d  %s", offset, 2*stride, "cosines and sines of phases."+r.Name))
		offset += 2 * stride
	}
	return lines
}
