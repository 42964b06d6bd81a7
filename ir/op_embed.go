package ir

// Where the residual stream comes from: the stage before, or the tokens.

// Param is the residual stream that the stage before left.
var Param = define(&Op{
	Name:  "param",
	Doc:   "the result of the stage before",
	Infer: func(v *Value) (Type, error) { return v.Type, checkShape(v.Type.Shape) },
	Eval:  func(v *Value, e *Env) []float64 { return e.param },
})

// EmbedAttr is the attribute of embed.
type EmbedAttr struct {
	Scale float64 // multiplies the row; 0 for none
}

// Embed looks the tokens up in a table, a row each.
var Embed = define(&Op{
	Name:       "embed",
	Doc:        "y = scale · W[token]",
	Weights:    1,
	MaxWeights: 1,
	Attr:       EmbedAttr{},
	Infer: func(v *Value) (Type, error) {
		if err := checkWeight(v, 0, 0, 0); err != nil { // [vocab dim]
			return Type{}, err
		}
		return Of(v.Weights[0].Type.Shape[1]), checkOptional("scale", AttrOf[EmbedAttr](v).Scale)
	},
	Eval: func(v *Value, e *Env) []float64 {
		w, n := e.weight(v, 0), v.Type.Size()
		y := make([]float64, 0, e.Rows*n)
		for _, t := range e.Tokens {
			y = append(y, w[int(t)*n:int(t+1)*n]...)
		}
		return scaled(y, orOne(AttrOf[EmbedAttr](v).Scale))
	},
})

// scaled multiplies y by s in place.
func scaled(y []float64, s float64) []float64 {
	for i := range y {
		y[i] *= s
	}
	return y
}

// orOne is a factor whose zero value means that there is none.
func orOne(s float64) float64 {
	if s == 0 {
		return 1
	}
	return s
}
