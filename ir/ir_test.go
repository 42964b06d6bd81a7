package ir

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestParse: "parse" prints what it read, or the error.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata/parse", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			p, err := Parse(d.Input)
			if err != nil {
				return err.Error()
			}
			if text := p.String(); text != p.Clone().String() {
				t.Errorf("%s: prints and parses to\n%v", d.Pos, p.Clone())
			}
			return p.String()
		})
	})
}

// TestVerify: "verify" lists the violations. "base" sets a program; later cases in the file may
// be the lines of it that differ, as "old line => new lines".
func TestVerify(t *testing.T) {
	datadriven.Walk(t, "testdata/verify", func(t *testing.T, path string) {
		base := ""
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			text := d.Input
			switch d.Cmd {
			case "base":
				base = text
			case "change":
				text = base
				for _, l := range strings.Split(d.Input, "\n") {
					from, to, ok := strings.Cut(l, "=>")
					from, to = strings.TrimSpace(from), strings.ReplaceAll(strings.TrimSpace(to), `\n`, "\n")
					if !ok || strings.Count(text, from+"\n") != 1 {
						d.Fatalf(t, "%q is not one line of the base", from)
					}
					text = strings.Replace(text+"\n", from+"\n", to+"\n", 1)
				}
			}
			p, err := parse(text, false)
			if err != nil {
				return err.Error()
			}
			if err := Verify(p); err != nil {
				return err.Error()
			}
			return "ok"
		})
	})
}

// TestEval: "equal" runs two stages that get the same weights, each as a program of its own, over
// some tokens in pieces, and compares their results and states.
func TestEval(t *testing.T) {
	datadriven.Walk(t, "testdata/eval", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			p, err := Parse(d.Input)
			if err != nil {
				return err.Error()
			}
			if len(p.Stages) != 2 {
				return "want two stages"
			}
			one, err := results(p, 0)
			if err != nil {
				return err.Error()
			}
			two, err := results(p, 1)
			if err != nil {
				return err.Error()
			}
			if !near(one, two) {
				return "different"
			}
			return fmt.Sprintf("equal, %d numbers", len(one))
		})
	})
}

// results is all that comes of stage i: the rows of three runs, then the states.
func results(p *Program, i int) (all []float64, err error) {
	q := &Program{Name: p.Name, States: p.States, Weights: p.Weights, Stages: p.Stages[i : i+1]}
	m := NewMachine(q, noise)
	for _, tokens := range [][]int32{{3, 1}, {0}, {2, 2, 3, 1}} {
		rows, err := m.Run(&Entry{Rows: []Rows{All}}, tokens)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			all = append(all, row...)
		}
	}
	for _, s := range p.States {
		for _, part := range s.Parts {
			data, _ := m.State(s.Name, 0, part.Name)
			all = append(all, data...)
		}
	}
	return all, nil
}

// noise fills a weight with numbers that depend on its name alone.
func noise(w *Weight, layer int) ([]float64, error) {
	h := fnv.New64a()
	fmt.Fprint(h, w.Name, layer)
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	x := make([]float64, w.Type.Size())
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x, nil
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"parse/programs", "verify/programs", "eval/fused"} {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "----") {
			if i := strings.Index(block, "program"); i >= 0 {
				f.Add(block[i:])
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := parse(text, false); err == nil {
			_ = Verify(q) // any program, no panic
		}
		p, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(p.String())
		if err != nil {
			t.Fatalf("%v\nin\n%v", err, p)
		}
		if again.String() != p.String() {
			t.Fatalf("%v\nparses to\n%v", p, again)
		}
	})
}
