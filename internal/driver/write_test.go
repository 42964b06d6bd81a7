package driver

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const header = generated + " from x.yaml. DO NOT EDIT.\n\npackage x\n"

// folder makes a folder of files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var ns []string
	for _, f := range list {
		ns = append(ns, f.Name())
	}
	return ns
}

func TestWriteFiles(t *testing.T) {
	want := map[string][]byte{"a.go": []byte(header + "// a\n"), "k_amd64.s": []byte(header)}
	dir := folder(t, map[string]string{
		"a.go": header + "// older\n", "stale.go": "//go:build amd64\n\n" + header, "stale.s": header,
		"mine.go": "package x // " + generated + " is not where a header is\n", "notes.txt": header,
	})
	if err := WriteFiles(dir, want); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, dir), []string{"a.go", "k_amd64.s", "mine.go", "notes.txt"}; !slices.Equal(got, want) {
		t.Errorf("the folder holds %v, want %v", got, want)
	}
	for name, text := range want {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != string(text) {
			t.Errorf("%s is %q, want %q", name, got, text)
		}
	}
	if diffs, err := CheckFiles(dir, want); err != nil || diffs != nil {
		t.Errorf("after writing it differs: %v, %v", diffs, err)
	}
}

// TestWriteFilesInTheWay: where a file of the user's is in the way, nothing of it is changed.
func TestWriteFilesInTheWay(t *testing.T) {
	dir := folder(t, map[string]string{"a.go": "package mine\n"})
	err := WriteFiles(dir, map[string][]byte{"a.go": []byte(header)})
	if err == nil || !strings.Contains(err.Error(), "a.go is in the way") {
		t.Errorf("error %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "a.go")); string(got) != "package mine\n" {
		t.Errorf("the file is %q now", got)
	}
}

// TestWriteFilesFails: if anything goes wrong, the folder is what it was.
func TestWriteFilesFails(t *testing.T) {
	dir := folder(t, map[string]string{"a.go": header + "// older\n", "old.go": header, "notes": "x"})
	if err := os.Mkdir(filepath.Join(dir, "weights"), 0o777); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	files := map[string][]byte{"a.go": []byte(header), "b.go": []byte(header)}
	full := errors.New("the disk is full")
	fails := func(path string) error {
		return errors.Join(full, os.WriteFile(path, []byte("half"), 0o666))
	}
	never := func(string) error { t.Error("made in vain"); return nil }
	for _, c := range []struct {
		files map[string][]byte
		large Large
		want  string
	}{
		{files, Large{"large", fails}, full.Error()},
		{files, Large{"weights", never}, "weights is in the way: it is not a file"},
		{map[string][]byte{"a.go": nil, "weights": nil}, Large{"large", never}, "weights is in the way: it is not a file"},
		{map[string][]byte{"a.go": nil, "notes": nil}, Large{"large", never}, "notes is in the way: yococ did not generate it"},
	} {
		if err := WriteFiles(dir, c.files, c.large); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
		if now := names(t, dir); !slices.Equal(now, before) {
			t.Errorf("%s: the folder holds %v, before %v", c.want, now, before)
		}
		if text, _ := os.ReadFile(filepath.Join(dir, "a.go")); string(text) != header+"// older\n" {
			t.Errorf("%s: a.go is %q now", c.want, text)
		}
	}
	if err := WriteFiles(filepath.Join(dir, "new", "folder"), files, Large{"large", fails}); !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	if now := names(t, dir); !slices.Equal(now, before) {
		t.Errorf("a new folder: there is %v, before %v", now, before)
	}
	// What a killed process left is removed in time.
	for name, age := range map[string]time.Duration{".yococ-1": 2 * keepAside, ".yococ-2": 0} {
		path, when := filepath.Join(dir, name), time.Now().Add(-age)
		if err := errors.Join(os.Mkdir(path, 0o777), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	made := func(path string) error { return os.WriteFile(path, nil, 0o666) }
	if err := WriteFiles(dir, files, Large{"large", made}); err != nil {
		t.Fatal(err)
	}
	want := []string{".yococ-2", "a.go", "b.go", "large", "notes", "weights"}
	if now := names(t, dir); !slices.Equal(now, want) {
		t.Errorf("the folder holds %v, want %v", now, want)
	}
}

func TestCheckFiles(t *testing.T) {
	dir := folder(t, map[string]string{"a.go": header + "x\n", "b.go": header, "old.go": header})
	diffs, err := CheckFiles(dir, map[string][]byte{
		"a.go": []byte(header + "y\n"), "b.go": []byte(header), "c.go": []byte(header),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.go differs from line 4 on", "c.go is missing", "old.go is not generated any more"}
	for i := range diffs {
		diffs[i] = strings.TrimPrefix(diffs[i], dir+string(filepath.Separator))
	}
	if !slices.Equal(diffs, want) {
		t.Errorf("differences %q, want %q", diffs, want)
	}
	before := names(t, dir)
	if !slices.Equal(before, []string{"a.go", "b.go", "old.go"}) {
		t.Errorf("checking changed the folder to %v", before)
	}
	diffs, err = CheckFiles(filepath.Join(dir, "none"), map[string][]byte{"a.go": nil})
	if err != nil || len(diffs) != 1 {
		t.Errorf("a folder that is not there: %v, %v", diffs, err)
	}
}

func TestHash(t *testing.T) {
	files := map[string][]byte{"a": []byte("1"), "b": []byte("2")}
	h := hash(files)
	if hash(maps.Clone(files)) != h {
		t.Error("equal files have different hashes")
	}
	for _, other := range []map[string][]byte{
		{"a": []byte("2"), "b": []byte("1")}, {"a": []byte("1")}, {"ab": []byte("12")}, {"a": []byte("1"), "c": []byte("2")},
	} {
		if hash(other) == h {
			t.Errorf("%q has the hash of %q", other, files)
		}
	}
}
