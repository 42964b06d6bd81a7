package tests

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/models/checkpoint"
)

// TestNeedles asks the model that is constructed to find needles: it finds every one, at all depths and
// lengths, with each kind of cache. 20,000 tokens are many chunks.
func TestNeedles(t *testing.T) {
	dir := filepath.Join(root(t), "..", "shared", "models", "needle")
	if !isFolder(dir) {
		t.Skip("the constructed checkpoint is not kept beside the repository")
	}
	if testing.Short() || race {
		t.Skip("compiles programs")
	}
	spec, _, err := checkpoint.Import(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "needle.yaml")
	if err := driver.WriteOutput(file, spec.MarshalFor(file)); err != nil {
		t.Fatal(err)
	}
	cache, err := driver.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	var ref *driver.Runner
	for _, kv := range []string{"f32", "bf16", "q8", "q4"} {
		m, err := driver.Load(file, driver.Options{KV: kv}, true)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		n, err := driver.NewNeedles(m, new(driver.Text), driver.NeedleOptions{
			Lengths: []int{64, 257, 20000}, Depths: []int{0, 5, 33, 50, 77, 100}, Count: 4,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := cache.Run(context.Background(), m, driver.RunOptions{Context: n.Context()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got, err := r.Needle(ref, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Found != 72 || got.Asked != 72 || len(got.Cases) != 18 {
			t.Errorf("%s: %+v", kv, got)
		}
		worst := 0.
		for _, c := range got.Cases {
			worst = max(worst, c.MaxDiff)
		}
		t.Logf("%s: logits differ by at most %g", kv, worst)
		// 0.0090 in bf16 and 0.0016 in q8 were measured, of logits near 45.
		if (ref == nil) != (worst == 0) || worst > 0.02 {
			t.Errorf("%s: logits differ by %g", kv, worst)
		}
		if ref == nil {
			ref = r
		}
	}
}
