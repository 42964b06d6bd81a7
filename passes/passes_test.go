package passes

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/yococ/yococ/ir"
)

// TestData runs the cases in testdata, a file a pass or planning step; -rewrite updates them.
//
//	run PASS … [weights=f32|bf16] [checkpoint=f32|bf16] [entries]    a program, or a fragment: see frame
//	demand                                                           early exit over a program that need not be valid
//	place, schedule, select, plan, skip                              see the functions of those names
func TestData(t *testing.T) {
	commands := map[string]func(*testing.T, *datadriven.TestData) string{
		"run": runCase, "demand": demandCase, "place": placeCase, "schedule": scheduleCase, "plan": planCase, "select": selectCase, "skip": skipCase,
	}
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			do := commands[d.Cmd]
			if do == nil {
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			return do(t, d)
		})
	})
}

// TestFiles: every pass has its file, its cases and its sentence.
func TestFiles(t *testing.T) {
	for _, p := range Passes {
		file := strings.ReplaceAll(p.Name, "-", "_")
		for _, path := range []string{file + ".go", filepath.Join("testdata", file)} {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("pass %s: %v", p.Name, err)
			}
		}
		if p.Doc == "" {
			t.Errorf("pass %s says nothing of itself", p.Name)
		}
	}
}

// runCase runs passes over a program and gives its text. Whatever the text says, the program has
// to stay valid, to print as it parses, and to compute what it computed; and all that again with
// independent values in other orders before each pass, whatever the text is then.
func runCase(t *testing.T, d *datadriven.TestData) string {
	names, target := runArgs(t, d)
	text, shown := frame(t, d)
	text = runAll(t, d.Pos, text, names, target, nil).only(shown, d.HasArg("entries") || slices.Contains(names, "early-exit"))
	full, _ := frame(t, d)
	for seed := range uint64(4) {
		runAll(t, d.Pos, full, names, target, shuffler(seed))
	}
	return text
}

func runArgs(t *testing.T, d *datadriven.TestData) (names []string, target Target) {
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "weights":
			target.Weights = elem(t, d, a.Vals[0])
		case "checkpoint":
			target.Checkpoint = elem(t, d, a.Vals[0])
		case "entries":
		default:
			if !slices.Contains(Names(), a.Key) {
				d.Fatalf(t, "no pass %s", a.Key)
			}
			names = append(names, a.Key)
		}
	}
	return names, target
}

func elem(t *testing.T, d *datadriven.TestData, name string) ir.Elem {
	e, err := ir.ParseElem(name)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return e
}

// A text is a program's text form.
type text string

// runAll runs passes over the program in full, reordered before each if reorder is not nil, and
// checks what always holds.
func runAll(t *testing.T, pos, full string, names []string, target Target, reorder func(*ir.Program)) text {
	t.Helper()
	p, err := ir.Parse(full)
	if err != nil {
		t.Fatalf("%s: %v\n%s", pos, err, full)
	}
	if err := ir.Verify(p); err != nil {
		t.Fatalf("%s: %v", pos, err)
	}
	roles := rolesOf(p)
	want := evaluate(t, p, roles)
	for _, name := range names {
		if reorder != nil {
			reorder(p)
		}
		before := p.String()
		pass := Passes[slices.Index(Names(), name)]
		if err := run(pass, p, &target); err != nil {
			t.Fatalf("%s: %v\n%s", pos, err, before)
		}
		if again, err := ir.Parse(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("%s: prints as\n%v\nand parses to\n%v, %v", pos, p, again, err)
		}
		if diff := difference(want, evaluate(t, p, roles)); diff != "" {
			t.Errorf("%s: pass %s: %s\nbefore\n%s\nafter\n%v", pos, name, diff, before, p)
		}
	}
	return text(p.String())
}

// only is the part of a program's text that is of its stages shown, with the weights that they
// read; a nil shown is all of it.
func (x text) only(shown []string, entries bool) string {
	if shown == nil {
		return string(x)
	}
	p, err := ir.Parse(string(x))
	if err != nil {
		return err.Error()
	}
	var b, body strings.Builder
	var read []*ir.Weight
	for _, s := range p.Stages {
		if !slices.Contains(shown, s.Name) {
			continue
		}
		if len(shown) > 1 || s.Name != "self" {
			body.WriteString(s.String())
		} else {
			body.WriteString(s.Func.String())
		}
		for _, v := range s.Func.Values {
			read = append(read, v.Weights...)
		}
	}
	for _, l := range strings.Split(string(x), "\n") {
		f := strings.Fields(l)
		if len(f) > 1 && f[0] == "weight" && slices.ContainsFunc(read, func(w *ir.Weight) bool { return "@"+w.Name == f[1] }) {
			b.WriteString(l + "\n")
		}
	}
	b.WriteString(body.String())
	for _, e := range p.Entries {
		if !entries {
			break
		}
		fmt.Fprintf(&b, "entry %s", e.Name)
		for i, r := range e.Rows {
			fmt.Fprintf(&b, " %s=%v", p.Stages[i].Name, r)
		}
		fmt.Fprintf(&b, " want=%v\n", e.Want)
	}
	return b.String()
}

// demandCase runs early exit alone over a program that the verifier need not accept, and prints
// the rows of each stage.
func demandCase(t *testing.T, d *datadriven.TestData) string {
	full, shown := frame(t, d)
	p, err := ir.Parse(full)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	roles := rolesOf(p)
	want := evaluate(t, p, roles)
	earlyExit(p, &Target{})
	if diff := difference(want, evaluate(t, p, roles)); diff != "" {
		t.Errorf("%s: %s", d.Pos, diff)
	}
	_, entries, _ := strings.Cut(text(p.String()).only(shown, true), "entry ")
	return "entry " + entries
}
