package asm

import (
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"

	"github.com/yococ/yococ/ir/plan"
)

// violations are functions that a level without AVX-512 cannot run, though avo makes them.
var violations = []struct {
	name  string
	write func(ctx *build.Context)
	want  []string
}{
	{"too many registers", func(ctx *build.Context) {
		// Seventeen vectors live at once: the allocator gives the last one Y16.
		var live []reg.VecVirtual
		for range 17 {
			v := ctx.YMM()
			ctx.VXORPS(v, v, v)
			live = append(live, v)
		}
		for _, v := range live {
			ctx.VADDPS(v, live[0], live[0])
		}
	}, []string{"bad: VXORPS uses Y16, but avx2 has 16 vector registers", "bad: VADDPS uses Y16"}},
	{"opmask", func(ctx *build.Context) {
		k, v := ctx.K(), ctx.XMM()
		ctx.KXORW(k, k, k)
		ctx.VMOVUPS_Z(v, k, v)
	}, []string{"bad: KXORW needs AVX512F", "bad: VMOVUPS needs AVX512VL, which avx2 does not have"}},
	{"legacy encoding", func(ctx *build.Context) {
		v := ctx.XMM()
		ctx.XORPS(v, v)
	}, []string{"bad: XORPS needs SSE"}},
}

func TestCheck(t *testing.T) {
	for _, v := range violations {
		ctx := build.NewContext()
		ctx.Function("bad")
		ctx.SignatureExpr("func()")
		v.write(ctx)
		ctx.RET()
		_, err := finish(ctx, "test", plan.Levels[0])
		for _, want := range v.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", v.name, err, want)
			}
		}
	}
}

// TestCheckLevels: the same registers are right where the encoding reaches them.
func TestCheckLevels(t *testing.T) {
	ctx := build.NewContext()
	ctx.Function("good")
	ctx.SignatureExpr("func()")
	violations[0].write(ctx)
	ctx.RET()
	if _, err := finish(ctx, "test", plan.Levels[1]); err != nil {
		t.Error(err)
	}
}
