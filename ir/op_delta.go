package ir

import (
	"fmt"
	"math"
)

// The gated delta rule (Yang et al. 2024, arXiv 2412.06464, eq. 10) with the gates and norms around it, as
// flash-linear-attention has them. For every value head, its q and k those of head h/(value heads/heads),
// S [dk dv] zero at first:
//
//	q = scale · q / sqrt(Σq² + l2eps)        k = k / sqrt(Σk² + l2eps)
//	β = beta / (1 + exp(-b))                 a = -exp(A) · softplus(α + dt)
//	S = exp(a) S;  u = β (v - k S);  S = S + kᵀ u;  o = q S
//	y = rmsnorm(o) ∘ norm, times silu(g) if there is a gate

// DeltaAttr is the attribute of delta.
type DeltaAttr struct {
	Scale float64 // multiplies q
	Beta  float64 // what β stays below: 1, or 2 for eigenvalues below zero
	L2Eps float64 // of the lengths of q and k
	Eps   float64 // of the head norm
	Gate  bool    // there is a sixth argument g
}

// Delta is one step of the gated delta rule a row.
var Delta = define(&Op{
	Name:    "delta",
	Doc:     "S = exp(a) S; S = S + β kᵀ (v - k S); y = rmsnorm(q S) ∘ norm ∘ silu(g), for every head; args q k v α b [g]; weights A dt norm",
	MinArgs: 5, MaxArgs: 6,
	Weights: 3, MaxWeights: 3,
	Attr:     DeltaAttr{},
	Effect:   Writes,
	Locality: Prefix,
	Infer:    inferDelta,
	Eval:     evalDelta,
})

func inferDelta(v *Value) (Type, error) {
	s, attr := v.State, AttrOf[DeltaAttr](v)
	if s.Kind != Carry || len(s.Parts) != 1 || len(s.Parts[0].Type.Shape) != 3 {
		return Type{}, fmt.Errorf("state $%s is %v, want carry {S:[heads dk dv]}", s.Name, s)
	}
	shape := s.Parts[0].Type.Shape
	heads, dk, dv := shape[0], shape[1], shape[2]
	keys := v.Args[0].Type.Size() / dk
	if keys == 0 || heads%keys != 0 {
		return Type{}, fmt.Errorf("q is %v %v, want heads of %d, as many as divide %d", v.Args[0].ID, v.Args[0].Type, dk, heads)
	}
	for i, want := range []struct {
		name     string
		heads, d int
	}{{"q", keys, dk}, {"k", keys, dk}, {"v", heads, dv}, {"a", heads, 1}, {"b", heads, 1}, {"g", heads, dv}} {
		if i < len(v.Args) {
			if err := checkHeads(v, i, want.name, want.heads, want.d); err != nil {
				return Type{}, err
			}
		}
	}
	if attr.Gate != (len(v.Args) == 6) {
		return Type{}, fmt.Errorf("has %d arguments with gate=%v", len(v.Args), attr.Gate)
	}
	for i, n := range []int{heads, heads, dv} {
		if err := checkWeight(v, i, n); err != nil {
			return Type{}, err
		}
	}
	for _, x := range []struct {
		name string
		x    float64
	}{{"scale", attr.Scale}, {"beta", attr.Beta}, {"l2eps", attr.L2Eps}, {"eps", attr.Eps}} {
		if err := checkPositive(x.name, x.x); err != nil {
			return Type{}, err
		}
	}
	return Of(heads, dv), nil
}

func evalDelta(v *Value, e *Env) []float64 {
	attr, shape := AttrOf[DeltaAttr](v), v.State.Parts[0].Type.Shape
	heads, dk, dv := shape[0], shape[1], shape[2]
	q, k := unitVectors(e.arg(v, 0), dk, attr.L2Eps), unitVectors(e.arg(v, 1), dk, attr.L2Eps)
	val, alpha, b := e.arg(v, 2), e.arg(v, 3), e.arg(v, 4)
	rate, dt := e.weight(v, 0), e.weight(v, 1)
	group := heads / (len(q) / e.Rows / dk)
	state := e.state(v).parts[0]
	out := make([]float64, e.Rows*heads*dv)
	for i := range e.Rows * heads { // row i/heads, head i%heads
		h := i % heads
		key := (i/heads*(heads/group) + h/group) * dk
		decay := math.Exp(math.Exp(rate[h]) * logSigmoid(-alpha[i]-dt[h])) // softplus(x) = -logsigmoid(-x)
		beta := attr.Beta / (1 + math.Exp(-b[i]))
		s := state[h*dk*dv : (h+1)*dk*dv]
		for c := range dv {
			u := val[i*dv+c]
			for j := range dk {
				s[j*dv+c] *= decay
				u -= k[key+j] * s[j*dv+c]
			}
			for j := range dk {
				s[j*dv+c] += beta * u * k[key+j]
				out[i*dv+c] += attr.Scale * q[key+j] * s[j*dv+c]
			}
		}
	}
	out = gained(normalized(out, dv, attr.Eps), e.weight(v, 2))
	if attr.Gate {
		out = pairwise(swiglu, e.arg(v, 5), out)
	}
	return out
}

// unitVectors is x with every run of n elements divided by its length.
func unitVectors(x []float64, n int, eps float64) []float64 {
	y := normalized(x, n, eps/float64(n))
	for i := range y {
		y[i] /= math.Sqrt(float64(n))
	}
	return y
}
