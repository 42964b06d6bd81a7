package kernel_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

// TestFMA compares FMA with exact arithmetic: on all kinds of bits, and on triples whose exact
// sum lies just beside a tie of two float32, where rounding twice goes wrong.
func TestFMA(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := 200_000
	if testing.Short() {
		n /= 10
	}
	for range n {
		a, b, c := bits(r), bits(r), bits(r)
		checkFMA(t, a, b, c)
		// c near -a*b: cancellation.
		checkFMA(t, a, b, -a*b)
		checkFMA(t, a, b, math.Nextafter32(-a*b, c))
		a, b, c = besideTie(r)
		checkFMA(t, a, b, c)
		checkFMA(t, -a, b, c)
		checkFMA(t, a, b, -c)
	}
}

// TestFMANotFinite has what math/big cannot express.
func TestFMANotFinite(t *testing.T) {
	inf, huge := float32(math.Inf(1)), float32(math.MaxFloat32)
	for _, c := range []struct{ a, b, c, want float32 }{
		{inf, 1, 1, inf},
		{inf, -1, 1, -inf},
		{1, 1, -inf, -inf},
		{huge, huge, -huge, inf},
		{huge, 1, 0x1p103, inf},                       // a tie goes to the even neighbour
		{huge, 1, math.Nextafter32(0x1p103, 0), huge}, // just below it does not
		{huge, 2, -inf, -inf},
	} {
		if got := kernel.FMA(c.a, c.b, c.c); got != c.want {
			t.Errorf("FMA(%v, %v, %v) = %v, want %v", c.a, c.b, c.c, got, c.want)
		}
	}
	for _, c := range [][3]float32{{inf, 0, 1}, {inf, 1, -inf}, {float32(math.NaN()), 0, 0}} {
		if got := kernel.FMA(c[0], c[1], c[2]); got == got {
			t.Errorf("FMA(%v) = %v, want no number", c, got)
		}
	}
}

// bits is a finite number of random bits.
func bits(r *rand.Rand) float32 {
	for {
		f := math.Float32frombits(r.Uint32())
		if f-f == 0 {
			return f
		}
	}
}

// besideTie is a triple whose product 1-2^-2k or 1+2^-k+…, scaled, is about half of the last place
// of c, results below the normal range included.
func besideTie(r *rand.Rand) (a, b, c float32) {
	k := 8 + r.IntN(16)
	a, b = float32(1+math.Ldexp(1, -k)), float32(1-math.Ldexp(1, -k))
	switch r.IntN(3) {
	case 0:
		b = a
	case 1:
		b = 1
	}
	c = float32(1<<24 + 2*r.IntN(1<<23)) // its last place is 2
	scale := float32(math.Ldexp(1, r.IntN(250)-172))
	if r.IntN(2) == 0 {
		return a * scale, b, c * scale
	}
	return a, b * scale, c * scale
}

func checkFMA(t *testing.T, a, b, c float32) {
	t.Helper()
	if c-c != 0 {
		return
	}
	const enough = 1100 // bits from the highest to the lowest of product and sum
	exact := func(x float32) *big.Float { return new(big.Float).SetPrec(enough).SetFloat64(float64(x)) }
	sum := exact(a)
	sum.Mul(sum, exact(b))
	sum.Add(sum, exact(c))
	want, _ := sum.Float32()
	got := kernel.FMA(a, b, c)
	if math.Float32bits(got) != math.Float32bits(want) {
		t.Fatalf("FMA(%x, %x, %x) = %x, want %x", a, b, c, got, want)
	}
}
