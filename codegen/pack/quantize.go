package pack

import (
	"math"

	"github.com/yococ/yococ/runtime/kernel"
)

// Quantization of a block, which is weights that share a scale: w[i] ≈ q[i] * scale, and the scale
// is a bfloat16.
//
// With 8 bits it is the least scale that keeps the largest weight at 127 or below. With 4 bits the
// choice matters: of the energy of normally distributed blocks of 32, max|w|/7 leaves 0.94 % as
// error, the best scale there is 0.65 %, the search below 0.66 %.
//
// The search is over d, how many steps the largest weight is away from zero, and over the scale's
// sign: positive weights have 7 steps, negative ones 8, or the other way round. Rounding with a d
// gives q. For that q the best scale is Σwq/Σq², and the squared error that it leaves is
// Σw² - (Σwq)²/Σq²; so the largest (Σwq)²/Σq² wins.

// Magnitudes of weights. A block below minWeight is all zeros, because its scale could be subnormal;
// at maxWeight q * scale could overflow (see finite).
const (
	minWeight = 0x1p-119
	maxWeight = 0x1p127
)

// quantizeQ8 fills q, as long as w, with integers from -127 to 127 and returns their scale, a bfloat16.
func quantizeQ8(q []int8, w []float32) (scale uint16) {
	top := largest(w)
	if top < minWeight {
		clear(q)
		return 0
	}
	scale = ceilBF16(top / 127)
	inv := 1 / widen(scale)
	for i, x := range w {
		q[i] = int8(nearest(float64(x) * inv))
	}
	return scale
}

// quantizeQ4 is quantizeQ8 for integers from -8 to 7 and at most kernel.Q4Block weights. The scale may
// be negative. The squared error is never above that of the scale max|w| / 7.
func quantizeQ4(q []int8, w []float32) (scale uint16) {
	top := largest(w)
	if top < minWeight {
		clear(q)
		return 0
	}
	scale = searchQ4(w, top)
	if plain := kernel.Float32ToBF16(float32(top / 7)); errorQ4(w, plain) < errorQ4(w, scale) {
		scale = plain // rounding the scale can cost more than the search gained
	}
	inv := 1 / widen(scale)
	for i, x := range w {
		q[i] = int8(clampQ4(nearest(float64(x) * inv)))
	}
	return scale
}

// Weights are integers in the search, the largest 1<<q4Bits, so that sums are exact and those for
// both signs of the scale share a word. No sum is negative: q has w's sign.
const (
	q4Bits = 20
	q4Low  = 14 // candidates for 2d: d is 7, 7.5, …
	q4High = 21 // … 10.5
)

// both[q&31] is q clamped to [-8, 7], plus 1<<32 times q clamped to [-7, 8]; squares has their squares.
var both, squares = func() (both, squares [32]int64) {
	for q := int64(-16); q < 16; q++ {
		a, b := max(-8, min(q, 7)), max(-7, min(q, 8))
		both[q&31], squares[q&31] = a+b<<32, a*a+b*b<<32
	}
	return both, squares
}()

// searchQ4 returns the scale of the best candidate for a block whose largest weight is top.
func searchQ4(w []float32, top float64) uint16 {
	var fixed [kernel.Q4Block]int64
	ints, inv := fixed[:len(w)], (1<<q4Bits)/top
	for i, x := range w {
		ints[i] = nearest(float64(x) * inv)
	}
	for d := int64(1); 2*d < q4Low; d++ {
		if onGrid(ints, d) {
			return kernel.Float32ToBF16(float32(fitQ4(ints, 2*d).scale / inv))
		}
	}
	var best fit
	for halves := int64(q4Low); halves <= q4High; halves++ {
		best = better(best, fitQ4(ints, halves))
	}
	return kernel.Float32ToBF16(float32(best.scale / inv))
}

// A fit is the best scale for some q, and the squared error that it takes away.
type fit struct{ scale, gain float64 }

// fitQ4 fits the better sign to weights rounded with d, given in halves.
func fitQ4(ints []int64, halves int64) fit {
	var dots, norms int64
	for _, v := range ints {
		q := (v*halves + 1<<q4Bits) >> (q4Bits + 1) & 31
		dots += v * both[q]
		norms += squares[q]
	}
	dot, norm := float64(uint32(dots)), float64(uint32(norms))
	up := fit{dot / norm, dot * dot / norm}
	dot, norm = float64(dots>>32), float64(norms>>32)
	return better(up, fit{-dot / norm, dot * dot / norm})
}

func better(a, b fit) fit {
	if b.gain > a.gain {
		return b
	}
	return a
}

// onGrid reports whether with this d all weights lie on steps, or as near as a product of step and
// scale is when it is rounded to bfloat16: so do weights that were quantized before, say to three
// values. Other blocks mostly fail with their first weight.
func onGrid(ints []int64, d int64) bool {
	const half, near = 1 << (q4Bits - 1), 1 << (q4Bits - 5)
	for _, v := range ints {
		if off := (v*d+half)&(2*half-1) - half; off < -near || off > near {
			return false
		}
	}
	return true
}

// errorQ4 is the squared error of a block with a scale.
func errorQ4(w []float32, scale uint16) float64 {
	sum, step := 0.0, widen(scale)
	inv := 1 / step
	for _, x := range w {
		d := float64(x) - float64(clampQ4(nearest(float64(x)*inv)))*step // an exact product
		sum += float64(d * d)                                            // not fused
	}
	return sum
}

func clampQ4(q int64) int64 { return max(-8, min(q, 7)) }

// largest is the largest magnitude in a block. It is 0 if one is maxWeight or more, or not a number:
// then finite has noted an error, and nothing more comes of the block.
func largest(w []float32) float64 {
	var bits uint32 // magnitudes are ordered as their bits are, then infinity, then what is no number
	for _, x := range w {
		bits = max(bits, magnitude(x))
	}
	if bits >= maxBits {
		return 0
	}
	return float64(math.Float32frombits(bits))
}

// maxBits is magnitude(maxWeight).
const maxBits = (127 + 127) << 23

// magnitude is the bits of |x|.
func magnitude(x float32) uint32 { return math.Float32bits(x) &^ (1 << 31) }

// nearest rounds to an integer, ties to even. x is below 2^31 in magnitude. The conversion keeps a
// compiler from fusing the sum with the product that x may be.
func nearest(x float64) int64 {
	const magic = 3 << 51 // its last bit is worth one
	return int64(int32(math.Float64bits(float64(x) + magic)))
}

// ceilBF16 is the least bfloat16 not below x, which is positive.
func ceilBF16(x float64) uint16 {
	f := float32(x)
	bits := math.Float32bits(f)
	if float64(f) < x {
		bits++
	}
	return uint16((bits + 0xffff) >> 16)
}

func widen(scale uint16) float64 { return float64(kernel.BF16ToFloat32(scale)) }
