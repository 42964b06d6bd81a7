package kerneltest

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

// RequireLevels fails the test if levels that must be tested here are not among those of have:
// YOCOC_REQUIRE_ISA and the ones below it, or, if CI is true, all that the operating system says
// the processor has. A level that nobody tests rots.
func RequireLevels(t testing.TB, have []string) {
	t.Helper()
	want := os.Getenv("YOCOC_REQUIRE_ISA")
	if want == "" && os.Getenv("CI") == "true" {
		want = ProcessorLevel()
	}
	if want == "" {
		return
	}
	levels := kernel.Levels()
	top := slices.Index(levels, want)
	if top < 0 {
		t.Fatalf("YOCOC_REQUIRE_ISA=%s is not a level; the levels are %s", want, strings.Join(levels, ", "))
	}
	for _, level := range levels[:top+1] {
		if !slices.Contains(have, level) {
			t.Errorf("level %s is not tested; %s and all below are required", level, want)
		}
	}
}

// ProcessorLevel is the highest level that the processor has according to Linux, or empty if
// there is nobody to ask. It is a second opinion on kernel.Supported.
func ProcessorLevel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	flags := map[string]bool{}
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "flags" {
			for _, f := range strings.Fields(value) {
				flags[f] = true
			}
			break
		}
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return !flags[n] })
	}
	switch {
	case has("avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"):
		return "avx512"
	case has("avx", "avx2", "fma"):
		return "avx2"
	}
	return ""
}
