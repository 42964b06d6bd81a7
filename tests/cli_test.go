// Package tests runs the yococ command as a user does: built, installed nowhere, outside any
// module, from scripts in testdata/script.
//
// It may not repeat what a package's own tests check.
package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// env is what all scripts share.
var env struct {
	bin     string // folder of the command
	cache   string // YOCOC_CACHE: a model is compiled once for all scripts
	repo    string
	goldens string // reference results kept beside the repository, "" if they are not there
	goenv   []string
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "yococ-tests-")
	if err != nil {
		panic(err)
	}
	status := 2
	if err := prepare(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		status = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

func prepare(dir string) (err error) {
	if env.repo, err = filepath.Abs(".."); err != nil {
		return err
	}
	if goldens := filepath.Join(env.repo, "..", "shared", "goldens"); exists(goldens) {
		env.goldens = goldens
	}
	env.bin, env.cache = filepath.Join(dir, "bin"), filepath.Join(dir, "cache")
	build := exec.Command("go", "build", "-o", env.bin+string(filepath.Separator), "../cmd/yococ")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	// Scripts run without a home; the go command that yococ calls needs its own folders.
	for _, name := range []string{"GOCACHE", "GOPATH", "GOROOT"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return err
		}
		env.goenv = append(env.goenv, name+"="+strings.TrimSpace(string(out)))
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, env.goenv...)
			e.Setenv("PATH", env.bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
			e.Setenv("BIN", env.bin)
			e.Setenv("YOCOC_CACHE", env.cache)
			e.Setenv("YOCOC_ISA", os.Getenv("YOCOC_ISA"))
			e.Setenv("REPO", env.repo)
			e.Setenv("MODEL", filepath.Join(env.repo, "models", "yoco-8m.yaml"))
			e.Setenv("GOLDENS", env.goldens)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "goldens":
				return env.goldens != "", nil
			case "amd64":
				return runtime.GOARCH == "amd64", nil
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status": status,
		},
	})
}

// status N command… runs a command and wants its exit status to be N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
