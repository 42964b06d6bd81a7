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
