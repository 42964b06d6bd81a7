package tests

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// command is the yococ command as a user has it: built, outside any module, with a cache.
type command struct {
	repo  string
	bin   string // folder of the command
	cache string // YOCOC_CACHE: a model is compiled once for all scripts
	goenv []string
}

func newCommand(t *testing.T) *command {
	t.Helper()
	repo, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := &command{repo: repo, bin: filepath.Join(dir, "bin"), cache: filepath.Join(dir, "cache")}
	output(t, "go", "build", "-o", c.bin+string(filepath.Separator), "../cmd/yococ")
	// Scripts run without a home; the go command that yococ calls needs its own folders.
	for _, name := range []string{"GOCACHE", "GOPATH", "GOROOT"} {
		c.goenv = append(c.goenv, name+"="+output(t, "go", "env", name))
	}
	return c
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestScripts runs the command as a user does, from the scripts in testdata/script.
func TestScripts(t *testing.T) {
	c := newCommand(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, c.goenv...)
			e.Setenv("PATH", c.bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
			e.Setenv("BIN", c.bin)
			e.Setenv("YOCOC_CACHE", c.cache)
			e.Setenv("YOCOC_ISA", os.Getenv("YOCOC_ISA"))
			e.Setenv("REPO", c.repo)
			e.Setenv("MODEL", filepath.Join(c.repo, "models", "yoco-8m.yaml"))
			e.Setenv("SPECS", filepath.Join(c.repo, "generated", "testdata", "specs"))
			e.Setenv("GOLDENS", filepath.Join(c.repo, "generated", "testdata", "goldens"))
			return nil
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
