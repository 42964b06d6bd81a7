package checkpoint

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/yococ/yococ/models"
)

// A Misfit says how a checkpoint and a spec differ, all of it.
type Misfit struct {
	Spec  string // file of the spec, "" if built in memory
	Name  string // of the model
	Path  string // of the checkpoint
	Items []Difference
	Hint  string // what is probably wrong as a whole, or ""

	otherDialect bool // most of what is missing has a name of another dialect
}

// A Difference is one tensor that is not as the spec asks.
type Difference struct {
	Kind    Kind
	Weight  models.WeightSpec // what the spec asks for; zero with Layer -1 if Unused
	Tensor  string            // its name in this dialect; of Unused, the one in the file
	Found   []int             // shape in the file
	DType   DType             // type in the file
	Nearest string            // of Missing: an unused tensor with a similar name, or ""
}

// Kind is a kind of Difference. Reports list them in this order.
type Kind int

const (
	Missing    Kind = iota // no tensor of that name
	WrongShape             // another shape
	WrongType              // not f32, f16 or bf16
	NotTied                // the head is in the file and differs from the embedding
	Unnamed                // checkpoints of this dialect have no such tensor
	Unused                 // a tensor that no weight asks for
)

func (m *Misfit) add(k Kind, w models.WeightSpec, name string, t Tensor) {
	m.Items = append(m.Items, Difference{Kind: k, Weight: w, Tensor: name, Found: t.Shape, DType: t.DType})
}

// advise adds what a reader would look up next: similar names, the other dialect.
func (m *Misfit) advise(spec *models.Spec, f *Files) {
	var unused []string
	for _, d := range m.Items {
		if d.Kind == Unused {
			unused = append(unused, d.Tensor)
		}
	}
	missing, in := 0, map[models.Dialect]int{}
	for i := range m.Items {
		d := &m.Items[i]
		if d.Kind != Missing {
			continue
		}
		missing++
		for _, other := range models.Dialects {
			if _, ok := f.Tensor(Name(other, spec, d.Weight)); ok {
				in[other]++
			}
		}
		if missing <= 100 && len(unused) <= 2000 { // or it would take long and help nobody
			d.Nearest = nearest(d, unused, f)
		}
	}
	other := models.Dialects[0]
	for _, d := range models.Dialects {
		if in[d] > in[other] {
			other = d
		}
	}
	switch {
	case missing > 0 && 2*in[other] > missing:
		m.otherDialect = true
		m.Hint = fmt.Sprintf("the tensors have the names of %s: set checkpoint.names to that", other)
	case slices.ContainsFunc(m.Items, func(d Difference) bool { return d.Kind == Missing && d.Weight.Kind == "head" }):
		m.Hint = "if the head is the embedding, set tie_embeddings to true"
	}
}

// nearest gives the unused tensor that a missing one may be: its name with or without something
// in front, with one part misspelt, or a similar name of the right shape.
func nearest(d *Difference, unused []string, f *Files) string {
	var shaped []string
	parts := strings.Split(d.Tensor, ".")
	for _, u := range unused {
		if strings.HasSuffix(u, "."+d.Tensor) || strings.HasSuffix(d.Tensor, "."+u) {
			return u
		}
		if other := strings.Split(u, "."); len(other) == len(parts) {
			differ, at := 0, 0
			for i := range parts {
				if parts[i] != other[i] {
					differ, at = differ+1, i
				}
			}
			if differ == 1 && models.Nearest(parts[at], other[at:at+1]) != "" {
				return u
			}
		}
		if t, _ := f.Tensor(u); slices.Equal(t.Shape, d.Weight.Shape) {
			shaped = append(shaped, u)
		}
	}
	return models.Nearest(d.Tensor, shaped)
}

// Error gives a line that sums up, and a line for each difference; what several layers share
// has one line.
func (m *Misfit) Error() string {
	var b strings.Builder
	what := m.Name
	if m.Spec != "" {
		what = m.Spec
	}
	fmt.Fprintf(&b, "checkpoint %s does not fit %s: %s", m.Path, what, m.count())
	if m.Hint != "" {
		b.WriteString("; " + m.Hint)
	}
	for k := Missing; k <= Unused; k++ {
		if m.otherDialect && (k == Missing || k == Unused) {
			continue // all of them, for one reason
		}
		for _, g := range m.groups(k) {
			b.WriteString("\n\t" + g)
		}
	}
	return b.String()
}

// count sums up: "3 tensors missing, 1 of another shape".
func (m *Misfit) count() string {
	words := [...]string{"missing", "of another shape", "of a type that is no weight's", "not tied", "without a name in this dialect", "that nothing uses"}
	var parts []string
	for k, w := range words {
		n := 0
		for _, d := range m.Items {
			if d.Kind == Kind(k) {
				n++
			}
		}
		if n == 1 {
			parts = append(parts, "1 tensor "+w)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d tensors %s", n, w))
		}
	}
	return strings.Join(parts, ", ")
}

// groups gives the lines about one kind. Differences that only the layer tells apart are one.
func (m *Misfit) groups(k Kind) []string {
	type group struct {
		line   string
		layers []int
		others int // of Unused: tensors with the same name but for numbers
	}
	var gs []*group
	by := map[string]*group{}
	for _, d := range m.Items {
		if d.Kind != k {
			continue
		}
		key := fmt.Sprint(d.Weight.Kind, d.Weight.Shape, d.Found, d.DType, d.Nearest != "")
		if k == Unused {
			key = pattern(d.Tensor) + fmt.Sprint(d.Found)
		}
		if g := by[key]; g != nil {
			g.layers = append(g.layers, d.Weight.At)
			g.others++
			continue
		}
		by[key] = &group{line: d.line()}
		gs = append(gs, by[key])
	}
	var lines []string
	for _, g := range gs {
		switch {
		case g.others > 0 && k == Unused:
			g.line += fmt.Sprintf(" (and %d more with other numbers in the name)", g.others)
		case g.others > 0:
			g.line += " (likewise in " + ranges(g.layers) + ")"
		}
		lines = append(lines, g.line)
	}
	return lines
}

// line is one difference as a line: the spec's position, the weight, the tensor, what is wrong.
func (d Difference) line() string {
	var b strings.Builder
	if d.Weight.Pos != "" {
		b.WriteString(d.Weight.Pos + ": ")
	}
	if d.Weight.Kind != "" {
		b.WriteString(string(d.Weight.Kind) + ": ")
	}
	want := fmt.Sprint(d.Weight.Shape)
	switch name := show(d.Tensor); d.Kind {
	case Missing:
		fmt.Fprintf(&b, "tensor %s is missing: want shape %s", name, want)
		if d.Nearest != "" {
			b.WriteString("; the nearest name is " + show(d.Nearest))
		}
	case WrongShape:
		fmt.Fprintf(&b, "tensor %s: expected shape %s, found %v", name, want, d.Found)
	case WrongType:
		fmt.Fprintf(&b, "tensor %s: expected f32, f16 or bf16, found %s", name, d.DType)
	case NotTied:
		fmt.Fprintf(&b, "tensor %s differs from the embedding, which tie_embeddings makes the head: expected the same bytes or no such tensor", name)
	case Unnamed:
		fmt.Fprintf(&b, "checkpoints of this dialect have no such tensor: want shape %s", want)
	case Unused:
		fmt.Fprintf(&b, "tensor %s (%s %v) is used by nothing in the spec", name, d.DType, d.Found)
	}
	return b.String()
}

// pattern is a tensor's name with its numbers replaced.
func pattern(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if ok, _ := path.Match("[0-9]*", p); ok {
			parts[i] = "N"
		}
	}
	return strings.Join(parts, ".")
}

// ranges prints ascending numbers of layers: "layer 1", "layers 1-3, 7".
func ranges(ns []int) string {
	if len(ns) == 1 {
		return fmt.Sprintf("layer %d", ns[0])
	}
	var parts []string
	for i := 0; i < len(ns); {
		j := i
		for j+1 < len(ns) && ns[j+1] == ns[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(ns[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", ns[i], ns[j]))
		}
		i = j + 1
	}
	return "layers " + strings.Join(parts, ", ")
}
