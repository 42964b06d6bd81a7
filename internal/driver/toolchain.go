package driver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/yococ/yococ"
	"github.com/yococ/yococ/runtime/host"
)

// Binary returns the program that runs a package, compiled if the cache has none: the package,
// the runtime that it imports, and a main function. The go command needs nothing else, no network
// and no module of the user's. building, if not nil, is called if there is something to wait for.
func (c *Cache) Binary(ctx context.Context, p *Package, building func()) (string, error) {
	name, files := p.Plan.Package, p.program()
	return c.entry(product{
		kind: binaries, name: name + "-" + hash(files) + exe(), model: name, size: programBytes,
		check: runnable,
		make: func(path string) error {
			if building != nil {
				building()
			}
			dir, done, err := c.work()
			if err != nil {
				return err
			}
			defer done()
			for file, text := range files {
				path := filepath.Join(dir, filepath.FromSlash(file))
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					return err
				}
				if err := os.WriteFile(path, text, 0o666); err != nil {
					return err
				}
			}
			return goBuild(ctx, dir, path)
		},
	})
}

// programBytes is about the size of a compiled package.
const programBytes = 5 << 20

// start starts the program that runs a package. One that does not come up is made anew, once.
func (c *Cache) start(ctx context.Context, p *Package, building func()) (*host.Client, error) {
	binary, err := c.Binary(ctx, p, building)
	if err != nil {
		return nil, err
	}
	client, err := comeUp(binary)
	if err == nil {
		return client, nil
	}
	c.drop(binaries, filepath.Base(binary))
	if binary, err = c.Binary(ctx, p, building); err != nil {
		return nil, err
	}
	if client, err = comeUp(binary); err != nil {
		return nil, fmt.Errorf("%s may be damaged, delete it: %w", binary, err)
	}
	return client, nil
}

// comeUp starts a program and has it answer, if only that it has no session.
func comeUp(binary string) (*host.Client, error) {
	client, err := host.Start(binary)
	if err != nil {
		return nil, err
	}
	if _, err := client.Stats(); errors.Is(err, host.ErrEnded) {
		client.Close()
		return nil, err
	}
	return client, nil
}

// runnable looks at whether a file can be a program.
func runnable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Size() == 0 || runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not a program: mode %v, %d bytes", path, info.Mode(), info.Size())
	}
	return nil
}

const module = "github.com/yococ/yococ"

// program is the source of a module with the runtime's name that has the runtime in it, the
// package in a folder of its own, and a main function. So imports need no other module.
func (p *Package) program() map[string][]byte {
	dir := "model/" + p.Plan.Package
	files := maps.Clone(yococ.RuntimeFiles())
	for name, text := range p.Files {
		files[dir+"/"+name] = text
	}
	files["go.mod"] = []byte("module " + module + "\n\ngo 1.26\n")
	files["main.go"] = fmt.Appendf(nil, `// The program that runs %[1]s for the yococ command.
package main

import (
	model "%[2]s/%[3]s"
	"%[2]s/runtime/host"
)

func main() { host.Main(model.OpenRuntime) }
`, p.Plan.Package, module, dir)
	return files
}

// hash names a set of files and the machine that they are compiled for.
func hash(files map[string][]byte) string {
	h := sha256.New()
	fmt.Fprintln(h, runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %d\n", name, len(files[name]))
		h.Write(files[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// places is an environment without what it says about builds: of the variables of Go, those stay
// that say where things are, and how much the go command may take.
func places(env []string) []string {
	keep := []string{"GOROOT", "GOPATH", "GOCACHE", "GOMODCACHE", "GOTMPDIR", "GOMAXPROCS", "GOGC", "GOMEMLIMIT"}
	return slices.DeleteFunc(env, func(v string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(v), "=")
		return strings.HasPrefix(name, "GO") && !slices.Contains(keep, name)
	})
}

// goBuild compiles the main package in dir, whatever the environment and the file of go env -w say
// about other builds: neither is in the name of what is made.
func goBuild(ctx context.Context, dir, output string) error {
	tool, err := exec.LookPath("go")
	if err != nil {
		return errors.New("the go command is needed to compile the model's package, and is not in PATH: install Go 1.26 or later (https://go.dev/dl)")
	}
	cmd := exec.CommandContext(ctx, tool, "build", "-trimpath", "-buildvcs=false", "-mod=mod", "-o", output, ".")
	cmd.Dir = dir
	cmd.Env = append(places(os.Environ()), "PWD="+dir, "GOENV=off", "GO111MODULE=on", "GOWORK=off", "GOPROXY=off", "GOTOOLCHAIN=local",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case bytes.Contains(out, []byte("requires go >=")):
		return fmt.Errorf("%s is too old: %s", tool, strings.TrimSpace(string(out)))
	}
	return fmt.Errorf("%s build: %w\n%s", tool, err, tail(out, 20))
}

// tail is the last lines of an output.
func tail(out []byte, lines int) string {
	all := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if cut := len(all) - lines; cut > 0 {
		all = append([]string{fmt.Sprintf("(%d lines before)", cut)}, all[cut:]...)
	}
	return strings.Join(all, "\n")
}
