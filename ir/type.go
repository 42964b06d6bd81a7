package ir

import (
	"fmt"
	"strings"
)

// Elem is the element type of a value or weight. Q8 and Q4 are formats that a matrix is stored in, not
// types of values: integers of so many bits in blocks that share a scale.
type Elem uint8

const (
	F32 Elem = iota
	BF16
	F16
	I32 // token ids and positions only
	Q8
	Q4
)

var elemNames = [...]string{"f32", "bf16", "f16", "i32", "q8", "q4"}

func (e Elem) String() string { return elemNames[e] }

// Bytes is the size of one element, of all but quantized ones.
func (e Elem) Bytes() int { return [...]int{4, 2, 2, 4}[e] }

// Quantized reports whether elements are integers in blocks that share a scale.
func (e Elem) Quantized() bool { return e == Q8 || e == Q4 }

// ParseElem is the inverse of String.
func ParseElem(s string) (Elem, error) {
	for i, n := range elemNames {
		if n == s {
			return Elem(i), nil
		}
	}
	return 0, fmt.Errorf("unknown element type %q, want one of %s", s, strings.Join(elemNames[:], ", "))
}

// A Type is the element type and shape of one row of a value: rows, the tokens in work, are an
// implicit leading dimension of every value but a weight.
type Type struct {
	Elem  Elem
	Shape []int
}

// Of is a float32 type of the given shape.
func Of(shape ...int) Type { return Type{F32, shape} }

// Size is the number of elements in a row.
func (t Type) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Equal reports whether both have the same element type and shape.
func (t Type) Equal(u Type) bool {
	if t.Elem != u.Elem || len(t.Shape) != len(u.Shape) {
		return false
	}
	for i, d := range t.Shape {
		if d != u.Shape[i] {
			return false
		}
	}
	return true
}

// String is the text form, f32[4 64].
func (t Type) String() string {
	return t.Elem.String() + strings.ReplaceAll(fmt.Sprint(t.Shape), ",", "")
}
