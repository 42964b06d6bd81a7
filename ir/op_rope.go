package ir

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Rotary position embedding (Su et al., arXiv 2104.09864): the n = d/2 pairs of a head of d
// elements are rotated by the angles position·f(0) … position·f(n-1).

// RopeAttr is a rotary position embedding over whole heads. As a field of a fused op's attribute,
// the zero RopeAttr means none.
type RopeAttr struct {
	Theta   float64
	Freq    string // "yoco": f(i) = theta^(-i/(n-1)); "fla": f(i) = theta^(-2i/d)
	Pairing string // "interleaved": (x[2i], x[2i+1]); "half-split": (x[i], x[i+n])
}

// RotateAttr is the attribute of rope.
type RotateAttr struct{ Rope RopeAttr }

// Rope rotates every vector along the last axis by the row's position.
var Rope = define(&Op{
	Name:    "rope",
	Doc:     "y = x, every pair along the last axis rotated by position · frequency",
	MinArgs: 1, MaxArgs: 1,
	Attr: RotateAttr{},
	Infer: func(v *Value) (Type, error) {
		t := v.Args[0].Type
		return t, AttrOf[RotateAttr](v).Rope.check(last(t))
	},
	Eval: func(v *Value, e *Env) []float64 {
		return rotated(AttrOf[RotateAttr](v).Rope, e.arg(v, 0), last(v.Type), e)
	},
})

// Frequencies are the d/2 rotary frequencies of a head of d elements.
func (r RopeAttr) Frequencies(d int) []float64 {
	n := d / 2
	f := make([]float64, n)
	for i := range f {
		x := float64(2*i) / float64(d)
		if r.Freq == "yoco" {
			x = float64(i) / float64(max(n-1, 1))
		}
		f[i] = math.Pow(r.Theta, -x)
	}
	return f
}

// String is the text form, 10000/yoco/interleaved.
func (r RopeAttr) String() string {
	return strconv.FormatFloat(r.Theta, 'g', -1, 64) + "/" + r.Freq + "/" + r.Pairing
}

// parseRope is the inverse of String.
func parseRope(s string) (RopeAttr, error) {
	part := strings.Split(s, "/")
	if len(part) != 3 {
		return RopeAttr{}, fmt.Errorf("%q is not a rotation, want theta/freq/pairing", s)
	}
	theta, err := strconv.ParseFloat(part[0], 64)
	if err != nil {
		return RopeAttr{}, fmt.Errorf("%q is not a number", part[0])
	}
	return RopeAttr{theta, part[1], part[2]}, nil
}

// check demands a rotation that heads of d elements can have.
func (r RopeAttr) check(d int) error {
	if !(r.Theta >= 1) || math.IsInf(r.Theta, 0) {
		return fmt.Errorf("theta is %v, want a number >= 1", r.Theta)
	}
	if r.Freq != "yoco" && r.Freq != "fla" {
		return fmt.Errorf("freq is %q, want yoco or fla", r.Freq)
	}
	if r.Pairing != "interleaved" && r.Pairing != "half-split" {
		return fmt.Errorf("pairing is %q, want interleaved or half-split", r.Pairing)
	}
	if d%2 != 0 {
		return fmt.Errorf("head of %d elements, want an even number to rotate", d)
	}
	return nil
}

// checkOptional is check where no rotation is allowed too.
func (r RopeAttr) checkOptional(d int) error {
	if r == (RopeAttr{}) {
		return nil
	}
	return r.check(d)
}

// rotated is x, whose rows are made of heads of d elements, with every head rotated; x itself for
// no rotation.
func rotated(r RopeAttr, x []float64, d int, e *Env) []float64 {
	if r == (RopeAttr{}) {
		return x
	}
	freq, n, row := r.Frequencies(d), d/2, len(x)/e.Rows
	first := func(i int) int { return 2 * i } // of pair i, and the distance to its second
	apart := 1
	if r.Pairing == "half-split" {
		first, apart = func(i int) int { return i }, n
	}
	y := make([]float64, len(x))
	for t := range e.Rows {
		for i := range n {
			sin, cos := math.Sincos(float64(e.Pos+t) * freq[i])
			for h := t*row + first(i); h < (t+1)*row; h += d {
				a, b := x[h], x[h+apart]
				y[h], y[h+apart] = a*cos-b*sin, a*sin+b*cos
			}
		}
	}
	return y
}
