//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReadCutFile: a tensor of a mapped file that has become shorter is an error where it cannot be read any more.
func TestReadCutFile(t *testing.T) {
	const n = 1 << 16
	dir := t.TempDir()
	path := filepath.Join(dir, oneFile)
	write(t, dir, oneFile, string(encode([]array{{"early", "F32", []int{n}, make([]byte, 4*n)}, {"late", "F32", []int{n}, make([]byte, 4*n)}})))
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 4*n+4096); err != nil {
		t.Fatal(err)
	}
	dst := make([]float32, n)
	early, _ := f.Tensor("early")
	if err := early.Read(dst, 0); err != nil {
		t.Error(err)
	}
	late, _ := f.Tensor("late")
	var typed *FormatError
	if err := late.Read(dst, 0); !errors.As(err, &typed) || typed.Tensor != "late" || typed.File != path {
		t.Errorf("error %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a range that is not in the tensor is read")
		}
	}()
	_ = early.Read(dst, 1)
}
