//go:build amd64 && !purego

package kernels

import (
	"testing"

	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/kernel/kerneltest"
)

// TestLevels holds the runtime's levels to the plan's, and fails where one that must be tested
// is not.
func TestLevels(t *testing.T) {
	levels := kernel.Levels()
	if len(levels) != 1+len(plan.Levels) {
		t.Fatalf("the runtime has levels %v, the plan %d above portable", levels, len(plan.Levels))
	}
	for i, l := range plan.Levels {
		if levels[1+i] != l.Name || assembly[i].Level() != l.Name {
			t.Errorf("level %d: runtime %s, set %s, plan %s", i, levels[1+i], assembly[i].Level(), l.Name)
		}
	}
	var have []string
	for _, s := range Sets() {
		have = append(have, s.Level())
	}
	kerneltest.RequireLevels(t, have)
}

// plainer are the sets whose levels the CPU has with a bonus, as if it had none.
func plainer() []kernel.Set {
	if !kernel.HasBF16Dots() {
		return nil
	}
	return []kernel.Set{withoutDots{}}
}

// withoutDots is the set for a CPU that does not multiply pairs of bfloat16 by one instruction.
type withoutDots struct{ AVX512 }

func (withoutDots) GemmBF16Dot(dst []float32, ldd int, x []uint16, ldx int, w []uint16, pairs, rows int, acc bool) {
	gemmBF16Dot_avx512(dst, ldd, x, ldx, w, pairs, rows, acc)
}
