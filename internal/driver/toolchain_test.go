package driver

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/yococ/yococ/runtime/host"
)

// TestGoBuildAlone: what the user's environment and go env -w say of other builds changes nothing.
func TestGoBuildAlone(t *testing.T) {
	build := func() []byte {
		t.Helper()
		dir := folder(t, map[string]string{
			"go.mod":  "module m\n\ngo 1.26\n",
			"main.go": "package main\n\nfunc main() { println(tagged) }\n",
			"a.go":    "//go:build other\n\npackage main\n\nconst tagged = true\n",
			"b.go":    "//go:build !other\n\npackage main\n\nconst tagged = false\n",
		})
		if err := goBuild(context.Background(), dir, "made"); err != nil {
			t.Fatal(err)
		}
		made, err := os.ReadFile(filepath.Join(dir, "made"))
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	plain := build()
	env := folder(t, map[string]string{"env": "GOFLAGS=-tags=other\nGOAMD64=v3\n"})
	t.Setenv("GOENV", filepath.Join(env, "env"))
	if !slices.Equal(build(), plain) {
		t.Error("go env -w changes what is built")
	}
	t.Setenv("GOFLAGS", "-tags=other")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("GOEXPERIMENT", "nothing")
	if !slices.Equal(build(), plain) {
		t.Error("the environment changes what is built")
	}
}

// TestDamagedProgram: a program in the cache that cannot be started is made anew.
func TestDamagedProgram(t *testing.T) {
	if testing.Short() || runtime.GOOS == "windows" {
		t.Skip("compiles a model")
	}
	c := cache(t)
	m := load(t, models8m, Options{})
	for _, damage := range []func(path string) error{
		func(path string) error { return os.Chmod(path, 0o644) },
		func(path string) error { return os.Truncate(path, 0) },
		func(path string) error { return os.Truncate(path, 1<<16) },
		func(path string) error { return os.WriteFile(path, []byte("no program"), 0o777) },
		func(path string) error { return os.WriteFile(path, []byte("#!/bin/sh\necho another program\n"), 0o777) },
	} {
		path, err := c.Binary(context.Background(), m.Package, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(path); err != nil {
			t.Fatal(err)
		}
		client, err := c.start(context.Background(), m.Package, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Open(host.OpenRequest{}); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("the program does not answer: %v", err)
		}
		client.Close()
	}
}
