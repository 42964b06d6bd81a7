package codegen

import (
	"fmt"

	"github.com/dave/jennifer/jen"

	"github.com/yococ/yococ/ir/plan"
)

// kernels writes the sets of kernels: one type a level, which overrides what the model uses, and
// the choice between them.
func (g *generator) kernels() {
	f := g.file("kernels_amd64.go", "amd64 && !purego")
	comment(f, "kernelSet is the set of kernels of a level; the runtime has checked that the CPU has it.")
	f.Func().Id("kernelSet").Params(jen.Id("level").String()).Qual(kernelPath, "Set").BlockFunc(func(b *jen.Group) {
		b.Switch(jen.Id("level")).BlockFunc(func(s *jen.Group) {
			for i := len(plan.Levels) - 1; i >= 0; i-- {
				s.Case(jen.Lit(plan.Levels[i].Name)).Block(jen.Return(jen.Id(setName(plan.Levels[i])).Values()))
			}
		})
		b.Return(jen.Qual(kernelPath, "Portable").Values())
	})
	for _, level := range plan.Levels {
		f.Line()
		comment(f, fmt.Sprintf("%s are the kernels of the level %s; what the model does not use is Portable's.", setName(level), level.Name))
		f.Type().Id(setName(level)).Struct(jen.Qual(kernelPath, "Portable"))
		f.Line()
		comment(f, "Level is the level's name.")
		f.Func().Params(jen.Id(setName(level))).Id("Level").Params().String().Block(jen.Return(jen.Lit(level.Name)))
		for _, k := range g.plan.Kernels {
			f.Line()
			comment(f, fmt.Sprintf("%s %s.", k.Name, k.Doc))
			g.wrapper(f, k, level)
		}
	}

	f = g.file("kernels_other.go", "!amd64 || purego")
	comment(f, "kernelSet is the portable set: there is no assembly in this build.")
	f.Func().Id("kernelSet").Params(jen.String()).Qual(kernelPath, "Set").Block(jen.Return(jen.Qual(kernelPath, "Portable").Values()))
}

func setName(l plan.Level) string { return l.Name + "Kernels" }

// wrapper writes the method of a set that calls the kernel's assembly.
func (g *generator) wrapper(f *jen.File, k *plan.Kernel, level plan.Level) {
	var ps, args, rs []jen.Code
	for _, p := range k.Params {
		ps = append(ps, jen.Id(p.Name).Id(p.Type))
		args = append(args, jen.Id(p.Name))
	}
	for _, r := range k.Results {
		rs = append(rs, jen.Id(r.Name).Id(r.Type))
	}
	f.Func().Params(jen.Id(setName(level))).Id(k.Name).Params(ps...).Params(rs...).BlockFunc(func(b *jen.Group) {
		variants := k.Variants(level)
		for _, v := range variants[1:] {
			b.If(jen.Qual(kernelPath, k.Bonus.Has).Call()).BlockFunc(func(b *jen.Group) {
				if len(rs) > 0 {
					b.Return(jen.Id(k.Symbol(v)).Call(args...))
					return
				}
				b.Id(k.Symbol(v)).Call(args...)
				b.Return()
			})
		}
		call := jen.Id(k.Symbol(level)).Call(args...)
		if len(rs) > 0 {
			call = jen.Return(call)
		}
		b.Add(call)
	})
}
