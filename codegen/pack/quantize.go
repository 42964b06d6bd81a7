package pack

import (
	"math"

	"github.com/yococ/yococ/runtime/kernel"
)

// quantizeQ8 fills q, as long as w, with integers from -127 to 127 and returns their scale, a bfloat16.
func quantizeQ8(q []int8, w []float32) uint16 { return nearest(q, w, largest(w)/127, -127, 127) }

// quantizeQ4 fills q, as long as w, with integers from -8 to 7 and returns their scale, a bfloat16.
// What is largest becomes -8, whatever its sign.
func quantizeQ4(q []int8, w []float32) uint16 { return nearest(q, w, largest(w)/-8, -8, 7) }

// largest is the element of the largest magnitude.
func largest(w []float32) float32 {
	var m float32
	for _, x := range w {
		if math.Abs(float64(x)) > math.Abs(float64(m)) {
			m = x
		}
	}
	return m
}

// nearest fills q with the nearest integers of a range to w/scale, and returns the scale, rounded.
func nearest(q []int8, w []float32, scale float32, lo, hi float64) uint16 {
	bits := kernel.Float32ToBF16(scale)
	scale = kernel.BF16ToFloat32(bits)
	if scale == 0 {
		clear(q)
		return 0
	}
	inverse := 1 / float64(scale)
	for i, x := range w {
		q[i] = int8(max(lo, min(hi, math.RoundToEven(float64(x)*inverse))))
	}
	return bits
}
