package asm

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"

	"github.com/yococ/yococ/ir/plan"
)

// EmitCPUID writes the two functions by which the runtime learns what the CPU and the operating
// system support; they need nothing of any level.
func EmitCPUID(pkg string) (File, error) {
	ctx := build.NewContext()
	ctx.ConstraintExpr("amd64,!purego")

	ctx.Function("cpuid")
	ctx.Attributes(attr.NOSPLIT)
	ctx.SignatureExpr("func(leaf, sub uint32) (a, b, c, d uint32)")
	ctx.Doc("cpuid executes CPUID.")
	ctx.Load(ctx.Param("leaf"), reg.EAX)
	ctx.Load(ctx.Param("sub"), reg.ECX)
	ctx.CPUID()
	ctx.Store(reg.EAX, ctx.Return("a"))
	ctx.Store(reg.EBX, ctx.Return("b"))
	ctx.Store(reg.ECX, ctx.Return("c"))
	ctx.Store(reg.EDX, ctx.Return("d"))
	ctx.RET()

	ctx.Function("xgetbv")
	ctx.Attributes(attr.NOSPLIT)
	ctx.SignatureExpr("func() (a uint32)")
	ctx.Doc("xgetbv is the low half of the register that says which vector state the operating system saves.")
	ctx.XORL(reg.ECX, reg.ECX)
	ctx.XGETBV()
	ctx.Store(reg.EAX, ctx.Return("a"))
	ctx.RET()

	return finish(ctx, pkg, plan.Level{Name: "cpuid", Features: []string{"CPUID"}})
}
