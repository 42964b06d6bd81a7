package tests

import (
	"bytes"
	"path"
	"path/filepath"
	"testing"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/internal/testmodel"
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

const (
	// maxHandwritten is the length of a Go file that somebody has to read.
	maxHandwritten = 600
	// maxAssembly is the length of a file of assembly: the largest kernel's, or of all small ones at a level.
	maxAssembly = 5000
)

// TestFileLengths keeps files short enough to be read.
func TestFileLengths(t *testing.T) {
	for name, text := range sources(t) {
		lines, limit := bytes.Count(text, []byte("\n")), maxHandwritten
		if path.Ext(name) == ".s" {
			limit = maxAssembly
		}
		if lines > limit {
			t.Errorf("%s has %d lines, want at most %d", name, lines, limit)
		}
	}
}

// TestDepth compiles a model with four layers a half and with sixteen: the same files, the same
// assembly, and the same number of lines of Go. A layer more is another turn of a loop.
func TestDepth(t *testing.T) {
	spec, err := models.Load(filepath.Join(root(t), filepath.FromSlash(testmodel.Named("yoco8m").Spec)))
	if err != nil {
		t.Fatal(err)
	}
	compile := func(layers int) map[string][]byte {
		spec.Self.Blocks[0].Repeat, spec.Cross.Blocks[0].Repeat = layers, layers
		p, err := driver.Compile(spec, driver.Formats{Checkpoint: ir.BF16, Weights: ir.BF16, KV: ir.F32}, "")
		if err != nil {
			t.Fatal(err)
		}
		return p.Files
	}
	shallow, deep := compile(4), compile(16)
	if len(shallow) != len(deep) {
		t.Errorf("%d files for 4 layers, %d for 16", len(shallow), len(deep))
	}
	for name, text := range shallow {
		if path.Ext(name) == ".s" && !bytes.Equal(text, deep[name]) {
			t.Errorf("%s: the assembly depends on the number of layers", name)
		}
		if a, b := bytes.Count(text, []byte("\n")), bytes.Count(deep[name], []byte("\n")); a != b {
			t.Errorf("%s has %d lines for 4 layers, %d for 16", name, a, b)
		}
	}
}
