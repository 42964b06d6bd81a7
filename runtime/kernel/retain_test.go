package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// retainCase is a sequence through one layer: q, k, v, g, a and the outcome of single rows.
type retainCase struct {
	RetainSpec
	tokens        int
	q, k, v, g, a Rows
	ph            Phases
}

func newRetainCase(rng *rand.Rand, heads, dim, tokens int, normalizer float32) *retainCase {
	n := heads * dim
	c := &retainCase{
		RetainSpec: RetainSpec{
			Heads: heads, Dim: dim, Normalizer: normalizer, KScale: float32(1 / math.Sqrt(float64(dim))), Eps: 1e-6,
			Rope: NewRope(dim, 10000, "yoco", dim%3 == 0),
		},
		tokens: tokens,
		q:      random(rng, tokens, n), k: random(rng, tokens, n), v: random(rng, tokens, n), g: random(rng, tokens, n),
		a: random(rng, tokens, heads),
	}
	c.ph = phases(c.Rope, tokens)
	return c
}

// run returns the outputs, the state's memory, and what Export makes of it, of the sequence cut up.
func (c *retainCase) run(cut cut) (dst Rows, state, export []float32) {
	dst, state = blank(c.tokens, c.Heads*c.Dim), make([]float32, c.StateFloats())
	st := c.State(state)
	team(cut.workers, RetainScratch(c.Dim, c.tokens), func(w *Worker) {
		cut.chunks(c.tokens, func(pos, rows int) {
			Retain(w, &c.RetainSpec, dst.From(pos), c.q.From(pos), c.k.From(pos), c.v.From(pos), c.g.From(pos), c.a.From(pos),
				&st, c.ph.from(pos), pos, rows)
			w.Sync()
		})
	})
	return dst, state, c.Export(&st, c.tokens)[0].Data
}

func TestRetainInvariance(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, dim := range []int{2, 16, 24, 32, 64, 80, 128, 144} {
		c := newRetainCase(rng, 3, dim, 150, 16)
		dst, state, export := c.run(cut{1, 1})
		for _, cut := range cuts {
			what := fmt.Sprintf("dim %d, %v: ", dim, cut)
			d, s, e := c.run(cut)
			same(t, what+"dst", d.Data, dst.Data)
			same(t, what+"state", s, state)
			same(t, what+"export", e, export)
		}
	}
}

// Decays that underflow, and products that do: zeros of both signs.
func TestRetainInvarianceOfZeros(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	c := newRetainCase(rng, 2, 16, 140, 1)
	for r := range c.tokens {
		a, q, v := c.a.Row(r, 2), c.q.Row(r, 32), c.v.Row(r, 32)
		a[0] *= 60
		for i := range 16 {
			q[16+i] *= 1e-25
			v[16+i] *= 1e-18
			if rng.IntN(3) == 0 {
				v[i] = float32(math.Copysign(0, float64(v[i])))
			}
		}
	}
	dst, state, _ := c.run(cut{1, 1})
	for _, cut := range cuts {
		d, s, _ := c.run(cut)
		same(t, cut.String()+": dst", d.Data, dst.Data)
		same(t, cut.String()+": state", s, state)
	}
}

// Values that are no finite numbers reach no row before them.
func TestRetainNotFinite(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	for _, dim := range []int{16, 80} {
		c := newRetainCase(rng, 2, dim, 150, 16)
		for _, bad := range []float64{math.NaN(), math.Inf(1)} {
			c.v.Row(37, 2*dim)[3] = float32(bad)
			dst, _, _ := c.run(cut{1, 1})
			for r := range c.tokens {
				if got := allFinite(dst.Row(r, 2*dim)); got != (r < 37) {
					t.Fatalf("%s: row %d is finite: %v", fmt.Sprintf("dim %d, %v", dim, bad), r, got)
				}
			}
			for _, cut := range cuts {
				d, _, _ := c.run(cut)
				same(t, fmt.Sprintf("dim %d, %v, %v", dim, bad, cut), d.Data, dst.Data)
			}
		}
	}
}

// The output may take the place of any input but the gate logits.
func TestRetainInPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	c := newRetainCase(rng, 2, 24, 100, 16)
	want, _, _ := c.run(cut{1, 1})
	for i := range 4 {
		in := [...]Rows{c.q.clone(), c.k.clone(), c.v.clone(), c.g.clone()}
		st := c.State(make([]float32, c.StateFloats()))
		team(2, RetainScratch(c.Dim, c.tokens), func(w *Worker) {
			Retain(w, &c.RetainSpec, in[i], in[0], in[1], in[2], in[3], c.a, &st, c.ph, 0, c.tokens)
		})
		for r := range c.tokens {
			same(t, fmt.Sprint("input ", i), in[i].Row(r, 48), want.Row(r, 48))
		}
	}
}

// The recurrence, token by token in float64, beside a recurrence of magnitudes. An element of S has
// passed, for every block since, a rounding of each of 64 products, of the scaling and of the decay
// (1.2 ulp), and for each factor exp(G) the error of G: 64 sums, each at most the whole.
func TestRetainReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	for _, c := range []*retainCase{
		newRetainCase(rng, 2, 16, 200, 16), newRetainCase(rng, 1, 80, 130, 16),
		newRetainCase(rng, 2, 24, 130, 1), newRetainCase(rng, 1, 128, 70, 16),
	} {
		n := c.Dim
		dst, _, export := c.run(cut{64, 2})
		for h := range c.Heads {
			s, size := make([]float64, n*n), make([]float64, n*n)
			g, slack := 0.0, 0.0
			for r := range c.tokens {
				q, k := c.Rope.rotated(c.q.Row(r, (h+1)*n)[h*n:], r), c.Rope.rotated(c.k.Row(r, (h+1)*n)[h*n:], r)
				v, gate := c.v.Row(r, (h+1)*n)[h*n:], c.g.Row(r, (h+1)*n)[h*n:]
				logit := float64(c.a.Row(r, h+1)[h])
				decay := (math.Min(logit, 0) - math.Log1p(math.Exp(-math.Abs(logit)))) / float64(c.Normalizer)
				if r%blockTokens == 0 {
					g = 0
				}
				g += decay
				slack = math.Max(slack, -g) // the largest |G| yet
				blocks := float64(r/blockTokens + 2)
				rounds := float64(n) + 64 + 20 + blocks*(64+4+2*65*slack)
				var o, bound []float64
				for f := range n {
					var y, b float64
					for e := range n {
						kv := k[e] * float64(c.KScale) * float64(v[f])
						s[e*n+f] = math.Exp(decay)*s[e*n+f] + kv
						size[e*n+f] = math.Exp(decay)*size[e*n+f] + magnitude(k, e, c.Rope)*float64(c.KScale)*math.Abs(float64(v[f]))
						y += q[e] * s[e*n+f]
						b += magnitude(q, e, c.Rope) * size[e*n+f]
					}
					o, bound = append(o, y), append(bound, b*rounds*ulp)
				}
				var sum, off float64
				for f := range n {
					sum += o[f] * o[f]
					off += bound[f] * bound[f]
				}
				root := math.Sqrt(sum/float64(n) + float64(c.Eps))
				rel := math.Sqrt(off/float64(n))/root + (float64(n)/32+10)*ulp
				for f, x := range dst.Row(r, (h+1)*n)[h*n:] {
					silu := float64(gate[f]) / (1 + math.Exp(-float64(gate[f])))
					want := silu * o[f] / root
					close64(t, fmt.Sprintf("dim %d, head %d, token %d", n, h, r), x, want,
						1.01*(math.Abs(silu)/root*bound[f]+math.Abs(want)*rel/(1-rel)))
				}
				if r == c.tokens-1 {
					for i, want := range s {
						close64(t, "export", export[h*n*n+i], want, size[i]*rounds*ulp)
					}
				}
			}
		}
	}
}

// magnitude bounds |x[i]| and what rotation adds to its error: the length of its pair.
func magnitude(x []float64, i int, r *Rope) float64 {
	j := i ^ 1
	if r.Half {
		j = (i + len(x)/2) % len(x)
	}
	return math.Hypot(x[i], x[j])
}
