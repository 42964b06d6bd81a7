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
		N: w.Type.Shape[0], K: w.Type.Size() / w.Type.Shape[0], Half: half, Layers: w.Layers, Sources: sources(w), Pos: w.Pos,
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

// field is a weight's name as a field of its stage's struct: self.ffn.gateUp → ffnGateUp.
func (b *planner) field(name string) string {
	parts := strings.Split(name, ".")
	if len(parts) > 1 {
		parts = parts[1:]
	}
	return camel(parts...)
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
