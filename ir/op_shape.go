package ir

import (
	"fmt"
	"slices"
)

// ReshapeAttr is the attribute of reshape.
type ReshapeAttr struct{ Shape []int }

// Reshape gives the elements of a row another shape, in the same order.
var Reshape = define(&Op{
	Name:    "reshape",
	Doc:     "y = x in another shape, elements in the same order",
	MinArgs: 1, MaxArgs: 1,
	Attr: ReshapeAttr{},
	Infer: func(v *Value) (Type, error) {
		t := Type{v.Args[0].Type.Elem, slices.Clone(AttrOf[ReshapeAttr](v).Shape)}
		if err := checkShape(t.Shape); err != nil {
			return Type{}, err
		}
		if a := v.Args[0]; t.Size() != a.Type.Size() {
			return Type{}, fmt.Errorf("shape %s has %d elements, want %d as %v", wild(t.Shape), t.Size(), a.Type.Size(), a.ID)
		}
		return t, nil
	},
	Eval: func(v *Value, e *Env) []float64 { return e.arg(v, 0) },
})

// SliceAttr is the attribute of slice.
type SliceAttr struct {
	From  int // first element
	Shape []int
}

// Slice is a part of the flattened row.
var Slice = define(&Op{
	Name:    "slice",
	Doc:     "y = x[from:], as many elements as the shape has",
	MinArgs: 1, MaxArgs: 1,
	Attr: SliceAttr{},
	Infer: func(v *Value) (Type, error) {
		attr, a := AttrOf[SliceAttr](v), v.Args[0]
		t := Type{a.Type.Elem, slices.Clone(attr.Shape)}
		if err := checkShape(t.Shape); err != nil {
			return Type{}, err
		}
		if n := a.Type.Size(); attr.From < 0 || attr.From > n-t.Size() {
			return Type{}, fmt.Errorf("elements %d to %d, want a part of the %d of %v", attr.From, attr.From+t.Size(), n, a.ID)
		}
		return t, nil
	},
	Eval: func(v *Value, e *Env) []float64 {
		x, from := e.arg(v, 0), AttrOf[SliceAttr](v).From
		n, m := v.Type.Size(), v.Args[0].Type.Size()
		y := make([]float64, 0, e.Rows*n)
		for r := range e.Rows {
			y = append(y, x[r*m+from:r*m+from+n]...)
		}
		return y
	},
})
