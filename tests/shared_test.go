package tests

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/models/checkpoint"
)

// TestShared imports, compiles and verifies the model of every golden folder that is kept beside
// the repository, in processes of their own as yococ verify does, at every level.
func TestShared(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(root(t), "..", "shared", "goldens", "*", "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) == 0 {
		t.Skip("no golden folders are kept beside the repository")
	}
	if testing.Short() || race {
		t.Skip("compiles a program a folder")
	}
	cache, err := driver.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range folders {
		dir := filepath.Dir(file)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) { verify(t, cache, dir, dir, levels(t)) })
		// The same weights as PyTorch wrote them. Packed they are the same bytes: one level is enough.
		if pth := filepath.Join(filepath.Dir(dir), "pth", name); isFolder(pth) {
			t.Run(name+".pth", func(t *testing.T) {
				all := levels(t)
				verify(t, cache, pth, dir, all[len(all)-1:])
			})
		}
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// verify compares the model of a checkpoint's folder with the results of a golden folder.
func verify(t *testing.T, cache *driver.Cache, dir, golden string, levels []string) {
	spec, _, err := checkpoint.Import(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "spec.yaml")
	if err := os.WriteFile(path, spec.MarshalFor(path), 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := driver.Load(path, driver.Options{Checkpoint: dir}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	g, err := driver.OpenGolden(golden, m.DType())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, level := range levels {
		r, err := cache.Run(context.Background(), m, driver.RunOptions{Context: g.Context(), Threads: 2, ISA: level, Verify: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.Verify(g, g.Tolerance(), nil)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		var logits, states float64
		for _, c := range v.Cases {
			logits, states = max(logits, c.LogitDiff), max(states, c.CacheDiff)
			if !c.OK || c.GreedyEqual != c.GreedyTotal {
				t.Errorf("%s, %s: %d of %d tokens; %s", level, c.Name, c.GreedyEqual, c.GreedyTotal, strings.Join(c.Notes, "; "))
			}
		}
		t.Logf("%-8s largest differences: logits %.2e of %.2e, states and cache %.2e", level, logits, g.Tolerance(), states)
	}
}
