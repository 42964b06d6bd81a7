package ir

import (
	"fmt"
	"math"
)

// Selective scan (Gu and Dao 2023, arXiv 2312.00752, algorithm 2), for channel e and its states j:
//
//	S[e,j] = exp(d[e] A[e,j]) S[e,j] + d[e] b[j] v[e];  m[e] = Σ_j c[j] S[e,j] + D[e] v[e]
//
// with v, d of E elements, b, c of N, A < 0 and S [E N] zero at first.

// ScanAttr is the attribute of scan: what is fused into it.
type ScanAttr struct {
	Softplus bool // d is raw: the step is softplus(d)
}

// Scan is one step of a selective scan a row.
var Scan = define(&Op{
	Name:    "scan",
	Doc:     "S = exp(d A) S + (d v) bᵀ; m = S c + D ∘ v, for every channel; args v d b c, weights A D",
	MinArgs: 4, MaxArgs: 4,
	Weights: 2, MaxWeights: 2,
	Attr:     ScanAttr{},
	Effect:   Writes,
	Locality: Prefix,
	Infer: func(v *Value) (Type, error) {
		s := v.State
		if s.Kind != Carry || len(s.Parts) != 1 || len(s.Parts[0].Type.Shape) != 2 {
			return Type{}, fmt.Errorf("state $%s is %v, want carry {S:[channels states]}", s.Name, s)
		}
		channels, states := s.Parts[0].Type.Shape[0], s.Parts[0].Type.Shape[1]
		for i, n := range []int{channels, channels, states, states} {
			if a := v.Args[i]; len(a.Type.Shape) != 1 || a.Type.Size() != n {
				return Type{}, fmt.Errorf("argument %v is %v, want [%d]", a.ID, a.Type, n)
			}
		}
		if err := checkWeight(v, 0, channels, states); err != nil {
			return Type{}, err
		}
		return v.Args[0].Type, checkWeight(v, 1, channels)
	},
	Eval: evalScan,
})

func evalScan(v *Value, e *Env) []float64 {
	shape, state := v.State.Parts[0].Type.Shape, e.state(v).parts[0]
	channels, states := shape[0], shape[1]
	x, d, b, c := e.arg(v, 0), e.arg(v, 1), e.arg(v, 2), e.arg(v, 3)
	rate, skip := e.weight(v, 0), e.weight(v, 1)
	y := make([]float64, e.Rows*channels)
	for i := range y { // row i/channels, channel i%channels
		row, ch := i/channels*states, i%channels*states
		step := d[i]
		if AttrOf[ScanAttr](v).Softplus {
			step = softplus(step)
		}
		y[i] = skip[i%channels] * x[i]
		for j := range states {
			s := &state[ch+j]
			*s = math.Exp(step*rate[ch+j])**s + step*b[row+j]*x[i]
			y[i] += c[row+j] * *s
		}
	}
	return y
}

// Softplus is a smooth maximum of x and zero.
var Softplus = define(&Op{
	Name:    "softplus",
	Doc:     "y = log(1 + exp(x))",
	MinArgs: 1, MaxArgs: 1,
	Infer: sameAsFirst,
	Eval:  func(v *Value, e *Env) []float64 { return elementwise(softplus, e.arg(v, 0)) },
})

func softplus(x float64) float64 { return -logSigmoid(-x) }
