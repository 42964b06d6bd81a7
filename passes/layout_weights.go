package passes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// weight lays a weight out for the stage in hand and returns its name in the plan. A matrix has the
// target's format; a vector, which is small and multiplies activations, is float32; a table is q8
// at the least, as it is read a row a token, which costs next to nothing.
func (b *planner) weight(w *ir.Weight, form plan.Form, half int) string {
	pw := plan.Weight{
		Name: w.Name, Field: b.field(w.Name), Stage: b.stage.Name, Form: form,
		N: w.Type.Shape[0], K: w.Type.Size() / w.Type.Shape[0], Half: half, Layers: w.Layers, First: w.First, Sources: sources(w), Pos: w.Pos,
	}
	if form != plan.Vector {
		pw.Elems = b.target.elems(w)
		pw.Elem = pw.Elems[0]
		if len(pw.Formats()) == 1 {
			pw.Elems = nil
		}
	}
	if form == plan.Table && pw.Elem == ir.Q4 {
		pw.Elem = ir.Q8
	}
	old := b.plan.Weight(w.Name)
	switch {
	case old == nil:
		b.plan.Weights = append(b.plan.Weights, pw)
	case old.Stage == pw.Stage && old.Form == form && old.Half == half:
	case old.Form == plan.Table && old.Alias == "" && old.Stage != pw.Stage && form == plan.Matrix:
		return b.tie(old, pw)
	case old.Form == plan.Vector && form == plan.Vector: // of two stages, a field in each
		pw.Alias, pw.Name = w.Name, w.Name+"."+pw.Stage
		if b.plan.Weight(pw.Name) == nil {
			b.plan.Weights = append(b.plan.Weights, pw)
		}
		return pw.Name
	default:
		b.errs = append(b.errs, fmt.Errorf("weight @%s: a %v of stage %s and a %v of stage %s, want one use, or a table and one matrix",
			w.Name, old.Form, old.Stage, form, pw.Stage))
	}
	return w.Name
}

// tie makes one tensor of a table and the matrix that it is for a later stage: the matrix is
// stored, and the table is a view of its panels.
func (b *planner) tie(table *plan.Weight, matrix plan.Weight) string {
	matrix.Name += ".panels"
	table.Alias = matrix.Name
	table.Elem = matrix.Elem
	b.plan.Weights = append(b.plan.Weights, matrix)
	return matrix.Name
}

// field is a weight's name as a field of its stage's struct, which says the half already:
// self.ffn.gateUp → ffnGateUp; self0.1.ffn.gateUp, of layer 1 in a stage of several → ffnGateUp1.
func (b *planner) field(name string) string {
	parts, stage := strings.Split(name, "."), strings.Split(b.stageName, ".")
	for n := 0; len(parts) > 1 && (n == 0 || n < len(stage) && parts[0] == stage[n]); n++ {
		parts = parts[1:]
	}
	return identifier(strings.Join(parts, "."))
}

// identifier is a name as a word of Go: self.last → selfLast. Numbers in front go to the end, as
// self.0.q and 0.q cannot stay: selfQ0, q0.
func identifier(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("._-/", r) })
	var front, numbers []string
	for _, w := range words {
		if w[0] >= '0' && w[0] <= '9' {
			numbers = append(numbers, w)
		} else {
			front = append(front, w)
		}
	}
	if len(front) == 0 {
		front = []string{"n"}
	}
	return camel(front...) + strings.Join(numbers, "_")
}

func camel(parts ...string) string {
	s := parts[0]
	for _, p := range parts[1:] {
		s += strings.ToUpper(p[:1]) + p[1:]
	}
	return s
}

// sources are a copy of a weight's sources, each with its number of rows.
func sources(w *ir.Weight) []ir.Source {
	ss := slices.Clone(w.Pack.Sources)
	if ss[0].Rows == 0 {
		ss[0].Rows = w.Type.Shape[0]
	}
	return ss
}
