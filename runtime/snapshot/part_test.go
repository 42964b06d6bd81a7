package snapshot

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

// TestParts: a file that is written removes the parts of its name that killed processes left, and no others.
func TestParts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody can tell there whether a part is held")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	old := time.Now().Add(-2 * forgotten)
	left := map[string]time.Time{
		"file.1.part": old, "file.23.part": old, "file.4.part": time.Now(), "file.5.part": old,
		"file.part": old, "file..part": old, "file.x1.part": old, "file.6.parts": old, "other.1.part": old, "file.1.1.part": old,
	}
	for name, made := range left {
		if err := os.WriteFile(at(name), []byte("part"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(at(name), made, made); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(at("file.7.part"), 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(at("file.5.part"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if !hold(held) {
		t.Fatal("can't hold a file")
	}
	for range 2 {
		if err := Write(at("file"), nil, nil, 1); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"file", "file.7.part"}
	for name := range left {
		if name != "file.1.part" && name != "file.23.part" {
			want = append(want, name)
		}
	}
	got := entries(t, dir)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("left in the folder: %v, want %v", got, want)
	}
}

// TestTwoWriters: processes that write the same file at once leave a whole one of either, and nothing else.
func TestTwoWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	done := make(chan error)
	for w := range byte(2) {
		go func() {
			for range 20 {
				if err := Write(path, []byte{w + 1}, generation(w+1), 1); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	description, pieces, err := load(path, 1)
	if err != nil || len(description) != 1 || !same(pieces, generation(description[0])) {
		t.Fatalf("the file is no whole one: %q, error %v", description, err)
	}
	if left := entries(t, dir); len(left) != 1 {
		t.Errorf("left in the folder: %v", left)
	}
}
