package kernel_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

func TestSupported(t *testing.T) {
	have := kernel.Supported()
	if !slices.Equal(have, kernel.Levels()[:len(have)]) || len(have) == 0 {
		t.Errorf("supported are %v, want a beginning of %v", have, kernel.Levels())
	}
}

func TestBest(t *testing.T) {
	have := kernel.Supported()
	top := have[len(have)-1]
	for _, level := range kernel.Levels() {
		want := level
		if !slices.Contains(have, level) {
			want = top
		}
		t.Setenv("YOCOC_ISA", level)
		if got := kernel.Best(); got != want {
			t.Errorf("YOCOC_ISA=%s: best is %s, want %s", level, got, want)
		}
	}
	for _, none := range []string{"", "sse9"} {
		t.Setenv("YOCOC_ISA", none)
		if got := kernel.Best(); got != top {
			t.Errorf("YOCOC_ISA=%q: best is %s, want %s", none, got, top)
		}
	}
}

func TestCap(t *testing.T) {
	for _, level := range kernel.Supported() {
		if got, err := kernel.Cap(level); got != level || err != nil {
			t.Errorf("Cap(%q) = %q, %v", level, got, err)
		}
	}
	t.Setenv("YOCOC_ISA", "portable")
	if got, err := kernel.Cap(""); got != "portable" || err != nil {
		t.Errorf("Cap of nothing is %q, %v, want what YOCOC_ISA says", got, err)
	}
	for _, level := range kernel.Levels()[len(kernel.Supported()):] {
		if _, err := kernel.Cap(level); err == nil || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("Cap(%q): %v", level, err)
		}
	}
	t.Setenv("YOCOC_ISA", "AVX2")
	if _, err := kernel.Cap(""); err == nil || !strings.Contains(err.Error(), `"AVX2" in YOCOC_ISA`) {
		t.Errorf("Cap of nothing with YOCOC_ISA=AVX2: %v", err)
	}
	_, err := kernel.Cap("sse9")
	if err == nil || !strings.Contains(err.Error(), `unknown instruction set "sse9"`) || !strings.Contains(err.Error(), "portable") {
		t.Errorf("Cap(sse9): %v", err)
	}
}
