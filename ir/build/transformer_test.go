package build_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/build"
	"github.com/yococ/yococ/models"
)

// randomWeights gives every weight of a spec numbers of its own, by role and layer.
func randomWeights(spec *models.Spec) func(role string, layer int) []float64 {
	type key struct {
		role  string
		layer int
	}
	all := map[key][]float64{}
	rng := rand.New(rand.NewPCG(7, 11))
	for _, w := range spec.Weights() {
		x := make([]float64, w.Elems())
		for i := range x {
			x[i] = rng.NormFloat64() / math.Sqrt(float64(w.Shape[len(w.Shape)-1]))
			if len(w.Shape) == 1 {
				x[i] = 1 + 0.3*rng.NormFloat64()
			}
		}
		all[key{string(w.Role), w.Layer}] = x
	}
	return func(role string, layer int) []float64 { return all[key{role, layer}] }
}

// machine evaluates the naive program of a spec.
func machine(t *testing.T, spec *models.Spec, weights func(role string, layer int) []float64) (*ir.Program, *ir.Machine) {
	t.Helper()
	p, err := build.Program(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(p); err != nil {
		t.Fatal(err)
	}
	return p, ir.NewMachine(p, ir.Packed(func(role string, layer int) ([]float64, error) { return weights(role, layer), nil }))
}

// TestTransformer compares plain Transformers with a forward pass over whole sequences that shares
// nothing with the program but the weights.
func TestTransformer(t *testing.T) {
	rope := func(freq models.Freq, pairing models.Pairing) *models.Rope {
		return &models.Rope{Theta: 500, Freq: freq, Pairing: pairing}
	}
	for name, m := range map[string]models.Attention{
		"llama":          {Heads: 4, KVHeads: 2, Rope: rope(models.FreqFLA, models.HalfSplit)},
		"qwen2":          {Heads: 4, KVHeads: 1, Bias: true, Rope: rope(models.FreqFLA, models.HalfSplit)},
		"qwen3":          {Heads: 2, KVHeads: 2, HeadDim: 12, QKNorm: true, Rope: rope(models.FreqFLA, models.HalfSplit)},
		"interleaved":    {Heads: 2, KVHeads: 1, OutBias: true, Rope: rope(models.FreqYOCO, models.Interleaved)},
		"no positions":   {Heads: 8, KVHeads: 4, HeadDim: 3},
		"everything odd": {Heads: 6, KVHeads: 3, HeadDim: 10, Bias: true, OutBias: true, QKNorm: true, Rope: rope(models.FreqFLA, models.Interleaved)},
	} {
		t.Run(name, func(t *testing.T) {
			spec := &models.Spec{
				Name: "m", Vocab: 19, Dim: 16, Context: 64, Norm: models.RMSNorm, NormEps: 1e-6, EmbedScale: models.NoScale,
				Self: models.Equal(3, &m, models.FFN{Hidden: 20}), Checkpoint: models.Checkpoint{Names: models.HuggingFace},
			}
			weights := randomWeights(spec)
			p, machine := machine(t, spec, weights)
			tokens := []int32{3, 18, 0, 7, 7, 1, 12, 5, 9, 2, 16}
			want := forward(spec, &m, weights, tokens)
			got, err := machine.Run(p.Entry("score"), tokens)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				near(t, "row", got[i], want[i])
			}
		})
	}
}

// forward is the logits of every token.
func forward(spec *models.Spec, m *models.Attention, weight func(role string, layer int) []float64, tokens []int32) [][]float64 {
	d, hd := spec.Dim, m.Width(spec.Dim)
	x := make([][]float64, len(tokens))
	for t, token := range tokens {
		x[t] = slices.Clone(weight("embed", -1)[int(token)*d:][:d])
	}
	for l := range spec.Self.Len() {
		w := func(name string) []float64 { return weight("self."+name, l) }
		project := func(x []float64, name string, bias bool) []float64 {
			y := times(w(name), x)
			for i := range y {
				if bias {
					y[i] += w(name + ".bias")[i]
				}
			}
			return y
		}
		var ks, vs [][]float64
		for t := range x {
			n := rmsNorm(x[t], w("norm"), spec.NormEps)
			q, k := project(n, "q", m.Bias), project(n, "k", m.Bias)
			vs = append(vs, project(n, "v", m.Bias))
			for i := 0; i < len(q); i += hd {
				if m.QKNorm {
					copy(q[i:], rmsNorm(q[i:i+hd], w("q.norm"), spec.NormEps))
				}
				rotate(q[i:i+hd], m.Rope, t)
			}
			for i := 0; i < len(k); i += hd {
				if m.QKNorm {
					copy(k[i:], rmsNorm(k[i:i+hd], w("k.norm"), spec.NormEps))
				}
				rotate(k[i:i+hd], m.Rope, t)
			}
			ks = append(ks, k)
			o := make([]float64, 0, len(q))
			for h := range m.Heads {
				at := h / (m.Heads / m.KVHeads) * hd
				sum, y := 0.0, make([]float64, hd)
				for j := range t + 1 {
					p := 0.0
					for i := range hd {
						p += q[h*hd+i] * ks[j][at+i]
					}
					p = math.Exp(p / math.Sqrt(float64(hd)))
					sum += p
					for i := range hd {
						y[i] += p * vs[j][at+i]
					}
				}
				for i := range hd {
					o = append(o, y[i]/sum)
				}
			}
			y := project(o, "o", m.OutBias)
			for i := range y {
				x[t][i] += y[i]
			}
		}
		for t := range x {
			n := rmsNorm(x[t], w("ffn.norm"), spec.NormEps)
			gate, up := times(w("ffn.gate"), n), times(w("ffn.up"), n)
			for i, g := range gate {
				up[i] *= g / (1 + math.Exp(-g))
			}
			for i, y := range times(w("ffn.down"), up) {
				x[t][i] += y
			}
		}
	}
	for t := range x {
		x[t] = times(weight("head", -1), rmsNorm(x[t], weight("final.norm", -1), spec.NormEps))
	}
	return x
}

func times(w, x []float64) []float64 {
	y := make([]float64, len(w)/len(x))
	for o := range y {
		for i := range x {
			y[o] += w[o*len(x)+i] * x[i]
		}
	}
	return y
}

func rmsNorm(x, gain []float64, eps float64) []float64 {
	sum, y := 0.0, make([]float64, len(x))
	for _, v := range x {
		sum += v * v
	}
	for i := range x {
		y[i] = x[i] / math.Sqrt(sum/float64(len(x))+eps) * gain[i]
	}
	return y
}

// rotate turns every pair of a head as complex numbers.
func rotate(x []float64, r *models.Rope, pos int) {
	if r == nil {
		return
	}
	n := len(x) / 2
	for i := range n {
		exponent := 2 * float64(i) / float64(len(x))
		if r.Freq == models.FreqYOCO {
			exponent = float64(i) / float64(n-1)
		}
		a, b := i, i+n
		if r.Pairing == models.Interleaved {
			a, b = 2*i, 2*i+1
		}
		sin, cos := math.Sincos(float64(pos) * math.Pow(r.Theta, -exponent))
		z := complex(x[a], x[b]) * complex(cos, sin)
		x[a], x[b] = real(z), imag(z)
	}
}

func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(got[i] - want[i]); !(d <= 1e-11*max(1, math.Abs(want[i]))) {
			t.Fatalf("%s: [%d] is %v, want %v", what, i, got[i], want[i])
		}
	}
}
