package ir

import (
	"fmt"
	"math"
)

// Gated retention, recurrent form (Sun et al. 2024, arXiv 2405.05254, section 3.2), for every head:
//
//	S = exp(a) S + kᵀ v;  o = q S
//
// with q, k of dk elements, v, o of dv, the decay a <= 0 a number, and S [dk dv] zero at first.

// RetainAttr is the attribute of retain: what is fused into it. The zero RetainAttr is the bare
// recurrence.
type RetainAttr struct {
	Rope       RopeAttr // of q and k
	KScale     float64  // multiplies k; 0 for none
	Normalizer float64  // a is raw: the decay is logsigmoid(a)/normalizer; 0 for an a that is the decay
	Gate       bool     // there is a fifth argument g: the result is silu(g) ∘ rmsnorm(o), a norm a head
	Eps        float64  // of that norm
}

// Retain is one step of gated retention a row.
var Retain = define(&Op{
	Name:    "retain",
	Doc:     "S = exp(a) S + kᵀ v; o = q S, for every head; args q k v a [g]",
	MinArgs: 4, MaxArgs: 5,
	Attr:     RetainAttr{},
	Effect:   Writes,
	Locality: Prefix,
	Infer:    inferRetain,
	Eval:     evalRetain,
})

func inferRetain(v *Value) (Type, error) {
	s, attr := v.State, AttrOf[RetainAttr](v)
	if s.Kind != Carry || len(s.Parts) != 1 || s.Parts[0].Name != "S" || len(s.Parts[0].Type.Shape) != 3 {
		return Type{}, fmt.Errorf("state $%s is %v, want carry {S:[heads dk dv]}", s.Name, s)
	}
	shape := s.Parts[0].Type.Shape
	heads, dk, dv := shape[0], shape[1], shape[2]
	for i, want := range []struct {
		name string
		d    int
	}{{"q", dk}, {"k", dk}, {"v", dv}, {"a", 1}, {"g", dv}} {
		if i < len(v.Args) {
			if err := checkHeads(v, i, want.name, heads, want.d); err != nil {
				return Type{}, err
			}
		}
	}
	if err := attr.Rope.checkOptional(dk); err != nil {
		return Type{}, err
	}
	if err := checkOptional("kscale", attr.KScale); err != nil {
		return Type{}, err
	}
	if err := checkOptional("normalizer", attr.Normalizer); err != nil {
		return Type{}, err
	}
	if attr.Gate != (len(v.Args) == 5) {
		return Type{}, fmt.Errorf("has %d arguments with gate=%v", len(v.Args), attr.Gate)
	}
	if attr.Gate {
		return Of(heads, dv), checkPositive("eps", attr.Eps)
	}
	if attr.Eps != 0 {
		return Type{}, fmt.Errorf("eps without gate")
	}
	return Of(heads, dv), nil
}

func evalRetain(v *Value, e *Env) []float64 {
	attr, shape := AttrOf[RetainAttr](v), v.State.Parts[0].Type.Shape
	heads, dk, dv := shape[0], shape[1], shape[2]
	q := rotated(attr.Rope, e.arg(v, 0), dk, e)
	k := rotated(attr.Rope, e.arg(v, 1), dk, e)
	val, a := e.arg(v, 2), e.arg(v, 3)
	kScale := orOne(attr.KScale)
	state := e.state(v).parts[0]
	out := make([]float64, e.Rows*heads*dv)
	for i := range e.Rows * heads { // row i/heads, head i%heads
		decay := a[i]
		if attr.Normalizer != 0 {
			decay = logSigmoid(decay) / attr.Normalizer
		}
		decay = math.Exp(decay)
		o, vi := out[i*dv:(i+1)*dv], val[i*dv:(i+1)*dv]
		for j := range dk {
			at := (i%heads*dk + j) * dv
			s := state[at : at+dv]
			qj, kj := q[i*dk+j], k[i*dk+j]*kScale
			for c := range s {
				s[c] = decay*s[c] + kj*vi[c]
				o[c] += qj * s[c]
			}
		}
	}
	if attr.Gate {
		out = pairwise(swiglu, e.arg(v, 4), normalized(out, dv, attr.Eps))
	}
	return out
}
