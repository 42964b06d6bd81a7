package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/yococ/yococ"

// rule says what a package may import: packages of ours by their path in the module ("" is its
// root), modules of others, and of the standard library all but without.
type rule struct {
	ours, others, without []string
}

var (
	noFiles  = []string{"os", "path/filepath", "io/fs", "net", "os/exec"}
	noTools  = []string{"os/exec", "net", "net/http", "plugin", "go/ast", "go/parser", "C"}
	compiled = rule{ours: []string{"runtime", "runtime/kernel", "runtime/weights"}, without: append([]string{"os"}, noTools...)}
)

// rules are the module's packages. A pattern ends in * and is for those that no other rule names.
var rules = map[string]rule{
	"":                          {},
	"models":                    {others: []string{"gopkg.in/yaml.v3"}},
	"models/checkpoint":         {ours: []string{"models", "models/tokenizer"}},
	"models/checkpoint/pthtest": {without: noFiles},
	"models/tokenizer":          {},
	"ir":                        {without: noFiles},
	"ir/build":                  {ours: []string{"models", "ir"}, without: noFiles},
	"ir/plan":                   {ours: []string{"ir"}, without: noFiles},
	"passes":                    {ours: []string{"ir", "ir/plan"}, without: noFiles},
	"asm":                       {ours: []string{"ir/plan"}, others: []string{"github.com/mmcloughlin/avo"}, without: noFiles},
	"codegen":                   {ours: []string{"ir", "ir/plan"}, others: []string{"github.com/dave/jennifer"}, without: noFiles},
	"codegen/pack":              {ours: []string{"ir", "ir/plan", "runtime/kernel", "runtime/weights"}, without: noFiles},
	"runtime":                   {ours: []string{"runtime/kernel", "runtime/room", "runtime/snapshot", "runtime/weights"}, without: noTools},
	"runtime/kernel":            {without: noTools},
	"runtime/snapshot":          {without: noTools},
	"runtime/room":              {without: noTools},
	"runtime/weights":           {ours: []string{"runtime/room"}, without: noTools},
	"runtime/host":              {ours: []string{"runtime", "runtime/host/probe", "runtime/kernel", "runtime/weights"}, without: []string{"net", "C"}},
	"runtime/host/probe":        {without: noTools},
	"runtime/kernel/kerneltest": {ours: []string{"runtime/kernel"}},
	"generated/*":               compiled,
	"generated/kernels":         compiled,
	"generated/kernels/gen":     {ours: []string{"asm", "ir/plan"}},
	"generated/gen":             {ours: []string{"internal/driver", "internal/testmodel"}},
	"internal/testmodel":        {ours: []string{"internal/driver", "ir/plan", "runtime", "runtime/kernel", "runtime/weights"}},
	"internal/driver": {ours: []string{
		"", "asm", "codegen", "codegen/pack", "ir", "ir/build", "ir/plan", "models", "models/checkpoint",
		"models/tokenizer", "passes", "runtime", "runtime/host", "runtime/host/probe", "runtime/kernel", "runtime/weights",
	}, without: []string{"flag", "net", "C"}},
	"cmd/yococ": {
		ours:   []string{"internal/driver", "models", "models/checkpoint", "models/tokenizer", "runtime", "runtime/host"},
		others: []string{"github.com/spf13/cobra", "golang.org/x/term"},
	},
	"tests":                 {},
	"tests/bench/cancel":    {ours: []string{"internal/driver"}},
	"tests/bench/gguf":      {ours: []string{"models"}},
	"tests/bench/readspeed": {ours: []string{"runtime/host/probe", "runtime/kernel"}},
	"tests/bench/speculate": {ours: []string{"internal/driver", "models", "runtime/host"}},
	"tests/bench/table":     {},
	"tests/bench/paper":     {},
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath, Doc string
	Imports         []string
}

// list runs go list over the module.
func list(t *testing.T, env ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Doc", "./...")
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// TestImports holds the direct imports of every package to the table, on several systems. The
// table has no cycles and names no package of the compiler beside the runtime or a generated
// model, so what follows for indirect imports holds too.
func TestImports(t *testing.T) {
	for _, env := range [][]string{
		{"GOOS=linux", "GOARCH=amd64"}, {"GOOS=linux", "GOARCH=arm64"}, {"GOOS=darwin", "GOARCH=arm64"}, {"GOOS=windows", "GOARCH=amd64"},
	} {
		seen := map[string]bool{}
		for _, p := range list(t, append(env, "CGO_ENABLED=0")...) {
			name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
			r, ok := rules[name]
			if !ok {
				name = path.Dir(name) + "/*"
				r, ok = rules[name]
			}
			if seen[name] = true; !ok {
				t.Errorf("%s has no rule", p.ImportPath)
				continue
			}
			for _, i := range p.Imports {
				if !r.allows(i) {
					t.Errorf("%v: %s may not import %s", env, p.ImportPath, i)
				}
			}
		}
		for name := range rules {
			if !seen[name] {
				t.Errorf("%v: there is a rule for %q, and no such package", env, name)
			}
		}
	}
}

func (r rule) allows(path string) bool {
	if path == module || strings.HasPrefix(path, module+"/") {
		return slices.Contains(r.ours, strings.TrimPrefix(strings.TrimPrefix(path, module), "/"))
	}
	if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
		return slices.ContainsFunc(r.others, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") })
	}
	return !slices.Contains(r.without, path)
}

// limit is how a package's comment says what is not its business.
var limit = regexp.MustCompile(`(?i)\b(may|must) not\b`)

// TestComments demands that every package says what it is for, and in the last paragraph what it
// may not do.
func TestComments(t *testing.T) {
	for _, p := range list(t) {
		text := comment(t, p.ImportPath)
		paragraphs := strings.Split(strings.TrimSpace(text), "\n\n")
		switch last := paragraphs[len(paragraphs)-1]; {
		case text == "":
			t.Errorf("%s has no package comment", p.ImportPath)
		case !limit.MatchString(last):
			t.Errorf("%s: the package comment does not end with what the package may not do, but with %q", p.ImportPath, last)
		}
	}
}
