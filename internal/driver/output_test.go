package driver

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestWriteOutput: what is at the user's path stays what it is, and errors name that path.
func TestWriteOutput(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need rights there")
	}
	dir := folder(t, map[string]string{"old.yaml": "old"})
	at := func(name string) string { return filepath.Join(dir, name) }
	os.Chmod(at("old.yaml"), 0o600)
	os.Mkdir(at("folder"), 0o777)
	os.Symlink("old.yaml", at("link.yaml"))
	os.Symlink(filepath.Join("folder", "new.yaml"), at("dangling.yaml"))
	os.Symlink(os.DevNull, at("device"))
	for name, target := range map[string]string{
		"new.yaml": "new.yaml", "link.yaml": "old.yaml", "dangling.yaml": "folder/new.yaml", "device": "device",
	} {
		before, _ := os.Readlink(at(name))
		if err := CheckOutput(at(name)); err != nil {
			t.Error(err)
		}
		if err := WriteOutput(at(name), []byte(name)); err != nil {
			t.Error(err)
		}
		if after, _ := os.Readlink(at(name)); after != before {
			t.Errorf("%s leads to %q now, not to %q", name, after, before)
		}
		if got, _ := os.ReadFile(at(target)); string(got) != name && name != "device" {
			t.Errorf("%s: %s holds %q", name, target, got)
		}
	}
	if info, err := os.Stat(at("old.yaml")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("permissions %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is %v now", os.DevNull, info.Mode())
	}
	for path, want := range map[string]string{
		"folder": "is a folder, want a file", "none/x.yaml": "no such file or directory", "old.yaml/x": "not a directory",
	} {
		for _, err := range []error{WriteOutput(at(path), nil), CheckOutput(at(path))} {
			if err == nil || !strings.HasPrefix(err.Error(), at(path)+": ") || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%s: error %v", path, err)
			}
		}
	}
	if left, _ := filepath.Glob(at(".yococ-*")); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}
