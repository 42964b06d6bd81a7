package ir

import "fmt"

// ShortConvAttr is the attribute of shortconv.
type ShortConvAttr struct {
	Bias bool // there is a second weight, b
	SiLU bool // the result is silu of the sum
}

// ShortConv is a causal depthwise convolution along the tokens. Its state is the last inputs before the
// token, oldest first, zeros before the first token.
var ShortConv = define(&Op{
	Name:    "shortconv",
	Doc:     "y_t = Σ_i w[:,0,i] ∘ x_(t-taps+1+i) + b, then silu, channel by channel; weights w [channels 1 taps], b",
	MinArgs: 1, MaxArgs: 1,
	Weights: 1, MaxWeights: 2,
	Attr:     ShortConvAttr{},
	Effect:   Writes,
	Locality: Prefix,
	Infer: func(v *Value) (Type, error) {
		s, t := v.State, v.Args[0].Type
		if s.Kind != Carry || len(s.Parts) != 1 || len(s.Parts[0].Type.Shape) != 2 || s.Parts[0].Type.Shape[1] != t.Size() {
			return Type{}, fmt.Errorf("state $%s is %v, want carry {x:[taps-1 %d]}", s.Name, s, t.Size())
		}
		if err := checkWeight(v, 0, t.Size(), 1, s.Parts[0].Type.Shape[0]+1); err != nil {
			return Type{}, err
		}
		if AttrOf[ShortConvAttr](v).Bias != (len(v.Weights) == 2) {
			return Type{}, fmt.Errorf("has %d weights with bias=%v", len(v.Weights), AttrOf[ShortConvAttr](v).Bias)
		}
		if len(v.Weights) == 2 {
			return t, checkWeight(v, 1, t.Size())
		}
		return t, nil
	},
	Eval: evalShortConv,
})

func evalShortConv(v *Value, e *Env) []float64 {
	attr, shape := AttrOf[ShortConvAttr](v), v.State.Parts[0].Type.Shape
	taps, channels := shape[0]+1, shape[1]
	tail, w := e.state(v).parts[0], e.weight(v, 0)
	x := append(append([]float64{}, tail...), e.arg(v, 0)...)
	y := make([]float64, e.Rows*channels)
	for i := range y {
		t, c := i/channels, i%channels
		if attr.Bias {
			y[i] = e.weight(v, 1)[c]
		}
		for j := range taps {
			y[i] += w[c*taps+j] * x[(t+j)*channels+c]
		}
		if attr.SiLU {
			y[i] = silu(y[i])
		}
	}
	copy(tail, x[e.Rows*channels:])
	return y
}
