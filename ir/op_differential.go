package ir

import (
	"fmt"
	"math"
)

// Differential attention (Ye et al. 2024, arXiv 2410.05258). Heads are paired by neighbours; each of a pair
// attends with its own key to the values of both:
//
//	y_i = rmsnorm((P_2i - λ P_(2i+1)) [v_2g v_(2g+1)]) ∘ gain · (1 - λinit),  P_h = softmax(q_h k_(2g+h%2)ᵀ)
//	λ = exp(q1·k1) - exp(q2·k2) + λinit,  λinit = 0.8 - 0.6 exp(-0.3 depth)
//
// It is written as attention to heads twice as wide, [k_2g k_(2g+1)] and [v_2g v_(2g+1)], whose queries are
// zero where the other key lies (stripe), and the difference of neighbouring results (differ).

// StripeAttr is the attribute of stripe.
type StripeAttr struct{ Places int } // of each vector's result, one of which it takes

// Stripe puts vector h at place h mod places of a longer one.
var Stripe = define(&Op{
	Name:    "stripe",
	Doc:     "y_h = x_h at place h mod places, zero elsewhere",
	MinArgs: 1, MaxArgs: 1,
	Attr: StripeAttr{},
	Infer: func(v *Value) (Type, error) {
		t, n := v.Args[0].Type, AttrOf[StripeAttr](v).Places
		if n < 1 || len(t.Shape) != 2 || t.Shape[0]%n != 0 {
			return Type{}, fmt.Errorf("argument %v is %v with %d places, want [n d] with n a multiple of them", v.Args[0].ID, t, n)
		}
		return Type{t.Elem, []int{t.Shape[0], t.Shape[1] * n}}, nil
	},
	Eval: func(v *Value, e *Env) []float64 {
		x, n, d := e.arg(v, 0), AttrOf[StripeAttr](v).Places, last(v.Args[0].Type)
		y := make([]float64, len(x)*n)
		for h := range len(x) / d { // rows are a multiple of places
			copy(y[(h*n+h%n)*d:], x[h*d:(h+1)*d])
		}
		return y
	},
})

// DifferAttr is the attribute of differ.
type DifferAttr struct {
	Eps   float64 // of the norm
	Depth int     // layers below the stage's first run
	Step  int     // and how many more below each next one
}

// From implements PerRun.
func (a DifferAttr) From(r int) any {
	a.Depth += r * a.Step
	return a
}

// Differ takes the difference of neighbouring heads.
var Differ = define(&Op{
	Name:    "differ",
	Doc:     "y_i = rmsnorm(x_2i - λ x_(2i+1)) ∘ gain · (1 - λinit); weights q1 k1 q2 k2, which make λ, and gain",
	MinArgs: 1, MaxArgs: 1,
	Weights: 5, MaxWeights: 5,
	Attr: DifferAttr{},
	Infer: func(v *Value) (Type, error) {
		attr, t := AttrOf[DifferAttr](v), v.Args[0].Type
		if len(t.Shape) != 2 || t.Shape[0]%2 != 0 {
			return Type{}, fmt.Errorf("argument %v is %v, want [n d] with an even n", v.Args[0].ID, t)
		}
		if attr.Depth < 0 || attr.Step < 0 {
			return Type{}, fmt.Errorf("depth is %d, step %d, want none below 0", attr.Depth, attr.Step)
		}
		if err := checkWeight(v, 0, 0); err != nil {
			return Type{}, err
		}
		for i := range 4 {
			if err := checkWeight(v, i, v.Weights[0].Type.Size()); err != nil {
				return Type{}, err
			}
		}
		if err := checkWeight(v, 4, t.Shape[1]); err != nil {
			return Type{}, err
		}
		return Type{t.Elem, []int{t.Shape[0] / 2, t.Shape[1]}}, checkPositive("eps", attr.Eps)
	},
	Eval: func(v *Value, e *Env) []float64 {
		attr, x, d := AttrOf[DifferAttr](v), e.arg(v, 0), last(v.Type)
		init := 0.8 - 0.6*math.Exp(-0.3*float64(attr.Depth+e.Layer*attr.Step))
		lambda := math.Exp(dot(e.weight(v, 0), e.weight(v, 1))) - math.Exp(dot(e.weight(v, 2), e.weight(v, 3))) + init
		y := make([]float64, len(x)/2)
		for i := range y {
			at := i/d*2*d + i%d
			y[i] = x[at] - lambda*x[at+d]
		}
		y = gained(normalized(y, d, attr.Eps), e.weight(v, 4))
		scaled(y, 1-init)
		return y
	},
})
