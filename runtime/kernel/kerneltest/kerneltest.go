// Package kerneltest helps to test kernels: memory that faults when a kernel leaves its slices,
// values that find rounding mistakes, comparison of bits, and bounds that are derived.
//
// Imports: runtime/kernel. Outside the standard library: nothing.
// May not: be imported by anything but tests.
package kerneltest

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// An Element is what kernels read and write.
type Element interface {
	float32 | uint16 | int8 | int32 | byte
}

// Guarded allocates n elements twice between pages that cannot be touched: end ends where such a
// page begins, start begins where one ends. One element too far crashes the test.
func Guarded[T Element](t testing.TB, n int) (start, end []T) {
	size := n * int(unsafe.Sizeof(*new(T)))
	slice := func(b []byte) []T { return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)[:n:n] }
	first, second := pages(t, max(size, 1)), pages(t, max(size, 1))
	return slice(first), slice(second[len(second)-size:])
}

// Values fills x with numbers of both signs around one.
func Values(r *rand.Rand, x []float32) {
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
}

// Special fills x with all kinds of finite numbers: zeros of both signs, numbers below the normal
// range, powers of two, ties and magnitudes whose products overflow or vanish.
func Special(r *rand.Rand, x []float32) {
	for i := range x {
		switch v := float32(r.NormFloat64()); r.IntN(8) {
		case 0:
			x[i] = v * 0
		case 1:
			x[i] = math.Float32frombits(r.Uint32() & 0x807fffff) // below the normal range
		case 2:
			x[i] = float32(math.Copysign(math.Ldexp(1, r.IntN(60)-30), float64(v)))
		case 3:
			x[i] = math.Float32frombits(math.Float32bits(v) &^ 0xfff) // products tie with sums
		case 4:
			x[i] = v * 1e18
		case 5:
			x[i] = v * 1e-20
		default:
			x[i] = v
		}
	}
}

// Halves fills w with bfloat16, the high halves of numbers from fill.
func Halves(r *rand.Rand, w []uint16, fill func(*rand.Rand, []float32)) {
	wide := make([]float32, len(w))
	fill(r, wide)
	for i, v := range wide {
		w[i] = uint16(math.Float32bits(v) >> 16)
	}
}

// Same reports a failure unless got has the bits of want. Numbers that are none are all the same.
func Same(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			t.Fatalf("%s: element %d is %v (%#x), want %v (%#x)", what, i, g, math.Float32bits(g), w, math.Float32bits(w))
		}
	}
}

// DotBound is how far a float32 sum of the products of a and b may be from the exact one in any
// order of summation: n ε Σ|a b|, with the smallest normal number for what vanishes.
func DotBound(a, b []float32) float64 {
	const epsilon, minNormal = 0x1p-24, 0x1p-126
	sum := 0.0
	for i := range a {
		sum += math.Abs(float64(a[i]) * float64(b[i]))
	}
	return float64(len(a)+1) * (epsilon*sum + minNormal)
}
