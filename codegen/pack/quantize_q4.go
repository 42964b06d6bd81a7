package pack

import (
	"math"

	"github.com/yococ/yococ/runtime/kernel"
)

// Quantization to 4 bits. A block of 128 weights has a scale, of five significant bits, and each part of 32 has a
// factor from -15 to 15; w[i] ≈ q[i] * step, q from -8 to 7, and the step is factor * scale. The choice matters: of
// the energy of normally distributed weights max|w|/7 leaves 0.94 % as error, the best step of each part 0.65 %, the
// best of those that the format has 0.67 %.
//
// A part on its own. The search is over d, how many steps the largest weight is away from zero, and over the
// step's sign: positive weights have 7 steps, negative ones 8, or the other way round. Rounding with a d
// gives q. For that q the squared error with a step t is Σw² - 2tΣwq + t²Σq², and Σwq/Σq² is the best of steps; the
// largest (Σwq)²/Σq² wins.
//
// The parts of a block together. The largest of their steps has a factor of 15 or less: for each scale that makes it
// so, each part takes the factor that is best by the polynomial of the d next to its step. The least sum wins, and then
// weights are rounded anew.

// Weights are integers in the search, the largest of a part 1<<q4Bits, so that sums are exact and those for
// both signs of the step share a word. No sum is negative: q has w's sign.
const (
	q4Bits = 20
	q4Low  = 12 // candidates for 2d: d is 6, 6.5, …
	q4High = 22 // … 11
)

// both[q&31] is q clamped to [-8, 7], plus 1<<32 times q clamped to [-7, 8]; squares has their squares.
var both, squares = func() (both, squares [32]int64) {
	for q := int64(-16); q < 16; q++ {
		a, b := max(-8, min(q, 7)), max(-7, min(q, 8))
		both[q&31], squares[q&31] = a+b<<32, a*a+b*b<<32
	}
	return both, squares
}()

// quantizeQ4 is quantizeQ8 for at most kernel.Q4Block weights, integers from -8 to 7 and kernel.Q4Scales.
func quantizeQ4(q []int8, w []float32) (scales uint32) {
	clear(q)
	if largest(w) < minWeight {
		return 0
	}
	var parts [kernel.Q4Block / kernel.Q4Part]part
	step := 0.0
	for j := range parts {
		from := min(j*kernel.Q4Part, len(w))
		parts[j].search(w[from:min(from+kernel.Q4Part, len(w))])
		step = max(step, parts[j].step)
	}
	scale := bestScale(&parts, step)
	var factors [len(parts)]int
	for j := range parts {
		from := j * kernel.Q4Part
		if p := &parts[j]; p.top > 0 {
			_, f := p.best(float64(scale))
			factors[j] = p.round(q[from:], w[from:min(from+kernel.Q4Part, len(w))], f, float64(scale))
		}
	}
	return kernel.Q4Scales(scale, factors)
}

// A part is what is known of the weights that share a factor.
type part struct {
	top  float64         // the largest magnitude; 0 if all are zero
	step float64         // the best step, without its sign
	low  int             // the least candidate that counts
	high int             // and the largest
	fits [q4High + 1]fit // by candidate
}

// A fit is Σwq and Σq² of the better sign for a candidate.
type fit struct {
	dot, norm float64
	negative  bool
}

// gain is the squared error that the best step takes away.
func (f fit) gain() float64 { return f.dot * f.dot / f.norm }

// search fills the part.
func (p *part) search(w []float32) {
	p.top = largest(w)
	if p.top == 0 {
		return
	}
	var fixed [kernel.Q4Part]int64
	ints, unit, inv := fixed[:len(w)], p.top/(1<<q4Bits), (1<<q4Bits)/p.top
	for i, x := range w {
		ints[i] = nearest(float64(x) * inv)
	}
	p.low, p.high = q4Low, q4High
	for _, d := range []int64{4, 5} { // others have a multiple among the candidates
		if onGrid(ints, d) {
			p.low, p.high = int(2*d), int(2*d)
			break
		}
	}
	best := 0.0
	for h := p.low; h <= p.high; h++ {
		f := fitQ4(ints, int64(h))
		f.dot *= unit
		if p.fits[h] = f; f.gain() > best {
			best, p.step = f.gain(), f.dot/f.norm
		}
	}
}

// fitQ4 fits the better sign to weights rounded with d, given in halves.
func fitQ4(ints []int64, halves int64) fit {
	var dots, norms int64
	for _, v := range ints {
		q := (v*halves + 1<<q4Bits) >> (q4Bits + 1) & 31
		dots += v * both[q]
		norms += squares[q]
	}
	up := fit{float64(uint32(dots)), float64(uint32(norms)), false}
	down := fit{float64(dots >> 32), float64(norms >> 32), true}
	if down.gain() > up.gain() {
		return down
	}
	return up
}

// onGrid reports whether with this d all weights lie on steps, or as near as a product of step and
// scale is when it is rounded to bfloat16: so do weights that were quantized before. Other parts mostly fail with
// their first weight.
func onGrid(ints []int64, d int64) bool {
	const half, near = 1 << (q4Bits - 1), 1 << (q4Bits - 5)
	for _, v := range ints {
		if off := (v*d+half)&(2*half-1) - half; off < -near || off > near {
			return false
		}
	}
	return true
}

// bestScale is the best scale of a block, the largest of whose parts' steps is given.
func bestScale(parts *[kernel.Q4Block / kernel.Q4Part]part, step float64) float32 {
	const grain = 1 << 19 // bits of a float32 that the format has not
	from := math.Float32bits(float32(max(step/kernel.Q4Factor, 0x1p-126))) / grain * grain
	var scale float32
	least := math.Inf(1)
	for bits := from; bits <= from+1<<23; bits += grain {
		s, sum := math.Float32frombits(bits), 0.0
		for j := range parts {
			if parts[j].top > 0 {
				e, _ := parts[j].best(float64(s))
				sum += e
			}
		}
		if sum < least {
			least, scale = sum, s
		}
	}
	return scale
}

// best is the best factor with a scale, and the squared error less the energy, which is not above that of zeros.
func (p *part) best(scale float64) (least float64, factor int) {
	factor = 1
	middle := int(p.step/scale + 0.5)
	for k := max(1, min(middle-1, kernel.Q4Factor)); k <= max(1, min(middle+1, kernel.Q4Factor)); k++ {
		t := float64(k) * scale
		h := max(p.low, min(int(2*p.top/t+0.5), p.high))
		c := p.fits[h]
		if e := t * (float64(t*c.norm) - 2*c.dot); e < least {
			least, factor = e, k
		}
	}
	return least, factor
}

// round rounds the part's weights with a factor, of the better sign, which it returns.
func (p *part) round(q []int8, w []float32, factor int, scale float64) int {
	if errorQ4(w, -float64(factor)*scale) < errorQ4(w, float64(factor)*scale) {
		factor = -factor
	}
	inv := 1 / (float64(factor) * scale)
	for i, x := range w {
		q[i] = int8(clampQ4(nearest(float64(x) * inv)))
	}
	return factor
}

// errorQ4 is the squared error of weights with a step.
func errorQ4(w []float32, step float64) float64 {
	sum, inv := 0.0, 1/step
	for _, x := range w {
		d := float64(x) - float64(clampQ4(nearest(float64(x)*inv)))*step // an exact product
		sum += float64(d * d)                                            // not fused
	}
	return sum
}

func clampQ4(q int64) int64 { return max(-8, min(q, 7)) }
