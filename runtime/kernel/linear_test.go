package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// pack returns a matrix of random weights and its rows.
func pack(rng *rand.Rand, n, k int, bf16 bool) (*Matrix, []float32) {
	x := floats(rng, n*k)
	m := &Matrix{N: n, K: k}
	if bf16 {
		m.BF16 = make([]uint16, PackedBF16(n, k))
		PackBF16(m.BF16, narrow(x), n, k)
		return m, widen(narrow(x))
	}
	m.F32 = make([]float32, PackedF32(n, k))
	PackF32(m.F32, x, n, k)
	return m, x
}

// dot64 is the exact product of a row, if need be normed, with weights, and a bound of the error of
// a float32 chain: k roundings, each of at most the sum of magnitudes; and the norm's: a sum in 16
// lanes of k/16 and 4 more, halved by the root, and the root, two quotients, two products.
func dot64(in Input, r int, w []float32) (y, bound float64) {
	k := len(w)
	x, inv, rounds := in.X.Row(r, k), 1.0, float64(k)
	if in.Eps > 0 {
		sum := 0.0
		for _, x := range x {
			sum += float64(x) * float64(x)
		}
		inv = 1 / math.Sqrt(sum/float64(k)+float64(in.Eps))
		rounds += float64(k)/32 + 10
	}
	magnitude := 0.0
	for i := range w {
		p := float64(x[i]) * inv * float64(w[i])
		if in.Gain != nil {
			p *= float64(in.Gain[i])
		}
		y += p
		magnitude += math.Abs(p)
	}
	return y, magnitude * rounds * ulp
}

func TestLinear(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, c := range []struct{ n, k, rows int }{
		{1, 1, 1}, {63, 7, 2}, {64, 65, 6}, {130, 513, 7}, {65, 1030, 8}, {200, 64, 13}, // blocks over k
		{5, 3, 97}, {70, 3, 520}, {5, 520, 100}, // blocks over rows, tiles, both blocks
		{260, 5, 201},               // the last panels in pieces
		{3, 4101, 1}, {64, 4099, 3}, // long rows
	} {
		for mode := range 6 {
			bf16, rounds, norm := mode%3 > 0, mode%3 > 1, mode >= 3
			bias := bf16 != norm // any two of the three meet in all ways
			t.Run(fmt.Sprintf("%v/bf16=%t,rounds=%t,norm=%t,bias=%t", c, bf16, rounds, norm, bias), func(t *testing.T) {
				testLinear(t, rng, c.n, c.k, c.rows, bf16, rounds, norm, bias)
			})
		}
	}
}

// roundedRows are the rows that enter, in bfloat16.
func roundedRows(in Input, rows, k int) Rows {
	x := blank(rows, k)
	for r := range rows {
		row := x.Row(r, k)
		copy(row, in.X.Row(r, k))
		if in.Eps > 0 {
			Portable{}.RMSNorm(row, in.X.Row(r, k), in.Gain, in.Eps)
		}
		copy(row, widen(narrow(row)))
	}
	return x
}

func testLinear(t *testing.T, rng *rand.Rand, n, k, rows int, bf16, rounds, norm, bias bool) {
	m, weights := pack(rng, n, k, bf16)
	m.Rounds = rounds
	in := Quantized(random(rng, rows, k), blank(rows, k))
	if norm {
		in = Normed(in.X, floats(rng, k), 1e-5, blank(rows, k))
	}
	factor := in
	if rounds {
		factor = Plain(roundedRows(in, rows, k))
	}
	var b []float32
	if bias {
		b = floats(rng, n)
	}
	before := random(rng, rows, n)
	scratch := LinearScratch(k, rows)
	single, singleAdd := blank(rows, n), before.clone()
	for r := range rows {
		one := in
		one.X = in.X.From(r)
		team(1, scratch, func(w *Worker) {
			Linear(w, single.From(r), one, m, b, 1)
			LinearAdd(w, singleAdd.From(r), one, m, b, 1)
		})
		for i := range n {
			want, bound := dot64(factor, r, weights[i*k:][:k])
			if bias {
				want += float64(b[i])
				bound += math.Abs(want) * ulp
			}
			close64(t, "Linear", single.Data[r*single.Stride+i], want, bound*1.01)
			want += float64(before.Row(r, n)[i])
			close64(t, "LinearAdd", singleAdd.Data[r*single.Stride+i], want, (bound+math.Abs(want)*ulp)*1.01)
		}
	}
	for _, workers := range teams {
		dst, sum := blank(rows, n), before.clone()
		team(workers, scratch, func(w *Worker) {
			Linear(w, dst, in, m, b, rows)
			w.Sync() // the normed rows are written again
			LinearAdd(w, sum, in, m, b, rows)
		})
		same(t, fmt.Sprint("Linear, workers ", workers), dst.Data, single.Data)
		same(t, fmt.Sprint("LinearAdd, workers ", workers), sum.Data, singleAdd.Data)
	}
}

func TestLinearSwiGLU(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	const k, rows = 35, 9
	for _, hidden := range []int{1, 32, 40, 96, 100} {
		for _, bf16 := range []bool{false, true} {
			width := SwiGLUWidth(hidden)
			gate, up := widen(narrow(floats(rng, hidden*k))), widen(narrow(floats(rng, hidden*k)))
			m := &Matrix{N: 2 * width, K: k}
			if bf16 {
				both := make([]uint16, 2*width*k)
				InterleaveSwiGLU(both, narrow(gate), narrow(up), hidden, k)
				m.BF16 = make([]uint16, PackedBF16(m.N, k))
				PackBF16(m.BF16, both, m.N, k)
			} else {
				both := make([]float32, 2*width*k)
				InterleaveSwiGLU(both, gate, up, hidden, k)
				m.F32 = make([]float32, PackedF32(m.N, k))
				PackF32(m.F32, both, m.N, k)
			}
			in := Normed(random(rng, rows, k), nil, 1e-6, blank(rows, k))
			single := blank(rows, width)
			for r := range rows {
				one := in
				one.X = in.X.From(r)
				team(1, LinearScratch(k, 1), func(w *Worker) { LinearSwiGLU(w, single.From(r), one, m, 1) })
				for i := range width {
					var a, b, da, db float64
					if i < hidden {
						a, da = dot64(in, r, gate[i*k:][:k])
						b, db = dot64(in, r, up[i*k:][:k])
					}
					silu := a / (1 + math.Exp(-a))
					// |silu'| <= 1.1; exp 1.2 ulp, sum, quotient, product: 5 roundings.
					bound := 1.1*da*math.Abs(b) + math.Abs(silu)*db + 1.1*da*db + 5*ulp*math.Abs(silu*b)
					close64(t, "LinearSwiGLU", single.Data[r*single.Stride+i], silu*b, bound*1.01)
				}
			}
			for _, workers := range teams {
				dst := blank(rows, width)
				team(workers, LinearScratch(k, rows), func(w *Worker) { LinearSwiGLU(w, dst, in, m, rows) })
				same(t, fmt.Sprint("workers ", workers), dst.Data, single.Data)
			}
		}
	}
}

func TestEmbed(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	const vocab, dim = 131, 37
	const scale = 6.5
	rowMajor := widen(narrow(floats(rng, vocab*dim)))
	f, b := make([]float32, PackedF32(vocab, dim)), make([]uint16, PackedBF16(vocab, dim))
	PackF32(f, rowMajor, vocab, dim)
	PackBF16(b, narrow(rowMajor), vocab, dim)
	tokens := []int32{0, 130, 64, 63, 5, 5, 129, 128}
	for name, table := range map[string]*Table{
		"f32":         {Vocab: vocab, Dim: dim, F32: rowMajor},
		"bf16":        {Vocab: vocab, Dim: dim, BF16: narrow(rowMajor)},
		"packed f32":  {Vocab: vocab, Dim: dim, F32: f, Packed: true},
		"packed bf16": {Vocab: vocab, Dim: dim, BF16: b, Packed: true},
	} {
		for _, workers := range []int{1, 3, 7} {
			want, dst := blank(len(tokens), dim), blank(len(tokens), dim)
			for r, token := range tokens {
				for i, x := range rowMajor[int(token)*dim:][:dim] {
					want.Data[r*want.Stride+i] = x * scale
				}
			}
			team(workers, 0, func(w *Worker) { Embed(w, dst, table, tokens, scale) })
			same(t, name, dst.Data, want.Data)
		}
	}
}
