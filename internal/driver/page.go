package driver

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/build"
	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/passes"
	"github.com/yococ/yococ/runtime/kernel"
)

// A page is what Page shows of a model. The template has the words.
type page struct {
	Plan    *plan.Plan
	Memory  *Memory
	Totals  []pageTotal
	Prefill []PrefillRows
	Share   string // of the multiplications that every row takes part in
	Stages  []pageStage
	States  []pageState
	Arena   pageArena
	Tensors []plan.Tensor
	Passes  []pagePass
}

// A pageTotal is the memory of so many sessions of a context, and its parts in shares of the largest total.
type pageTotal struct {
	Tokens, Batch int
	Bytes         int64
	Parts         []pageShare
}

type pageShare struct {
	MemoryPart
	Hue     int
	Percent string
}

// A pageStage is a stage as the spec means it, "" if passes have cut it from another, as the last pass left it, and as the
// plan has it: what stands between two meetings of the workers is a group.
type pageStage struct {
	*plan.Stage
	Before, After string
	Entries       []string
	Groups        [][]plan.Step
}

// A pageState is a state with its size: of a token, or at any length.
type pageState struct {
	*plan.State
	Layout string
	Bytes  int64
	Grows  bool
	Cells  []pageCell // of a cache: what a kv head's segment, or slot of a ring, consists of
	Scales bool       // some of them are scales
	Repeat string     // how often
}

// A pageCell is a section as wide as its share of the segment.
type pageCell struct {
	kernel.Section
	Hue     int
	Percent string
}

// A pagePass is a program after a pass.
type pagePass struct {
	Name, Doc, Text string
	Changed         bool
}

//go:embed page.html
var pageText string

// Page is an HTML page about the model, for readers: memory, what a prompt runs through, every stage in the spec's equations, in the
// compiler's and in calls, the layout of states, the arena, and the program after every pass. It needs no other file.
func (m *Model) Page(mem *Memory, contexts, batch []int) ([]byte, error) {
	rows := m.PrefillRows()
	p := &page{
		Plan: m.Package.Plan, Memory: mem, Totals: pageTotals(mem, contexts, batch),
		Prefill: rows, Share: fmt.Sprintf("%.1f", 100*EveryRowShare(rows)), States: pageStates(m.Package.Plan),
		Arena: newPageArena(m.Package.Plan), Tensors: m.Package.Plan.Tensors(),
	}
	naive, err := build.Program(m.Spec)
	if err != nil {
		return nil, err
	}
	p.Stages = pageStages(m.Package, naive)
	if p.Passes, err = m.passes(naive); err != nil {
		return nil, err
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"size": pageSize, "layers": PrefillRows.Name, "join": strings.Join,
	}).Parse(pageText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

// passes runs the rewrites once more over a program, to see it after each.
func (m *Model) passes(program *ir.Program) (list []pagePass, err error) {
	to, err := target(m.Spec, m.formats, m.skip)
	if err != nil {
		return nil, err
	}
	docs := map[string]string{"naive": "the spec's equations"}
	for _, p := range passes.Passes {
		docs[p.Name] = p.Doc
	}
	to.Dump = func(_ int, name, text string) {
		n := len(list)
		list = append(list, pagePass{Name: name, Doc: docs[name], Text: text, Changed: n == 0 || text != list[n-1].Text})
	}
	err = passes.Optimize(program, to)
	return list, err
}

func pageTotals(mem *Memory, contexts, batch []int) (list []pageTotal) {
	most := int64(1)
	for _, n := range contexts {
		for _, b := range batch {
			t := pageTotal{Tokens: n, Batch: b, Bytes: mem.Batch(n, b)}
			for i, p := range mem.Parts(n) {
				if !p.Once {
					p.Bytes *= int64(b)
				}
				t.Parts = append(t.Parts, pageShare{MemoryPart: p, Hue: 50 * i})
			}
			list, most = append(list, t), max(most, t.Bytes)
		}
	}
	for _, t := range list {
		for i := range t.Parts {
			t.Parts[i].Percent = fmt.Sprintf("%.3f", 100*float64(t.Parts[i].Bytes)/float64(most))
		}
	}
	return list
}

func pageStages(pack *Package, naive *ir.Program) (list []pageStage) {
	text := func(p *ir.Program, i int) string {
		for _, st := range p.Stages {
			if st.Name == pack.Program.Stages[i].Name {
				return withoutPlaces(st.String())
			}
		}
		return ""
	}
	for i := range pack.Plan.Stages {
		s := pageStage{Stage: &pack.Plan.Stages[i], Before: text(naive, i), After: text(pack.Program, i)}
		for _, e := range pack.Plan.Entries {
			for _, at := range e.Stages {
				if at == i {
					s.Entries = append(s.Entries, e.Name)
				}
			}
		}
		for at, step := range s.Steps {
			if at == 0 || step.Sync {
				s.Groups = append(s.Groups, nil)
			}
			last := len(s.Groups) - 1
			s.Groups[last] = append(s.Groups[last], step)
		}
		list = append(list, s)
	}
	return list
}

// withoutPlaces is a program's text without the positions in the spec, which end lines.
func withoutPlaces(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		code, _, _ := strings.Cut(l, "  ; ")
		lines[i] = strings.TrimRight(code, " ")
	}
	return strings.Join(lines, "\n")
}

func pageStates(p *plan.Plan) (list []pageState) {
	for i := range p.States {
		s := pageState{State: &p.States[i]}
		o := p.Object(s.Object)
		for _, f := range o.Fields {
			s.Layout += fmt.Sprintf(" %s=%v", f.Name, f.Value)
		}
		s.Layout = strings.TrimSpace(s.Layout)
		if s.Kind == ir.Carry {
			_, s.Bytes = stateBytes(p, s.State)
			list = append(list, s)
			continue
		}
		cache, layers := cacheSpec(o), max(s.Layers, 1)
		sections, segment := cache.Sections(), 0
		for _, c := range sections {
			segment += c.Bytes
		}
		for _, c := range sections {
			hue := map[string]int{"keys": 210, "scales": 40, "values": 130}[c.Name]
			s.Scales = s.Scales || c.Name == "scales"
			s.Cells = append(s.Cells, pageCell{c, hue, fmt.Sprintf("%.3f", 100*float64(c.Bytes)/float64(segment))})
		}
		s.Bytes, s.Grows = int64(layers*cache.Bytes()), cache.Window == 0
		if s.Grows {
			s.Bytes /= kernel.SpanTokens
			s.Repeat = fmt.Sprintf("%d kv heads of %s, for every %d positions", cache.KVHeads, counted(layers, "cache"), kernel.SpanTokens)
		} else {
			s.Repeat = fmt.Sprintf("%d kv heads of %s, at %d slots of a ring", cache.KVHeads, counted(layers, "cache"), cache.Bytes()/segment/cache.KVHeads)
		}
		list = append(list, s)
	}
	return list
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// pageSize is a number of bytes with a unit that keeps it short.
func pageSize(n any) string {
	var bytes float64
	switch n := n.(type) {
	case int:
		bytes = float64(n)
	case int64:
		bytes = float64(n)
	}
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for ; bytes >= 1000 && i+1 < len(units); i++ {
		bytes /= 1000
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", bytes)
	}
	return fmt.Sprintf("%.2f %s", bytes, units[i])
}
