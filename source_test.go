package yococ

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The runtime is complete, without tests, and compiles with the standard library alone.
func TestRuntimeFiles(t *testing.T) {
	files := RuntimeFiles()
	for _, pattern := range []string{
		"runtime/*.go", "runtime/host/*.go", "runtime/host/probe/*.go", "runtime/host/probe/*.s", "runtime/room/*.go", "runtime/weights/*.go", "runtime/kernel/*.go", "runtime/kernel/*.s",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if _, ok := files[path]; ok == strings.HasSuffix(path, "_test.go") {
				t.Errorf("%s: carried is %v", path, ok)
			}
		}
	}
	for path, text := range files {
		if !strings.HasSuffix(path, ".go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if first, _, _ := strings.Cut(p, "/"); strings.Contains(first, ".") && !strings.HasPrefix(p, "github.com/yococ/yococ/runtime") {
				t.Errorf("%s imports %s", path, p)
			}
		}
	}
}
