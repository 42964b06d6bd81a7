package asm

import (
	"maps"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/reg"

	"github.com/yococ/yococ/ir/plan"
)

// TestAllocate compares with avo's allocation, whose algorithm this is: of small kernels, and of some that use all
// registers of a kind, or masks, or fixed ones.
func TestAllocate(t *testing.T) {
	kernels := append([]*plan.Kernel{plan.Convolve, plan.RopeHalf, plan.Merge, plan.QuantizeRow, plan.Softmax, plan.Transpose, plan.TileSwiGLU}, small...)
	for _, level := range plan.Levels {
		compiled := func(passes pass.Interface) []*ir.Function {
			ctx, err := collect(kernels, level, false)
			if err != nil {
				t.Fatal(err)
			}
			file, err := ctx.Result()
			if err != nil {
				t.Fatal(err)
			}
			if err := passes.Execute(file); err != nil {
				t.Fatal(err)
			}
			return file.Functions()
		}
		got, want := compiled(compile), compiled(pass.Compile)
		for i, fn := range want {
			if len(fn.Allocation) == 0 || !maps.Equal(got[i].Allocation, fn.Allocation) {
				t.Errorf("%s: registers %v, want %v", fn.Name, got[i].Allocation, fn.Allocation)
			}
		}
	}
}

// TestAllocateTooMany: of one register more than there are in use at once, no place is made up.
func TestAllocateTooMany(t *testing.T) {
	for _, n := range []int{32, 33} {
		ctx := build.NewContext()
		ctx.Function("many")
		ctx.SignatureExpr("func()")
		var all []reg.VecVirtual
		for range n {
			z := ctx.ZMM()
			ctx.VPXORD(z, z, z)
			all = append(all, z)
		}
		for _, z := range all {
			ctx.VADDPS(z, all[0], all[0])
		}
		ctx.RET()
		_, err := finish(ctx, "example", plan.Levels[len(plan.Levels)-1])
		if n == 32 && err != nil {
			t.Error(err)
		}
		if n == 33 && (err == nil || !strings.Contains(err.Error(), "many: failed to allocate registers")) {
			t.Errorf("33 registers: error %v", err)
		}
	}
}
