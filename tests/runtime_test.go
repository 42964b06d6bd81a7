package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/internal/testmodel"
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/build"
	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/models"
)

// TestRuntimeInterpretsNothing reads the source of the runtime: it chooses nothing by the name of
// an operation, a stage or a routine. A generated package calls its routines; whatever looked them
// up while a model runs would be an interpreter. (That the runtime imports nothing of the compiler
// is TestImports.)
func TestRuntimeInterpretsNothing(t *testing.T) {
	names := compilerNames(t)
	root := root(t)
	err := filepath.WalkDir(filepath.Join(root, "runtime"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			for _, choice := range choices(n) {
				if lit, ok := choice.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil && names[s] != "" {
						t.Errorf("%v: something is chosen by %q, the name of %s", files.Position(lit.Pos()), s, names[s])
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// choices are the expressions by which a piece of code chooses: what a switch's cases, a
// comparison or a map's literal name.
func choices(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.CaseClause:
		return n.List
	case *ast.BinaryExpr:
		if n.Op == token.EQL || n.Op == token.NEQ {
			return []ast.Expr{n.X, n.Y}
		}
	case *ast.IndexExpr:
		return []ast.Expr{n.Index}
	case *ast.KeyValueExpr:
		return []ast.Expr{n.Key}
	}
	return nil
}

// compilerNames are the names of the operations of all test models before and after the passes,
// of stages, entries and routines, each with what it is.
func compilerNames(t *testing.T) map[string]string {
	names := map[string]string{}
	for _, m := range testmodel.Models {
		spec, err := models.Load(filepath.Join(root(t), filepath.FromSlash(m.Spec)))
		if err != nil {
			t.Fatal(err)
		}
		program, err := build.Program(spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range program.Stages {
			names[s.Name] = "a stage"
			for _, v := range s.Func.Values {
				names[v.Op.Name] = "an operation"
			}
		}
		p, err := driver.Compile(spec, driver.Formats{Checkpoint: ir.F32, Weights: ir.F32, KV: ir.F32}, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Plan.Entries {
			names[e.Name] = "an entry"
		}
	}
	for _, r := range []*plan.Routine{
		plan.Embed, plan.Rotate, plan.Linear, plan.LinearAdd, plan.LinearSwiGLU,
		plan.Retain, plan.AttendWindow, plan.Append, plan.Attend,
	} {
		names[r.Name] = "a routine"
	}
	return names
}
