package ir

import (
	"fmt"
	"reflect"
)

// An Op is the definition of one operation: everything that is true of it wherever it appears.
type Op struct {
	Name       string
	Doc        string                       // one sentence, in the paper's symbols
	MinArgs    int                          // value arguments
	MaxArgs    int                          // at least MinArgs
	Weights    int                          // weight arguments at least; Infer checks optional ones
	MaxWeights int                          // at least Weights
	Attr       any                          // zero value of its attribute struct, nil if it has none
	Effect     Effect                       // on the value's State
	Locality   Locality                     // which rows of the arguments row t depends on
	Infer      func(*Value) (Type, error)   // result type; checks arguments, weights, state and attributes
	Eval       func(*Value, *Env) []float64 // what it means on real numbers, all rows: slow and obvious
}

// A PerRun attribute changes from run to run of its stage.
type PerRun interface {
	// From is the attribute in a stage whose first run is run r of this one.
	From(r int) any
}

// Effect is what an operation does to the state that it names.
type Effect uint8

const (
	Pure   Effect = iota // names no state
	Reads                // reads rows that another operation wrote
	Writes               // appends or moves on by every row, and may read it
)

func (e Effect) String() string { return [...]string{"pure", "reads", "writes"}[e] }

// Locality says which rows an output row depends on. Early exit rests on it.
type Locality uint8

const (
	RowLocal Locality = iota // row t of the arguments alone
	Prefix                   // rows up to t, through a state that this operation writes
	Cached                   // row t of the arguments, and a state that another operation has written
)

var ops = map[string]*Op{}

// define registers op under its name.
func define(op *Op) *Op {
	if ops[op.Name] != nil {
		panic("BUG: op " + op.Name + " is defined twice")
	}
	ops[op.Name] = op
	return op
}

// AttrOf is v's attribute struct, which has to be an A.
func AttrOf[A any](v *Value) A {
	a, ok := v.Attr.(A)
	if !ok {
		panic(fmt.Sprintf("BUG: attribute of %v (%s) is a %T, want %T", v.ID, v.Op.Name, v.Attr, a))
	}
	return a
}

// infer is v's type by its op's rule, after the checks that are the same for every op.
func infer(v *Value) (Type, error) {
	op := v.Op
	if n := len(v.Args); n < op.MinArgs || n > op.MaxArgs {
		return Type{}, fmt.Errorf("%s: has %d arguments, want %s", op.Name, n, span(op.MinArgs, op.MaxArgs))
	}
	if n := len(v.Weights); n < op.Weights || n > op.MaxWeights {
		return Type{}, fmt.Errorf("%s: has %d weights, want %s", op.Name, n, span(op.Weights, op.MaxWeights))
	}
	if reflect.TypeOf(v.Attr) != reflect.TypeOf(op.Attr) {
		return Type{}, fmt.Errorf("%s: attribute is a %T, want a %T", op.Name, v.Attr, op.Attr)
	}
	if op.Effect == Pure && v.State != nil {
		return Type{}, fmt.Errorf("%s: names state $%s, want none", op.Name, v.State.Name)
	}
	if op.Effect != Pure && v.State == nil {
		return Type{}, fmt.Errorf("%s: names no state", op.Name)
	}
	for _, a := range v.Args {
		if len(a.Type.Shape) == 0 {
			return Type{}, fmt.Errorf("%s: argument %v has no result", op.Name, a.ID)
		}
	}
	t, err := op.Infer(v)
	if err != nil {
		return Type{}, fmt.Errorf("%s: %w", op.Name, err)
	}
	return t, nil
}

// span is "4" or "4 to 5".
func span(lo, hi int) string {
	if lo == hi {
		return fmt.Sprint(lo)
	}
	return fmt.Sprintf("%d to %d", lo, hi)
}

// checkArg demands that argument i has the type of argument 0.
func checkArg(v *Value, i int) error {
	if a := v.Args[i]; !a.Type.Equal(v.Args[0].Type) {
		return fmt.Errorf("argument %v is %v, want %v as %v", a.ID, a.Type, v.Args[0].Type, v.Args[0].ID)
	}
	return nil
}

// checkHeads demands that argument i is heads vectors of d elements, as [heads d] or flat.
func checkHeads(v *Value, i int, what string, heads, d int) error {
	s := v.Args[i].Type.Shape
	if len(s) == 1 && s[0] == heads*d || len(s) == 2 && s[0] == heads && s[1] == d {
		return nil
	}
	return fmt.Errorf("%s is %v %v, want [%d %d] or [%d]", what, v.Args[i].ID, v.Args[i].Type, heads, d, heads*d)
}

// checkWeight demands that weight i has the shape; 0 stands for any size.
func checkWeight(v *Value, i int, shape ...int) error {
	w := v.Weights[i]
	ok := len(w.Type.Shape) == len(shape) && w.Type.Elem != I32
	for j := 0; ok && j < len(shape); j++ {
		ok = w.Type.Shape[j] == shape[j] || shape[j] == 0 && w.Type.Shape[j] > 0
	}
	if !ok {
		return fmt.Errorf("weight @%s is %v, want %s", w.Name, w.Type, wild(shape))
	}
	return nil
}

// wild prints a shape with a question mark for every 0.
func wild(shape []int) string {
	s := "["
	for i, d := range shape {
		if i > 0 {
			s += " "
		}
		if d == 0 {
			s += "?"
		} else {
			s += fmt.Sprint(d)
		}
	}
	return s + "]"
}

// maxSize bounds the elements of a type, so that no product of a few sizes overflows.
const maxSize = 1 << 40

// checkShape demands sizes that a type may have.
func checkShape(shape []int) error {
	if len(shape) == 0 {
		return fmt.Errorf("shape is empty")
	}
	n := 1
	for _, d := range shape {
		if d < 1 || d > maxSize/n {
			return fmt.Errorf("shape %v is not of positive sizes with a product up to 2^40", shape)
		}
		n *= d
	}
	return nil
}

// checkPositive demands a finite number above zero.
func checkPositive(name string, x float64) error {
	if !(x > 0) || x-x != 0 {
		return fmt.Errorf("%s is %v, want a number > 0", name, x)
	}
	return nil
}

// checkOptional is checkPositive for an attribute whose zero means that it is not there.
func checkOptional(name string, x float64) error {
	if x == 0 {
		return nil
	}
	return checkPositive(name, x)
}
