package ir

import "fmt"

// Linear multiplies the flattened row by a matrix.
var Linear = define(&Op{
	Name:    "linear",
	Doc:     "y = W x, x flattened",
	MinArgs: 1, MaxArgs: 1,
	Weights: 1, MaxWeights: 1,
	Infer: func(v *Value) (Type, error) {
		if err := checkWeight(v, 0, 0, v.Args[0].Type.Size()); err != nil { // [out in]
			return Type{}, err
		}
		return Type{v.Args[0].Type.Elem, v.Weights[0].Type.Shape[:1:1]}, nil
	},
	Eval: func(v *Value, e *Env) []float64 {
		return matmul(e.weight(v, 0), e.inputs(v, e.arg(v, 0)), e.Rows)
	},
})

// Bias adds a vector to the flattened row.
var Bias = define(&Op{
	Name:    "bias",
	Doc:     "y = x + b, x flattened",
	MinArgs: 1, MaxArgs: 1,
	Weights: 1, MaxWeights: 1,
	Infer: func(v *Value) (Type, error) {
		t := v.Args[0].Type
		return t, checkWeight(v, 0, t.Size())
	},
	Eval: func(v *Value, e *Env) []float64 { return biased(e.arg(v, 0), e.weight(v, 0)) },
})

// ProjectAttr is the attribute of project: which of the parts around the matrix are there.
type ProjectAttr struct {
	Eps      float64 // the input is normalized as by rmsnorm over the flattened row; 0 for none
	Gain     bool    // and multiplied by the weight after W
	Bias     bool    // the last weight is added to the product
	Act      string  // "swiglu": W is gate rows over up rows; "" for none
	Residual bool    // the second argument is added to the result
}

// Project is a linear with what commonly stands before and after it. Weights are W, gain, bias,
// arguments x, residual: those that the attribute says.
//
//	swiglu: W is [2F in], y = silu(first F of z) ∘ last F of z, with z = W norm(x) + bias
var Project = define(&Op{
	Name:    "project",
	Doc:     "y = act(W (norm(x) ∘ gain) + bias) + residual",
	MinArgs: 1, MaxArgs: 2,
	Weights: 1, MaxWeights: 3,
	Attr:  ProjectAttr{},
	Infer: inferProject,
	Eval:  evalProject,
})

func inferProject(v *Value) (Type, error) {
	attr, in := AttrOf[ProjectAttr](v), v.Args[0].Type.Size()
	if err := checkOptional("eps", attr.Eps); err != nil {
		return Type{}, err
	}
	if attr.Gain && attr.Eps == 0 {
		return Type{}, fmt.Errorf("gain without eps: a gain belongs to a norm")
	}
	if attr.Act != "" && attr.Act != "swiglu" {
		return Type{}, fmt.Errorf("act is %q, want swiglu or none", attr.Act)
	}
	want := 1
	for _, part := range []bool{attr.Gain, attr.Bias} {
		if part {
			want++
		}
	}
	if len(v.Weights) != want {
		return Type{}, fmt.Errorf("has %d weights, want %d by its attributes", len(v.Weights), want)
	}
	if err := checkWeight(v, 0, 0, in); err != nil {
		return Type{}, err
	}
	out := v.Weights[0].Type.Shape[0]
	if attr.Gain {
		if err := checkWeight(v, 1, in); err != nil {
			return Type{}, err
		}
	}
	if attr.Bias {
		if err := checkWeight(v, want-1, out); err != nil {
			return Type{}, err
		}
	}
	if attr.Act == "swiglu" {
		if out%2 != 0 {
			return Type{}, fmt.Errorf("weight @%s has %d rows, want an even number for swiglu", v.Weights[0].Name, out)
		}
		out /= 2
	}
	t := Type{v.Args[0].Type.Elem, []int{out}}
	if attr.Residual != (len(v.Args) == 2) {
		return Type{}, fmt.Errorf("has %d arguments with residual=%v", len(v.Args), attr.Residual)
	}
	if attr.Residual && !v.Args[1].Type.Equal(t) {
		return Type{}, fmt.Errorf("residual %v is %v, want %v as the result", v.Args[1].ID, v.Args[1].Type, t)
	}
	return t, nil
}

func evalProject(v *Value, e *Env) []float64 {
	attr, x := AttrOf[ProjectAttr](v), e.arg(v, 0)
	if attr.Eps > 0 {
		x = normalized(x, v.Args[0].Type.Size(), attr.Eps)
	}
	if attr.Gain {
		x = gained(x, e.weight(v, 1))
	}
	y := matmul(e.weight(v, 0), e.inputs(v, x), e.Rows)
	if attr.Bias {
		y = biased(y, e.weight(v, len(v.Weights)-1))
	}
	if attr.Act == "swiglu" {
		n := v.Type.Size()
		z := make([]float64, 0, e.Rows*n)
		for r := range e.Rows {
			row := y[r*2*n : (r+1)*2*n]
			z = append(z, pairwise(swiglu, row[:n], row[n:])...)
		}
		y = z
	}
	if attr.Residual {
		y = pairwise(func(a, b float64) float64 { return a + b }, y, e.arg(v, 1))
	}
	return y
}

// biased is x with b added to every run of len(b) elements.
func biased(x, b []float64) []float64 {
	y := make([]float64, len(x))
	for i, a := range x {
		y[i] = a + b[i%len(b)]
	}
	return y
}

// matmul is W times every row of x. A row of W is used for all rows before the next one is read.
func matmul(w, x []float64, rows int) []float64 {
	in := len(x) / rows
	out := len(w) / in
	y := make([]float64, rows*out)
	for o := range out {
		row := w[o*in : (o+1)*in]
		for r := range rows {
			y[r*out+o] = dot(row, x[r*in:(r+1)*in])
		}
	}
	return y
}

// dot is the inner product, in four sums: this is where evaluation spends its time.
func dot(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}
