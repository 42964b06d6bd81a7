package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// convCase is a sequence through one convolution.
type convCase struct {
	ConvSpec
	tokens       int
	x            Rows
	weight, bias []float32
}

func newConvCase(rng *rand.Rand, channels, taps, tokens int, bias, silu bool) *convCase {
	c := &convCase{ConvSpec: ConvSpec{Channels: channels, Taps: taps, SiLU: silu}, tokens: tokens, x: random(rng, tokens, channels)}
	c.weight = floats(rng, taps*roundUp(channels, line))
	if bias {
		c.bias = floats(rng, channels)
	}
	return c
}

// run returns the outputs and the state of the sequence cut up.
func (c *convCase) run(cut cut) (dst Rows, export []float32) {
	dst = blank(c.tokens, c.Channels)
	st := c.State(make([]float32, c.StateFloats()))
	team(cut.workers, c.Scratch(c.tokens), func(w *Worker) {
		cut.chunks(c.tokens, func(pos, rows int) {
			ShortConv(w, &c.ConvSpec, dst.From(pos), c.x.From(pos), c.weight, c.bias, &st, pos, rows)
			w.Sync()
		})
	})
	return dst, c.Export(&st, c.tokens)[0].Data
}

// cases of the tests: channels beside one and several of a worker's units.
func convCases(rng *rand.Rand) []*convCase {
	return []*convCase{
		newConvCase(rng, 1, 2, 9, false, false), newConvCase(rng, 24, 4, 70, false, true), newConvCase(rng, 300, 3, 130, true, true),
		newConvCase(rng, 512, 4, 70, true, false), newConvCase(rng, 17, 9, 5, true, true), newConvCase(rng, 20, 1, 5, false, true),
	}
}

func TestShortConvInvariance(t *testing.T) {
	for _, c := range convCases(rand.New(rand.NewPCG(31, 31))) {
		dst, export := c.run(cut{1, 1})
		for _, cut := range cuts {
			what := fmt.Sprintf("%+v, %v: ", c.ConvSpec, cut)
			d, e := c.run(cut)
			same(t, what+"dst", d.Data, dst.Data)
			same(t, what+"export", e, export)
		}
	}
}

// Against float64. The sum has as many roundings as taps; silu's argument is off by as much, and its slope
// is at most 1.1; exp, the sum and the quotient round too.
func TestShortConvReference(t *testing.T) {
	for _, c := range convCases(rand.New(rand.NewPCG(32, 32))) {
		dst, export := c.run(cut{64, 2})
		for r := range c.tokens {
			for i, got := range dst.Row(r, c.Channels) {
				sum, size := 0.0, 0.0
				if c.bias != nil {
					sum = float64(c.bias[i])
					size = math.Abs(sum)
				}
				for j := range c.Taps {
					if at := r - c.Taps + 1 + j; at >= 0 {
						p := float64(c.weight[j*roundUp(c.Channels, line)+i]) * float64(c.x.Row(at, c.Channels)[i])
						sum += p
						size += math.Abs(p)
					}
				}
				bound := float64(c.Taps) * size * ulp
				if c.SiLU {
					sum /= 1 + math.Exp(-sum)
					bound = 1.1*bound + 5*math.Abs(sum)*ulp
				}
				close64(t, fmt.Sprintf("%+v: token %d, channel %d", c.ConvSpec, r, i), got, sum, bound*1.01)
			}
		}
		for j := range c.Taps - 1 {
			for i := range c.Channels {
				want := float32(0)
				if at := c.tokens - c.Taps + 1 + j; at >= 0 {
					want = c.x.Row(at, c.Channels)[i]
				}
				if got := export[j*c.Channels+i]; got != want {
					t.Fatalf("%+v: state of row %d, channel %d is %v, want %v", c.ConvSpec, j, i, got, want)
				}
			}
		}
	}
}
