// Package testmodel is the small models whose packages are checked in under generated: what each
// is compiled from, its packed weights, and what their tests share.
//
// Imports: internal/driver, ir/plan, runtime. Outside the standard library: nothing.
// May not: import a generated package, whose tests import this one.
package testmodel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/yococ/yococ/internal/driver"
)

// A Model is compiled from a spec.
type Model struct {
	Name   string   // of the package, which is generated/Name
	Spec   string   // slash-separated, from the module's root
	Golden string   // folder of reference results, likewise; "" if there are none for its weights
	Format string   // of the weights; "" is the checkpoint's
	KV     string   // format of caches that grow; "" is float32
	Random uint64   // seed of made-up weights in place of a checkpoint; 0 for none
	Skip   []string // passes that are left out
}

const (
	specs   = "generated/testdata/specs/"
	goldens = "generated/testdata/goldens/"
)

// Models are all of them.
var Models = []*Model{
	{Name: "yoco8m", Spec: "models/yoco-8m.yaml", Golden: goldens + "yoco8m"},
	{Name: "flaswa", Spec: specs + "flaswa.yaml", Golden: goldens + "fla_swa"},
	{Name: "flagdn", Spec: specs + "flagdn.yaml", Golden: goldens + "fla_gdn"},
	{Name: "sambay", Spec: specs + "sambay.yaml", Golden: goldens + "sambay_gqa_w16"},
	{Name: "flabiasqknorm", Spec: specs + "flabiasqknorm.yaml", Golden: goldens + "fla_gret_split_bias_qknorm"},
	{Name: "flatied", Spec: specs + "flatied.yaml", Golden: goldens + "fla_gret_tied_defaults"},
	{Name: "flaallrows", Spec: specs + "flabiasqknorm.yaml", Golden: goldens + "fla_gret_split_bias_qknorm", Skip: []string{earlyExit}},
	{Name: "yoco8mq4", Spec: "models/yoco-8m.yaml", Format: "q4", KV: "q4"},
	{Name: "flaswaq8", Spec: specs + "flaswa.yaml", Format: "q8"},
	{Name: "plaintiny", Spec: specs + "plain.yaml", Format: "f32", Random: 1},
	{Name: "plaintinyq8", Spec: specs + "plain.yaml", Format: "q8", KV: "q8", Random: 1},
	{Name: "mixedtiny", Spec: specs + "mixed.yaml", Format: "f32", Random: 2},
	{Name: "deltatiny", Spec: specs + "deltas.yaml", Format: "f32", Random: 3},
	{Name: "flagdnq8", Spec: specs + "flagdn.yaml", Format: "q8"},
	{Name: "sambayq8", Spec: specs + "sambay.yaml", Format: "q8"},
}

// earlyExit is the pass without which a prefill computes the cross-decoder for all rows.
const earlyExit = "early-exit"

// Named returns the model of a name.
func Named(name string) *Model {
	for _, m := range Models {
		if m.Name == name {
			return m
		}
	}
	panic("BUG: no test model " + name)
}

// Exits reports whether a prefill of the model is compiled to exit early.
func (m *Model) Exits() bool { return !slices.Contains(m.Skip, earlyExit) }

// Load compiles the model and opens its checkpoint. Close it.
func (m *Model) Load() (*driver.Model, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	spec := filepath.Join(root, filepath.FromSlash(m.Spec))
	o := driver.Options{Package: m.Name, Weights: m.Format, KV: m.KV, Skip: m.Skip}
	if m.Random != 0 {
		o.Random = &m.Random
	}
	return driver.Load(spec, o, true)
}

// Weights is the path of the model's packed weights in the user's cache, where they are put if
// they are not there.
func (m *Model) Weights() (string, error) {
	loaded, err := m.Load()
	if err != nil {
		return "", err
	}
	defer loaded.Close()
	cache, err := driver.OpenCache()
	if err != nil {
		return "", err
	}
	return cache.Weights(context.Background(), loaded, nil)
}

// OpenGolden opens the model's reference results. Close them.
func (m *Model) OpenGolden() (*driver.Golden, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	return driver.OpenGolden(filepath.Join(root, filepath.FromSlash(m.Golden)), "bf16")
}

// Root is the module's root: the nearest folder upwards that holds a go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = parent
	}
}
