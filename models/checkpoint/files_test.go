package checkpoint

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/yococ/yococ/models"
)

// TestOpenErrors: whatever lies where a checkpoint should be, the error names it.
func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		make  func(t *testing.T, dir string)
		wants []string
	}{
		{"nothing", func(*testing.T, string) {}, []string{"there are no weights", oneFile}},
		{"an empty file", func(t *testing.T, dir string) { write(t, dir, oneFile, "") }, []string{oneFile, "is empty"}},
		{"a folder", func(t *testing.T, dir string) { os.Mkdir(filepath.Join(dir, oneFile), 0o777) }, []string{oneFile, "is not a file"}},
		{"a page of text", func(t *testing.T, dir string) { write(t, dir, oneFile, "version https://git-lfs.github.com/spec/v1\n") }, []string{oneFile, "this is not a safetensors file"}},
		{"a dangling link", func(t *testing.T, dir string) { os.Symlink("nowhere", filepath.Join(dir, oneFile)) }, []string{oneFile, "no such file"}},
		{"a cut file", func(t *testing.T, dir string) { b := small(); write(t, dir, oneFile, string(b[:len(b)-1])) }, []string{oneFile, "model.norm.weight", "byte ", "cut off"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(c.name, "link") {
				t.Skip("links need rights there")
			}
			dir := t.TempDir()
			c.make(t, dir)
			_, err := Open(dir)
			if err == nil {
				t.Fatal("opened")
			}
			for _, w := range c.wants {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got %q, want it to say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := Open(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Error(err)
	}
	if _, _, err := Import(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Error(err)
	}
}

// TestFiles: a file may be opened by itself, names are sorted, closing twice is fine.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "golden.safetensors", string(small()))
	f, err := Open(filepath.Join(dir, "golden.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.Names(), " "); got != "e model.embeddings.weight model.norm.weight" {
		t.Error(got)
	}
	if x, ok := f.Tensor("model.embeddings.weight"); !ok || x.Elems() != 6 || x.DType != BF16 {
		t.Error(x, ok)
	}
	if _, ok := f.Tensor("none"); ok {
		t.Error("found a tensor that is not there")
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestNamesAreDistinct: no two weights share a tensor, and every weight that a dialect's models have
// is named.
func TestNamesAreDistinct(t *testing.T) {
	ffn := models.FFN{Hidden: 4}
	yoco := &models.Spec{
		Name: "m", Vocab: 4, Dim: 8,
		Self:  models.Equal(2, &models.SlidingWindow{Heads: 2, KVHeads: 1, Window: 4, Bias: true}, ffn),
		Cache: &models.Cache{KVHeads: 1, Bias: true},
		Cross: models.Equal(2, &models.CrossAttention{Heads: 2, Bias: true, QNorm: true}, ffn),
	}
	plain := &models.Spec{Name: "m", Vocab: 4, Dim: 8}
	plain.Self = models.Equal(2, &models.Attention{Heads: 2, KVHeads: 1, Bias: true, OutBias: true, QKNorm: true}, ffn)
	plain.Self.Append(models.Layer{Mixer: &models.SlidingWindow{Heads: 2, KVHeads: 1, Window: 3}, FFN: ffn})
	for _, c := range []struct {
		dialect models.Dialect
		spec    *models.Spec
	}{{models.FLA, yoco}, {models.HuggingFace, plain}} {
		seen := map[string]models.WeightSpec{}
		for _, w := range c.spec.Weights() {
			name := Name(c.dialect, c.spec, w)
			if other, twice := seen[name]; name == "" || twice {
				t.Errorf("%v and %v are both %q", w, other, name)
			}
			seen[name] = w
		}
	}
	for role, name := range unilm {
		if fla[role] == "" {
			t.Errorf("%s is %s in unilm and has no name in fla", role, name)
		}
	}
}
