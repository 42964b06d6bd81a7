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

// Concat joins flat rows: several values go through the stream as one.
var Concat = define(&Op{
	Name:    "concat",
	Doc:     "y = the elements of all arguments, in their order",
	MinArgs: 2, MaxArgs: 8,
	Infer: func(v *Value) (Type, error) {
		n := 0
		for i, a := range v.Args {
			if a.Type.Elem != v.Args[0].Type.Elem {
				return Type{}, fmt.Errorf("argument %v is %v, want %v as %v", a.ID, a.Type, v.Args[0].Type.Elem, v.Args[0].ID)
			}
			if slices.Contains(v.Args[:i], a) {
				return Type{}, fmt.Errorf("argument %v stands twice", a.ID)
			}
			n += a.Type.Size()
		}
		return Type{v.Args[0].Type.Elem, []int{n}}, checkShape([]int{n})
	},
	Eval: func(v *Value, e *Env) []float64 {
		y := make([]float64, 0, e.Rows*v.Type.Size())
		for r := range e.Rows {
			for i, a := range v.Args {
				n := a.Type.Size()
				y = append(y, e.arg(v, i)[r*n:(r+1)*n]...)
			}
		}
		return y
	},
})
