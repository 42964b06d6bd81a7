// Package yococ carries the source of its own runtime, so that an installed yococ can compile the
// packages that it writes without network or module.
//
// Imports: nothing of ours. Outside the standard library: nothing.
// May not: import anything.
package yococ

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed runtime/*.go runtime/host/*.go runtime/host/probe/*.go runtime/host/probe/*.s
//go:embed runtime/kernel/*.go runtime/kernel/*.s runtime/room/*.go runtime/snapshot/*.go runtime/weights/*.go
var source embed.FS

// RuntimeFiles returns the Go and assembly files of the runtime, without tests, by their path
// from the module's root. They need nothing but the standard library.
func RuntimeFiles() map[string][]byte {
	files := map[string][]byte{}
	err := fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files[path], err = source.ReadFile(path)
		return err
	})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return files
}
