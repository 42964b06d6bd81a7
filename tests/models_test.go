package tests

import (
	"context"
	"sync"
	"testing"

	"github.com/yococ/yococ/generated/deltatiny"
	"github.com/yococ/yococ/generated/flaallrows"
	"github.com/yococ/yococ/generated/flabiasqknorm"
	"github.com/yococ/yococ/generated/flagdn"
	"github.com/yococ/yococ/generated/flagdnq8"
	"github.com/yococ/yococ/generated/flaswa"
	"github.com/yococ/yococ/generated/flaswaq8"
	"github.com/yococ/yococ/generated/flatied"
	"github.com/yococ/yococ/generated/mixedtiny"
	"github.com/yococ/yococ/generated/plaintiny"
	"github.com/yococ/yococ/generated/plaintinyq8"
	"github.com/yococ/yococ/generated/sambay"
	"github.com/yococ/yococ/generated/sambayq8"
	"github.com/yococ/yococ/generated/yoco8m"
	"github.com/yococ/yococ/generated/yoco8mq4"
	"github.com/yococ/yococ/internal/testmodel"
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/host"
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/kernel/kerneltest"
)

// openers are the generated packages, by model.
var openers = map[string]host.Opener{
	"yoco8m":        yoco8m.OpenRuntime,
	"flaswa":        flaswa.OpenRuntime,
	"flagdn":        flagdn.OpenRuntime,
	"sambay":        sambay.OpenRuntime,
	"flabiasqknorm": flabiasqknorm.OpenRuntime,
	"flatied":       flatied.OpenRuntime,
	"flaallrows":    flaallrows.OpenRuntime,
	"yoco8mq4":      yoco8mq4.OpenRuntime,
	"flaswaq8":      flaswaq8.OpenRuntime,
	"plaintiny":     plaintiny.OpenRuntime,
	"plaintinyq8":   plaintinyq8.OpenRuntime,
	"mixedtiny":     mixedtiny.OpenRuntime,
	"deltatiny":     deltatiny.OpenRuntime,
	"flagdnq8":      flagdnq8.OpenRuntime,
	"sambayq8":      sambayq8.OpenRuntime,
}

// packing keeps tests that run in parallel from packing the same weights.
var packing sync.Mutex

// open opens a generated model until the test ends.
func open(t testing.TB, name string) *rt.Model {
	t.Helper()
	return openFile(t, name, packed(t, name))
}

// packed is the path of a generated model's weights.
func packed(t testing.TB, name string) string {
	t.Helper()
	packing.Lock()
	defer packing.Unlock()
	path, err := testmodel.Named(name).Weights()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// openFile is open with other weights.
func openFile(t testing.TB, name, path string) *rt.Model {
	t.Helper()
	m, err := openers[name](path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// session opens a session until the test ends or it is closed.
func session(t testing.TB, m *rt.Model, o rt.Options) *rt.Session {
	t.Helper()
	s, err := m.NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// prefill adds tokens to a session.
func prefill(t testing.TB, s *rt.Session, tokens []int32) {
	t.Helper()
	if err := s.Prefill(context.Background(), tokens); err != nil {
		t.Fatal(err)
	}
}

// logits are the session's, which its next call overwrites.
func logits(t testing.TB, s *rt.Session) []float32 {
	t.Helper()
	l, err := s.Logits()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// decode adds one token; the logits are overwritten by the next call.
func decode(t testing.TB, s *rt.Session, token int32) []float32 {
	t.Helper()
	l, err := s.Decode(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// levels are the instruction-set levels of this machine, ascending. The test fails if one that has
// to be tested is not among them.
func levels(t testing.TB) []string {
	t.Helper()
	have := kernel.Supported()
	kerneltest.RequireLevels(t, have)
	return have
}

// argmax is the index of the largest element, the lowest of equal ones.
func argmax(x []float32) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}

// root is the module's root.
func root(t testing.TB) string {
	t.Helper()
	dir, err := testmodel.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
