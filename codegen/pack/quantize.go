package pack

import (
	"math"

	"github.com/yococ/yococ/runtime/kernel"
)

// Quantization of a block, which is weights that share a scale: w[i] ≈ q[i] * scale, and the scale
// is a bfloat16.
//
// With 8 bits it is the least scale that keeps the largest weight at 127 or below; quantize_q4.go says what it is
// with 4 bits.

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
