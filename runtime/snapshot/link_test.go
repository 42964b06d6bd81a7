package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestLinks: a link stays a link, and what it leads to, over folders and other links, is made or replaced.
func TestLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	for _, name := range []string{"deep/folder", "there"} {
		if err := os.MkdirAll(at(name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{
		"link": "deep/link", "deep/link": "../there/file", "whole": at("there/file"),
		"lead": "deep/folder", "back": "lead/../file", // deep/file, not file
		"loop": "pool", "pool": "loop", "nowhere": "none/file",
	} {
		if err := os.Symlink(to, at(from)); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range []struct{ path, file string }{
		{"link", "there/file"}, // which is not there yet
		{"link", "there/file"},
		{"whole", "there/file"},
		{"back", "deep/file"},
	} {
		if err := Write(at(c.path), []byte{byte(i)}, nil, 1); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(at(c.path)); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is no link any more; error %v", c.path, err)
		}
		info, err := os.Lstat(at(c.file))
		if err != nil || !info.Mode().IsRegular() {
			t.Fatalf("%s is %v; error %v", c.file, info, err)
		}
		if description, _, err := load(at(c.path), 1); err != nil || description != string(rune(i)) {
			t.Errorf("%s holds %q; error %v", c.path, description, err)
		}
	}
	for path, want := range map[string]string{"loop": "too many symbolic links", "nowhere": "no such file", "lead": "not a regular file"} {
		if err := Write(at(path), nil, nil, 1); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error %v, want %s", path, err, want)
		}
		if err := Probe(at(path)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), at(path)) {
			t.Errorf("%s: probed with error %v, want %s", path, err, want)
		}
	}
	for _, err := range []error{Write("", nil, nil, 1), Probe("")} {
		if err == nil || err.Error() != "want the name of a file" {
			t.Errorf("no name: error %v", err)
		}
	}
	if err := errors.Join(Probe(at("link")), Probe(at("back")), Probe(at("there/new"))); err != nil {
		t.Error(err)
	}
	if left := entries(t, at("there")); len(left) != 1 {
		t.Errorf("left in the folder: %v", left)
	}
}
