package build_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/build"
	"github.com/yococ/yococ/models"
)

// TestPrograms builds the specs in testdata and compares the text; -rewrite updates it.
func TestPrograms(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			spec, err := models.Parse("spec.yaml", []byte(d.Input))
			if err != nil {
				return err.Error()
			}
			return check(t, spec).String()
		})
	})
}

// TestSpecs builds every spec that comes with the project.
func TestSpecs(t *testing.T) {
	paths, err := filepath.Glob("../../models/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no specs: %v", err)
	}
	for _, path := range paths {
		spec, err := models.Load(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		check(t, spec)
	}
}

// check builds a spec and demands a valid program that prints and parses, over the weights that
// the spec lists.
func check(t *testing.T, spec *models.Spec) *ir.Program {
	t.Helper()
	p, err := build.Program(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(p); err != nil {
		t.Errorf("%s: %v", spec.Name, err)
	}
	again, err := ir.Parse(p.String())
	if err != nil {
		t.Fatalf("%s: %v", spec.Name, err)
	}
	if again.String() != p.String() {
		t.Errorf("%s prints as\n%v\nand parses to\n%v", spec.Name, p, again)
	}
	type role struct {
		name   string
		layers int
	}
	var want, got []role
	for _, w := range spec.Weights() {
		if w.Layer <= 0 {
			want = append(want, role{string(w.Role), 0})
		}
		if w.Layer >= 0 {
			want[slices.IndexFunc(want, func(r role) bool { return r.name == string(w.Role) })].layers++
		}
	}
	for _, w := range p.Weights {
		got = append(got, role{w.Name, w.Layers})
	}
	byName := func(a, b role) int {
		if a.name < b.name {
			return -1
		}
		return 1
	}
	slices.SortFunc(want, byName)
	slices.SortFunc(got, byName)
	if !slices.Equal(got, want) {
		t.Errorf("%s: weights %v, want %v", spec.Name, got, want)
	}
	return p
}
