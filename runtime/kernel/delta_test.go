package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// deltaCase is a sequence through one layer.
type deltaCase struct {
	DeltaSpec
	tokens int
	in     deltaInput
}

func newDeltaCase(rng *rand.Rand, heads, valueHeads, dim, valueDim, tokens int, gate bool) *deltaCase {
	c := &deltaCase{DeltaSpec: DeltaSpec{
		Heads: heads, ValueHeads: valueHeads, Dim: dim, ValueDim: valueDim,
		Scale: float32(1 / math.Sqrt(float64(dim))), Beta: 1, L2Eps: 1e-6, Eps: 1e-6,
	}, tokens: tokens}
	c.in = deltaInput{
		q: random(rng, tokens, heads*dim), k: random(rng, tokens, heads*dim), v: random(rng, tokens, valueHeads*valueDim),
		a: random(rng, tokens, valueHeads), b: random(rng, tokens, valueHeads),
		aLog: floats(rng, valueHeads), dt: floats(rng, valueHeads), norm: floats(rng, valueDim),
	}
	for h := range c.in.dt {
		c.in.dt[h] -= float32(2 * h) // heads that forget at once, and heads that don't
	}
	if gate {
		c.in.g = random(rng, tokens, valueHeads*valueDim)
	}
	return c
}

// from is the input from row r on.
func (in deltaInput) from(r int) deltaInput {
	for _, x := range []*Rows{&in.q, &in.k, &in.v, &in.a, &in.b, &in.g} {
		if x.Data != nil {
			*x = x.From(r)
		}
	}
	return in
}

// run returns the outputs, the state's memory, and what Export makes of it, of the sequence cut up.
func (c *deltaCase) run(cut cut) (dst Rows, state, export []float32) {
	dst, state = blank(c.tokens, c.ValueHeads*c.ValueDim), make([]float32, c.StateFloats())
	st := c.State(state)
	team(cut.workers, c.Scratch(c.tokens), func(w *Worker) {
		cut.chunks(c.tokens, func(pos, rows int) {
			in := c.in.from(pos)
			if in.g.Data == nil {
				Delta(w, &c.DeltaSpec, dst.From(pos), in.q, in.k, in.v, in.a, in.b, in.aLog, in.dt, in.norm, &st, pos, rows)
			} else {
				DeltaGated(w, &c.DeltaSpec, dst.From(pos), in.q, in.k, in.v, in.a, in.b, in.g, in.aLog, in.dt, in.norm, &st, pos, rows)
			}
			w.Sync()
		})
	})
	return dst, state, c.Export(&st, c.tokens)[0].Data
}

func TestDeltaInvariance(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 21))
	for _, c := range []*deltaCase{
		newDeltaCase(rng, 3, 3, 16, 32, 150, true), newDeltaCase(rng, 2, 4, 24, 10, 150, false), newDeltaCase(rng, 1, 3, 2, 112, 140, true),
		newDeltaCase(rng, 2, 2, 80, 17, 135, true), newDeltaCase(rng, 1, 1, 130, 144, 130, true),
	} {
		dst, state, export := c.run(cut{1, 1})
		for _, cut := range cuts {
			what := fmt.Sprintf("%+v, %v: ", c.DeltaSpec, cut)
			d, s, e := c.run(cut)
			same(t, what+"dst", d.Data, dst.Data)
			same(t, what+"state", s, state)
			same(t, what+"export", e, export)
		}
	}
}

// Values that are no finite numbers reach no row before them.
func TestDeltaNotFinite(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 23))
	for _, gated := range []bool{true, false} {
		c := newDeltaCase(rng, 2, 2, 16, 80, 140, gated)
		for _, bad := range []float64{math.NaN(), math.Inf(1)} {
			c.in.v.Row(37, 160)[3] = float32(bad)
			dst, _, _ := c.run(cut{1, 1})
			for r := range c.tokens {
				if got := allFinite(dst.Row(r, 160)); got != (r < 37) {
					t.Fatalf("%s: row %d is finite: %v", fmt.Sprintf("gated %v, %v", gated, bad), r, got)
				}
			}
			for _, cut := range cuts {
				d, _, _ := c.run(cut)
				same(t, fmt.Sprintf("gated %v, %v, %v", gated, bad, cut), d.Data, dst.Data)
			}
		}
	}
}

// Decays and products that underflow, and zeros of both signs.
func TestDeltaInvarianceOfZeros(t *testing.T) {
	rng := rand.New(rand.NewPCG(22, 22))
	c := newDeltaCase(rng, 2, 2, 16, 16, 140, true)
	for r := range c.tokens {
		c.in.a.Row(r, 1)[0] *= 60
		c.in.b.Row(r, 2)[1] *= 60
		q, k, v := c.in.q.Row(r, 32), c.in.k.Row(r, 32), c.in.v.Row(r, 32)
		for i := range 16 {
			q[16+i] *= 1e-25
			v[16+i] *= 1e-30
			switch rng.IntN(4) {
			case 0:
				v[i] = float32(math.Copysign(0, float64(v[i])))
			case 1:
				k[i] = float32(math.Copysign(0, float64(k[i])))
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

// The recurrence, token by token in float64. A token multiplies S by exp(a)(1 - β kᵀk), whose norm is at
// most 1 for β <= 2 and |k| <= 1, so that errors of S only add up: of every token, those of its own
// roundings, each of which is ulp of the length of what is rounded. These are dim and 64 in the chains
// of u and o, some in the length of k, q and in β, and the error of G: 64 sums, each at most the whole.
func TestDeltaReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 23))
	for _, c := range []*deltaCase{
		newDeltaCase(rng, 2, 2, 16, 32, 200, true), newDeltaCase(rng, 2, 4, 32, 24, 130, false),
		newDeltaCase(rng, 1, 1, 128, 64, 70, true), newDeltaCase(rng, 1, 2, 24, 40, 300, true),
	} {
		for _, beta := range []float32{1, 2} {
			c.Beta = beta
			for h := range c.in.aLog {
				c.in.aLog[h] = -3 - float32(h) // decays at which tokens of all blocks count
			}
			testDeltaReference(t, c)
		}
	}
}

func testDeltaReference(t *testing.T, c *deltaCase) {
	dst, _, export := c.run(cut{64, 2})
	dk, dv := c.Dim, c.ValueDim
	unit := func(x []float32, scale float64) []float64 {
		sum := 0.0
		for _, v := range x {
			sum += float64(v) * float64(v)
		}
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = float64(v) / math.Sqrt(sum+float64(c.L2Eps)) * scale
		}
		return y
	}
	length := func(x []float64) float64 {
		sum := 0.0
		for _, v := range x {
			sum += v * v
		}
		return math.Sqrt(sum)
	}
	for h := range c.ValueHeads {
		key, col := h/(c.ValueHeads/c.Heads)*dk, h*dv
		s, off := make([]float64, dk*dv), 0.0 // off bounds the length of S's error
		g, slack := 0.0, 0.0
		for r := range c.tokens {
			q := unit(c.in.q.Row(r, key+dk)[key:], float64(c.Scale))
			k := unit(c.in.k.Row(r, key+dk)[key:], 1)
			a := -math.Exp(float64(c.in.aLog[h])) * math.Log1p(math.Exp(float64(c.in.a.Row(r, h+1)[h])+float64(c.in.dt[h])))
			beta := float64(c.Beta) / (1 + math.Exp(-float64(c.in.b.Row(r, h+1)[h])))
			if r%blockTokens == 0 {
				g = 0
			}
			g += a
			slack = math.Max(slack, -g)
			roundings := (float64(dk) + 64 + 40 + 2*65*slack + 10*slack) * ulp

			u, decayed := make([]float64, dv), math.Exp(a)
			for f := range dv {
				u[f] = float64(c.in.v.Row(r, col+dv)[col+f])
				for e := range dk {
					s[e*dv+f] *= decayed
					u[f] -= k[e] * s[e*dv+f]
				}
				u[f] *= beta
			}
			before := length(s)
			o := make([]float64, dv)
			for f := range dv {
				for e := range dk {
					s[e*dv+f] += k[e] * u[f]
					o[f] += q[e] * s[e*dv+f]
				}
			}
			off = off*decayed + roundings*(length(u)+before)
			bound := float64(c.Scale) * (off + roundings*(length(s)+length(u)))

			sum := 0.0
			for f := range dv {
				sum += o[f] * o[f]
			}
			root := math.Sqrt(sum/float64(dv) + float64(c.Eps))
			rel := bound/math.Sqrt(float64(dv))/root + (float64(dv)/32+10)*ulp
			for f, got := range dst.Row(r, col+dv)[col:] {
				factor := float64(c.in.norm[f]) / root
				if c.in.g.Data != nil {
					gate := float64(c.in.g.Row(r, col+dv)[col+f])
					factor *= gate / (1 + math.Exp(-gate))
				}
				want := o[f] * factor
				close64(t, fmt.Sprintf("%+v, head %d, token %d", c.DeltaSpec, h, r), got, want,
					1.01*(math.Abs(factor)*bound+math.Abs(want)*rel/(1-math.Min(rel, 0.5))))
			}
		}
		for i, want := range s {
			close64(t, fmt.Sprintf("%+v, head %d: export", c.DeltaSpec, h), export[h*dk*dv+i], want, off+math.Abs(want)*ulp)
		}
	}
}
