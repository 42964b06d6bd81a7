package tests

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources are the module's Go and assembly files by their slash-separated paths.
func sources(t *testing.T) map[string][]byte {
	t.Helper()
	dir := root(t)
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != dir:
			return fs.SkipDir
		case d.IsDir() || !slices.Contains([]string{".go", ".s"}, filepath.Ext(path)):
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// header is the convention by which tools know a generated file (go help generate).
var header = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// isGenerated reports whether a file says so of itself, before its first line of code.
func isGenerated(text []byte) bool {
	at := header.FindIndex(text)
	if at == nil {
		return false
	}
	for line := range strings.Lines(string(text[:at[0]])) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			return false
		}
	}
	return true
}

// comment is a package's comment, that of the file which has one.
func comment(t *testing.T, importPath string) string {
	t.Helper()
	dir := filepath.Join(root(t), filepath.FromSlash(strings.TrimPrefix(importPath, module)))
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc == nil || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if text != "" {
			t.Errorf("%s has more than one package comment", importPath)
		}
		text = f.Doc.Text()
	}
	return text
}
