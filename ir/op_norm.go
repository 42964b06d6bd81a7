package ir

import (
	"fmt"
	"math"
)

// RMSNormAttr is the attribute of rmsnorm.
type RMSNormAttr struct{ Eps float64 }

// RMSNorm scales every vector along the last axis to unit root mean square.
var RMSNorm = define(&Op{
	Name:    "rmsnorm",
	Doc:     "y = x / sqrt(mean(x²) + eps), over the last axis",
	MinArgs: 1, MaxArgs: 1,
	Attr: RMSNormAttr{},
	Infer: func(v *Value) (Type, error) {
		return v.Args[0].Type, checkPositive("eps", AttrOf[RMSNormAttr](v).Eps)
	},
	Eval: func(v *Value, e *Env) []float64 {
		return normalized(e.arg(v, 0), last(v.Type), AttrOf[RMSNormAttr](v).Eps)
	},
})

// LayerNormAttr is the attribute of layernorm.
type LayerNormAttr struct{ Eps float64 }

// LayerNorm brings every row to mean zero and unit variance, then applies a gain and a shift.
var LayerNorm = define(&Op{
	Name:    "layernorm",
	Doc:     "y = (x - mean(x)) / sqrt(mean((x - mean(x))²) + eps) ∘ gain + shift, x flattened; weights gain, shift",
	MinArgs: 1, MaxArgs: 1,
	Weights: 2, MaxWeights: 2,
	Attr: LayerNormAttr{},
	Infer: func(v *Value) (Type, error) {
		t := v.Args[0].Type
		for i := range v.Weights {
			if err := checkWeight(v, i, t.Size()); err != nil {
				return Type{}, err
			}
		}
		return t, checkPositive("eps", AttrOf[LayerNormAttr](v).Eps)
	},
	Eval: func(v *Value, e *Env) []float64 {
		n := v.Type.Size()
		y := make([]float64, 0, e.Rows*n)
		for x := e.arg(v, 0); len(x) > 0; x = x[n:] {
			mean := 0.0
			for _, a := range x[:n] {
				mean += a / float64(n)
			}
			y = append(y, elementwise(func(a float64) float64 { return a - mean }, x[:n])...)
		}
		return biased(gained(normalized(y, n, AttrOf[LayerNormAttr](v).Eps), e.weight(v, 0)), e.weight(v, 1))
	},
})

// HeadNorm scales every head to unit root mean square, then applies a gain; rewrites make it.
var HeadNorm = define(&Op{
	Name:    "headnorm",
	Doc:     "y = x / sqrt(mean(x²) + eps) ∘ w, for every head, [heads d] or flat; weight w [d]",
	MinArgs: 1, MaxArgs: 1,
	Weights: 1, MaxWeights: 1,
	Attr: RMSNormAttr{},
	Infer: func(v *Value) (Type, error) {
		if len(v.Weights[0].Type.Shape) != 1 {
			return Type{}, fmt.Errorf("weight @%s is %v, want a vector", v.Weights[0].Name, v.Weights[0].Type)
		}
		d := v.Weights[0].Type.Size()
		n := v.Args[0].Type.Size() / d
		if err := checkHeads(v, 0, "x", n, d); err != nil {
			return Type{}, err
		}
		return Of(n, d), checkPositive("eps", AttrOf[RMSNormAttr](v).Eps)
	},
	Eval: func(v *Value, e *Env) []float64 {
		return gained(normalized(e.arg(v, 0), last(v.Type), AttrOf[RMSNormAttr](v).Eps), e.weight(v, 0))
	},
})

// Gain multiplies every vector along the last axis by a weight, elementwise.
var Gain = define(&Op{
	Name:    "gain",
	Doc:     "y = x ∘ w, over the last axis",
	MinArgs: 1, MaxArgs: 1,
	Weights: 1, MaxWeights: 1,
	Infer: func(v *Value) (Type, error) {
		t := v.Args[0].Type
		return t, checkWeight(v, 0, last(t))
	},
	Eval: func(v *Value, e *Env) []float64 { return gained(e.arg(v, 0), e.weight(v, 0)) },
})

// last is the size of the last axis.
func last(t Type) int { return t.Shape[len(t.Shape)-1] }

// normalized is x with every run of n elements scaled to unit root mean square.
func normalized(x []float64, n int, eps float64) []float64 {
	y := make([]float64, len(x))
	for i := 0; i < len(x); i += n {
		sum := 0.0
		for _, a := range x[i : i+n] {
			sum += a * a
		}
		s := 1 / math.Sqrt(sum/float64(n)+eps)
		for j, a := range x[i : i+n] {
			y[i+j] = a * s
		}
	}
	return y
}

// gained is x with every run of len(w) elements multiplied by w.
func gained(x, w []float64) []float64 {
	y := make([]float64, len(x))
	for i, a := range x {
		y[i] = a * w[i%len(w)]
	}
	return y
}
