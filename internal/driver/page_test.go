package driver

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yococ/yococ/passes"
)

// A shownPage is what a page has, as text without marks, and by element.
type shownPage struct {
	text     string
	elements map[string]int
	ids      []string
	links    []string
}

func showPage(t *testing.T, data []byte) shownPage {
	t.Helper()
	p, d := shownPage{elements: map[string]int{}}, xml.NewDecoder(bytes.NewReader(data))
	d.Entity = xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			p.text += string(token)
		case xml.StartElement:
			p.elements[token.Name.Local]++
			for _, a := range token.Attr {
				switch {
				case a.Name.Local == "id":
					p.ids = append(p.ids, a.Value)
				case a.Name.Local == "href" && strings.HasPrefix(a.Value, "#"):
					p.links = append(p.links, a.Value[1:])
				case a.Name.Local == "src" || a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on"):
					t.Errorf("%s has %s=%q", token.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

// TestPage: of stacks of all kinds a page is well-formed, asks for nothing from elsewhere, and has the memory that is promised, the
// equations and calls of every stage, every state, a box for each time that a slot is in use, every tensor and every pass.
func TestPage(t *testing.T) {
	for _, name := range []string{"yoco-8m", "yoco-3b", "phi4-mini-flash", "transformer-160m", "mixed-160m", "fla-default"} {
		t.Run(name, func(t *testing.T) {
			m := load(t, filepath.Join("..", "..", "models", name+".yaml"), Options{KV: "q8"})
			mem := NewMemory(m, 2)
			data, err := m.Page(mem, []int{100, 32768}, []int{1, 3})
			if err != nil {
				t.Fatal(err)
			}
			page := showPage(t, data)
			for _, e := range []string{"script", "link", "img", "iframe", "object", "base"} {
				if page.elements[e] > 0 {
					t.Errorf("the page has %s", e)
				}
			}
			for _, l := range page.links {
				if !slices.Contains(page.ids, l) {
					t.Errorf("a link leads to %s, which is nowhere", l)
				}
			}
			plan := m.Package.Plan
			want := []string{
				pageSize(mem.Total(100)), "3 sessions of 32768 tokens: " + pageSize(mem.Batch(32768, 3)),
				fmt.Sprintf("%.1f %%", 100*EveryRowShare(m.PrefillRows())), "as the spec means it",
			}
			for _, s := range plan.Stages {
				want = append(want, s.Doc)
				for _, step := range s.Steps {
					want = append(want, step.Equation, step.Value)
				}
			}
			for _, s := range plan.States {
				want = append(want, s.Name)
			}
			for _, w := range plan.Tensors() {
				want = append(want, w.Name, fmt.Sprint(w.Bytes()))
			}
			for _, p := range passes.Passes {
				want = append(want, p.Doc)
			}
			for _, text := range want {
				if !strings.Contains(page.text, text) {
					t.Errorf("the page does not say %q", text)
				}
			}
			boxes := 0
			for _, s := range plan.Slots {
				boxes += max(len(s.Live), 1)
			}
			if page.elements["rect"] != boxes {
				t.Errorf("%d boxes, want %d", page.elements["rect"], boxes)
			}
		})
	}
}

// TestPageEscapes: a name of a file is text, whatever it is.
func TestPageEscapes(t *testing.T) {
	spec, err := os.ReadFile(models8m)
	if err != nil {
		t.Fatal(err)
	}
	const name = `a<script>alert("&amp;")<b>.yaml`
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, spec, 0o666); err != nil {
		t.Fatal(err)
	}
	m := load(t, path, Options{})
	data, err := m.Page(NewMemory(m, 1), []int{100}, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	page := showPage(t, data)
	if page.elements["script"] > 0 || !strings.Contains(page.text, "compiled from "+name) {
		t.Errorf("%s is not there as text", name)
	}
}

// TestPageArena: boxes lie within the picture, and none on another.
func TestPageArena(t *testing.T) {
	m := load(t, filepath.Join("..", "..", "models", "mixed-160m.yaml"), Options{})
	a := newPageArena(m.Package.Plan)
	for i, s := range a.Slots {
		if s.X < arenaLeft || s.Y < 0 || s.W < 1 || s.H < arenaLine || s.X+s.W > a.Width || s.Y+s.H > a.Height {
			t.Errorf("%s lies outside", s.Name)
		}
		for _, o := range a.Slots[:i] {
			if s.X < o.X+o.W && o.X < s.X+s.W && s.Y < o.Y+o.H && o.Y < s.Y+s.H {
				t.Errorf("%s and %s lie on each other", s.Name, o.Name)
			}
		}
	}
}
