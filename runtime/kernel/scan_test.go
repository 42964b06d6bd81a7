package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// scanCase is a sequence through one selective scan.
type scanCase struct {
	ScanSpec
	tokens        int
	v, d, b, c    Rows
	rates, skip   []float32
	channelsOfRow int // floats of a row of rates
}

func newScanCase(rng *rand.Rand, channels, states, tokens int) *scanCase {
	c := &scanCase{
		ScanSpec: ScanSpec{Channels: channels, States: states}, tokens: tokens,
		v: random(rng, tokens, channels), d: random(rng, tokens, channels), b: random(rng, tokens, states), c: random(rng, tokens, states),
		skip: floats(rng, channels), channelsOfRow: roundUp(channels, line),
	}
	c.rates = floats(rng, states*c.channelsOfRow)
	for i, x := range c.rates {
		c.rates[i] = -Exp(2 * x)
	}
	return c
}

// run returns the outputs and the state of the sequence cut up.
func (c *scanCase) run(cut cut) (dst Rows, export []float32) {
	dst = blank(c.tokens, c.Channels)
	st := c.State(make([]float32, c.StateFloats()))
	team(cut.workers, c.Scratch(c.tokens), func(w *Worker) {
		cut.chunks(c.tokens, func(pos, rows int) {
			SelectiveScan(w, &c.ScanSpec, dst.From(pos), c.v.From(pos), c.d.From(pos), c.b.From(pos), c.c.From(pos), c.rates, c.skip, &st, pos, rows)
			w.Sync()
		})
	})
	return dst, c.Export(&st, c.tokens)[0].Data
}

func scanCases(rng *rand.Rand) []*scanCase {
	return []*scanCase{newScanCase(rng, 1, 1, 9), newScanCase(rng, 24, 8, 70), newScanCase(rng, 300, 16, 40), newScanCase(rng, 64, 5, 130)}
}

func TestScanInvariance(t *testing.T) {
	for _, c := range scanCases(rand.New(rand.NewPCG(41, 41))) {
		dst, export := c.run(cut{1, 1})
		for _, cut := range cuts {
			what := fmt.Sprintf("%+v, %v: ", c.ScanSpec, cut)
			d, e := c.run(cut)
			same(t, what+"dst", d.Data, dst.Data)
			same(t, what+"export", e, export)
		}
	}
}

// Against float64. Softplus is off by 4 roundings, so the exponent by 6 of it, which exp multiplies, and by
// exp's own 2.4; a state keeps its error, decayed, and adds those of its input, 8 roundings; an output adds one
// a state.
func TestScanReference(t *testing.T) {
	for _, c := range scanCases(rand.New(rand.NewPCG(42, 42))) {
		dst, export := c.run(cut{64, 2})
		state, off := make([]float64, c.Channels*c.States), make([]float64, c.Channels*c.States)
		for r := range c.tokens {
			for e, got := range dst.Row(r, c.Channels) {
				x := float64(c.d.Row(r, c.Channels)[e])
				delta := max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
				v := float64(c.v.Row(r, c.Channels)[e])
				y := float64(c.skip[e]) * v
				size, bound := math.Abs(y), 0.0
				for j := range c.States {
					at := e*c.States + j
					bj, cj := float64(c.b.Row(r, c.States)[j]), float64(c.c.Row(r, c.States)[j])
					exponent := delta * float64(c.rates[j*c.channelsOfRow+e])
					decay, in := math.Exp(exponent), delta*v*bj
					off[at] = off[at]*decay + ulp*(math.Abs(state[at])*decay*(6*math.Abs(exponent)+4)+8*math.Abs(in)) + 0x1p-120
					state[at] = state[at]*decay + in
					y += cj * state[at]
					size += math.Abs(cj * state[at])
					bound += math.Abs(cj) * off[at]
				}
				close64(t, fmt.Sprintf("%+v: token %d, channel %d", c.ScanSpec, r, e), got, y, 1.01*(bound+float64(c.States+1)*ulp*size))
			}
		}
		for i, got := range export {
			close64(t, fmt.Sprintf("%+v: state %d", c.ScanSpec, i), got, state[i], 1.01*off[i])
		}
	}
}

// Softplus is within four roundings everywhere.
func TestSoftplus(t *testing.T) {
	for x := float32(-87); x < 87; x += 0.0137 {
		want := max(float64(x), 0) + math.Log1p(math.Exp(-math.Abs(float64(x))))
		close64(t, fmt.Sprintf("softplus(%v)", x), Softplus(x), want, 4*ulp*want)
	}
	for _, c := range []struct{ x, want float32 }{{float32(math.Inf(1)), float32(math.Inf(1))}, {float32(math.Inf(-1)), 0}, {-1000, 0}, {1e30, 1e30}} {
		if got := Softplus(c.x); got != c.want {
			t.Errorf("softplus(%v) is %v, want %v", c.x, got, c.want)
		}
	}
	if got := Softplus(float32(math.NaN())); got == got {
		t.Errorf("softplus of what is no number is %v", got)
	}
}
