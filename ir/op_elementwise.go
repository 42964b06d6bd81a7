package ir

import (
	"fmt"
	"math"
)

// ScaleAttr is the attribute of scale.
type ScaleAttr struct{ By float64 }

// Scale multiplies by a number.
var Scale = define(&Op{
	Name:    "scale",
	Doc:     "y = by · x",
	MinArgs: 1, MaxArgs: 1,
	Attr: ScaleAttr{},
	Infer: func(v *Value) (Type, error) {
		if by := AttrOf[ScaleAttr](v).By; by == 0 || by-by != 0 {
			return Type{}, fmt.Errorf("by is %v, want a finite number other than 0", by)
		}
		return v.Args[0].Type, nil
	},
	Eval: func(v *Value, e *Env) []float64 {
		by := AttrOf[ScaleAttr](v).By
		return elementwise(func(a float64) float64 { return by * a }, e.arg(v, 0))
	},
})

// SiLU is x times the logistic function of x.
var SiLU = define(&Op{
	Name:    "silu",
	Doc:     "y = x / (1 + exp(-x))",
	MinArgs: 1, MaxArgs: 1,
	Infer: sameAsFirst,
	Eval:  func(v *Value, e *Env) []float64 { return elementwise(silu, e.arg(v, 0)) },
})

// LogSigmoid is the logarithm of the logistic function.
var LogSigmoid = define(&Op{
	Name:    "logsigmoid",
	Doc:     "y = -log(1 + exp(-x))",
	MinArgs: 1, MaxArgs: 1,
	Infer: sameAsFirst,
	Eval:  func(v *Value, e *Env) []float64 { return elementwise(logSigmoid, e.arg(v, 0)) },
})

// Mul multiplies elementwise.
var Mul = define(&Op{
	Name:    "mul",
	Doc:     "y = a ∘ b",
	MinArgs: 2, MaxArgs: 2,
	Infer: sameAsFirst,
	Eval: func(v *Value, e *Env) []float64 {
		return pairwise(func(a, b float64) float64 { return a * b }, e.arg(v, 0), e.arg(v, 1))
	},
})

// Add adds elementwise.
var Add = define(&Op{
	Name:    "add",
	Doc:     "y = a + b",
	MinArgs: 2, MaxArgs: 2,
	Infer: sameAsFirst,
	Eval: func(v *Value, e *Env) []float64 {
		return pairwise(func(a, b float64) float64 { return a + b }, e.arg(v, 0), e.arg(v, 1))
	},
})

// SwiGLU gates b by a.
var SwiGLU = define(&Op{
	Name:    "swiglu",
	Doc:     "y = silu(a) ∘ b",
	MinArgs: 2, MaxArgs: 2,
	Infer: sameAsFirst,
	Eval: func(v *Value, e *Env) []float64 {
		return pairwise(swiglu, e.arg(v, 0), e.arg(v, 1))
	},
})

// sameAsFirst is the type rule of ops over arguments of one type.
func sameAsFirst(v *Value) (Type, error) {
	for i := range v.Args {
		if err := checkArg(v, i); err != nil {
			return Type{}, err
		}
	}
	return v.Args[0].Type, nil
}

func elementwise(f func(a float64) float64, x []float64) []float64 {
	y := make([]float64, len(x))
	for i, a := range x {
		y[i] = f(a)
	}
	return y
}

func pairwise(f func(a, b float64) float64, x, z []float64) []float64 {
	y := make([]float64, len(x))
	for i, a := range x {
		y[i] = f(a, z[i])
	}
	return y
}

func silu(x float64) float64       { return x / (1 + math.Exp(-x)) }
func swiglu(a, b float64) float64  { return silu(a) * b }
func logSigmoid(x float64) float64 { return min(x, 0) - math.Log1p(math.Exp(-math.Abs(x))) }
