package models

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestParse runs the cases of testdata/parse: a spec, and what is said about it or, if nothing
// is wrong, what Marshal makes of it.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata/parse", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "parse":
				s, err := Parse("m.yaml", []byte(d.Input))
				if err != nil {
					return err.Error() + "\n"
				}
				roundTrip(t, s)
				return string(s.Marshal())
			case "weights": // the spec, or that of testdata/good.yaml; repeats left out
				s, err := Load("testdata/good.yaml")
				if d.Input != "" {
					s, err = Parse("m.yaml", []byte(d.Input))
				}
				if err != nil {
					t.Fatal(err)
				}
				return listWeights(s)
			case "edit": // the spec of testdata/good.yaml with lines replaced: OLD => NEW
				return edit(t, d.Input)
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

// edit parses testdata/good.yaml after replacements, one a line, each "old => new".
func edit(t *testing.T, edits string) string {
	good, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	for e := range strings.Lines(edits) {
		from, to, _ := strings.Cut(strings.TrimSuffix(e, "\n"), " =>")
		from = strings.ReplaceAll(from, `\n`, "\n")
		if !strings.Contains(text, from) {
			t.Fatalf("%q is not in good.yaml", from)
		}
		text = strings.Replace(text, from, strings.ReplaceAll(strings.TrimPrefix(to, " "), `\n`, "\n"), 1)
	}
	s, err := Parse("m.yaml", []byte(text))
	if err != nil {
		return err.Error() + "\n"
	}
	roundTrip(t, s)
	return "ok\n"
}

// listWeights prints every weight but those of later layers, and the sums.
func listWeights(s *Spec) string {
	var b strings.Builder
	var n int64
	for _, w := range s.Weights() {
		n += w.Elems()
		if w.Layer < 1 {
			fmt.Fprintf(&b, "%-15s %2d %-9s %s", w.Role, w.Layer, fmt.Sprint(w.Shape), filepath.ToSlash(w.Pos))
			if w.Kind != w.Role {
				fmt.Fprintf(&b, " is %s %d", w.Kind, w.At)
			}
			b.WriteByte('\n')
		}
	}
	fmt.Fprintf(&b, "%d weights, %d elements, %d parameters\n", len(s.Weights()), n, s.Params())
	return b.String()
}

// roundTrip checks that what Marshal writes reads back as the same spec.
func roundTrip(t *testing.T, s *Spec) {
	t.Helper()
	file := filepath.Join(filepath.Dir(s.File()), "again.yaml")
	text := s.MarshalFor(file)
	again, err := Parse(file, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !s.Equal(again) {
		t.Fatalf("got %+v\nwant %+v\n%s", again, s, text)
	}
	if err := s.Check(); err != nil {
		t.Fatalf("Parse accepts what Check refuses: %v", err)
	}
}

// published are numbers of parameters that those who made a model tell, to the last one.
var published = map[string]int64{"phi4miniflash": 3_852_562_944}

// TestSpecs loads every spec of this folder and pins the sizes that the paper states.
func TestSpecs(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no specs", err)
	}
	names := map[string]string{}
	for _, f := range files {
		s, err := Load(f)
		if err != nil {
			t.Error(err)
			continue
		}
		if other := names[s.Name]; other != "" {
			t.Errorf("%s and %s are both named %s", f, other, s.Name)
		}
		names[s.Name] = f
		if want := strings.NewReplacer("-", "", ".", "").Replace(strings.TrimSuffix(f, ".yaml")); s.Name != want {
			t.Errorf("%s is named %s, want %s", f, s.Name, want)
		}
		for _, p := range []string{s.Checkpoint.Path, s.Tokenizer} {
			if p == "" {
				continue
			}
			if _, err := os.Stat(p); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
		roundTrip(t, s)
		if want, ok := published[s.Name]; ok && s.Params() != want {
			t.Errorf("%s has %d parameters, want %d", f, s.Params(), want)
		}
		t.Logf("%-18s %14d parameters", f, s.Params())
	}
}

// TestTabs: YAML has no tabs in indentations, and a spec with one is told so where it stands.
func TestTabs(t *testing.T) {
	const tab = "is not YAML: a tab indents this line, want spaces"
	for text, want := range map[string]string{
		"\tname: x\n":                        "m.yaml:1:1: " + tab,
		"name: x\nself:\n\tlayers: 1\n":      "m.yaml:3:1: " + tab,
		"name: x\n\tdim: 3\n":                "m.yaml:2:1: " + tab,
		"self:\n  layers: 1\n\tmixer: 3\n":   "m.yaml:3:1: " + tab,
		"self:\n  layers: 1\n\n  \tffn: 3":   "m.yaml:4:3: " + tab,
		"self:\n  ffn:\n\t  hidden: 3\n":     "m.yaml:3:1: " + tab,
		"name: @x\n":                         "m.yaml:1:1: is not YAML: found character that cannot start any token",
		"name:\tx\nself:\n  layers: [1,\n]]": "m.yaml:3:3: is not YAML: did not find",
	} {
		if _, err := Parse("m.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

// TestSchemaUpToDate compares schema.json with the table it is made from.
func TestSchemaUpToDate(t *testing.T) {
	want := JSONSchema()
	if f := flag.Lookup("rewrite"); f != nil && f.Value.String() == "true" { // datadriven's flag
		if err := os.WriteFile("schema.json", want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("schema.json"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("schema.json is out of date (%v): run go generate ./models", err)
	}
}

// FuzzParse: no text makes Parse panic, every error has its file and position, and every
// accepted spec survives being written and read.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("*.yaml")
	for _, name := range append(files, "testdata/good.yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, s := range []string{"", "a: *x", "- 1", "a: &x 1\n<<: *x", "---\n---\n", "? [1]\n: 2", "self: {mixer: {kind: 7}}", "\ufeffname: x", "name: !!int x"} {
		f.Add([]byte(s))
	}
	good, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("name: x\nvocab: 9\ndim: 8\nself: {stack: [{repeat: 2, layers: [{mixer: {kind: attention, heads: 2, rope: none}, ffn: {hidden: 4}}]}, {mixer: {kind: attention, heads: 1, shares: true}, ffn: {hidden: 4}}]}\ncross: {stack: [{mixer: {kind: cross-attention, heads: 1}, ffn: {hidden: 4}}]}"))
	f.Add(bytes.Replace(good, []byte("tokenizer: weights/tokenizer.json"), []byte("tokenizer: /"), 1)) // absolute, beside a spec whose own path is not
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("dir/m.yaml", text)
		if err == nil {
			roundTrip(t, s)
			if s.Params() < 4 || len(s.Weights()) == 0 {
				t.Fatalf("%d parameters", s.Params())
			}
			return
		}
		es, ok := err.(Errors)
		if !ok || len(es) == 0 || s != nil {
			t.Fatalf("got %T %v", err, err)
		}
		for i, e := range es {
			if e.File != "dir/m.yaml" || e.Msg == "" || (e.Line < 1 || e.Col < 1) && len(text) <= maxText {
				t.Fatalf("error without its place: %#v", e)
			}
			if i > 0 && e.Line < es[i-1].Line {
				t.Fatalf("errors are not in order: %v", es)
			}
		}
		_ = es.Error()
	})
}
