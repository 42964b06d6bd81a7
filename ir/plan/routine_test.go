package plan_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yococ/yococ/ir/plan"
)

// TestRoutines reads the source of the runtime. A routine takes a worker and as many operands as
// the table says how it uses; those whose memory it uses are rows, states or slices. It reaches the
// kernels that the table lists, and no others but those that depend on the formats of operands.
func TestRoutines(t *testing.T) {
	funcs := kernelFuncs(t)
	byFormat := []*plan.Kernel{plan.GemmF32, plan.GemmBF16, plan.RopeInterleaved, plan.RopeHalf, plan.QuantizeRow, plan.ScaleRows, plan.SplitQueries, plan.Softmax, plan.ScoreQ8, plan.SoftmaxQ8, plan.WeighQ8, plan.ScoreQ4, plan.WeighQ4, plan.Hadamard}
	for _, r := range []*plan.Routine{
		plan.Embed, plan.Rotate, plan.Linear, plan.LinearAdd, plan.LinearSwiGLU,
		plan.Retain, plan.Activate, plan.ShortConv, plan.Delta, plan.DeltaGated, plan.AttendWindow, plan.Append, plan.Attend,
		plan.NormHeads, plan.NormRows, plan.Gate, plan.SelectiveScan, plan.Stripe, plan.Differ,
	} {
		if len(funcs[r.Name]) != 1 {
			t.Errorf("the runtime has %d functions %s", len(funcs[r.Name]), r.Name)
			continue
		}
		var params []ast.Expr
		for _, p := range funcs[r.Name][0].Type.Params.List {
			for range p.Names {
				params = append(params, p.Type)
			}
		}
		if len(params) != 1+len(r.Access) {
			t.Errorf("%s has %d parameters, want a worker and %d", r.Name, len(params), len(r.Access))
			continue
		}
		for i, a := range r.Access {
			if typ := typeName(params[1+i]); a != plan.None && !slices.Contains([]string{"Rows", "Input", "Phases", "*Retention", "*Cache", "[]float32"}, typ) {
				t.Errorf("%s: operand %d is a %s and is read or written", r.Name, i, typ)
			}
		}
		reached := map[string]bool{}
		reach(funcs, r.Name, reached)
		for _, k := range plan.Kernels {
			listed := slices.Contains(r.Kernels, k)
			switch {
			case listed && !reached["set."+k.Name]:
				t.Errorf("%s does not call %s", r.Name, k.Name)
			case listed || slices.Contains(byFormat, k) || r.Gemm || notCalled[r.Name+" "+k.Name] != "": // products share their code
			case reached["set."+k.Name]:
				t.Errorf("%s calls %s", r.Name, k.Name)
			}
		}
	}
}

// notCalled are the kernels that a routine seems to call, and why it does not.
var notCalled = map[string]string{
	"AttendWindow RMSNorm": "only queries of the shared cache are normalized",
	"Delta GateNorm":       "it has no gate",
	"Append Scale":         "a method of that name belongs to retention",
}

// kernelFuncs are the functions and methods of the runtime's kernels, by name.
func kernelFuncs(t *testing.T) map[string][]*ast.FuncDecl {
	paths, err := filepath.Glob("../../runtime/kernel/*.go")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no source: %v", err)
	}
	funcs := map[string][]*ast.FuncDecl{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && (fn.Recv == nil || typeName(fn.Recv.List[0].Type) != "Portable") {
				funcs[fn.Name.Name] = append(funcs[fn.Name.Name], fn)
			}
		}
	}
	return funcs
}

// reach notes all functions that a function of that name calls, by name, kernels as set.NAME.
func reach(funcs map[string][]*ast.FuncDecl, name string, reached map[string]bool) {
	if reached[name] {
		return
	}
	reached[name] = true
	for _, fn := range funcs[name] {
		ast.Inspect(fn, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.Ident:
				reach(funcs, f.Name, reached)
			case *ast.SelectorExpr:
				if of := strings.ToLower(typeName(f.X)); of == "set" || strings.HasSuffix(of, ".set") {
					reached["set."+f.Sel.Name] = true
				} else {
					reach(funcs, f.Sel.Name, reached)
				}
			}
			return true
		})
	}
}

// typeName is the text of a name, a selector, or a pointer to or slice of one.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return "*" + typeName(e.X)
	case *ast.ArrayType:
		return "[]" + typeName(e.Elt)
	}
	return ""
}
