package tests

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/yococ/yococ/internal/testmodel"
	"github.com/yococ/yococ/models"
)

// generators are the commands that write generated files, below the root that the nearest go.mod
// of the working directory marks.
var generators = []string{"generated/gen", "generated/kernels/gen"}

// TestUpToDate runs all generators in an empty module and compares what they write with what is
// checked in: the same bytes, and the same set of files both ways.
func TestUpToDate(t *testing.T) {
	want := generate(t)
	have := map[string][]byte{}
	for name, text := range sources(t) {
		if isGenerated(text) {
			have[name] = text
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch text, ok := have[name]; {
		case !ok:
			t.Errorf("%s is generated, but not checked in", name)
		case !bytes.Equal(text, want[name]):
			t.Errorf("%s is not up to date: run go generate ./...", name)
		}
		if !isGenerated(want[name]) {
			t.Errorf("%s does not say that it is generated", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if want[name] == nil {
			t.Errorf("%s says that it is generated, but no generator writes it", name)
		}
	}
	schema, err := os.ReadFile(filepath.Join(root(t), "models", "schema.json"))
	if err != nil || !bytes.Equal(schema, models.JSONSchema()) {
		t.Errorf("models/schema.json is not up to date: run go generate ./models; error %v", err)
	}
}

// generate is what all generators write, by slash-separated path.
func generate(t *testing.T) map[string][]byte {
	t.Helper()
	empty, tools := t.TempDir(), t.TempDir()
	for _, dir := range []string{"generated/kernels", "runtime/kernel", "runtime/host/probe"} {
		if err := os.MkdirAll(filepath.Join(empty, filepath.FromSlash(dir)), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(empty, "go.mod"), []byte("module empty\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for i, g := range generators {
		tool := filepath.Join(tools, "gen"+string(rune('0'+i))+".exe")
		build := exec.Command("go", "build", "-o", tool, "./"+g)
		build.Dir = root(t)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build ./%s: %v\n%s", g, err, out)
		}
		run := exec.Command(tool)
		run.Dir = empty
		if g == "generated/gen" { // it reads specs from the module
			run = exec.Command(tool, "-o", empty)
			run.Dir = root(t)
		}
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", g, err, out)
		}
	}
	files := map[string][]byte{}
	system := os.DirFS(empty)
	err := fs.WalkDir(system, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == "go.mod" {
			return err
		}
		files[path], err = fs.ReadFile(system, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestSameBytes compiles every model twice in this process (Go shuffles every map anew) and
// compares the plans and all files. TestUpToDate does the same over processes.
func TestSameBytes(t *testing.T) {
	for _, m := range testmodel.Models {
		var plans [2]string
		var files [2]map[string][]byte
		for i := range plans {
			loaded, err := m.Load()
			if err != nil {
				t.Fatal(err)
			}
			plans[i], files[i] = loaded.Package.Plan.String(), loaded.Package.Files
			loaded.Close()
		}
		if plans[0] != plans[1] {
			t.Errorf("%s: two plans differ", m.Name)
		}
		if !maps.EqualFunc(files[0], files[1], bytes.Equal) {
			t.Errorf("%s: the files of two compilations differ", m.Name)
		}
	}
}
