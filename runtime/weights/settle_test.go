package weights

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// TestSettle closes a file at any time while its pages settle.
func TestSettle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w")
	w, err := Create(path, "f", []Entry{{"a", "F32", []int{1 << 20}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("a", make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		f, err := Open(path, "f", nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Settle()
		f.Settle()
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHold: nothing settles while somebody holds it.
func TestHold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w")
	write(t, path, entries)
	f, err := Open(path, fingerprint, entries)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	release, other := f.Hold(), f.Hold()
	f.Settle()
	release()
	soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := f.Settled(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is held: %v", err)
	}
	other()
	if err := f.Settled(ctx); err != nil {
		t.Error(err)
	}
}
