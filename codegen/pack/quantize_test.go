package pack

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

// randomBlocks yields blocks of every length up to 32, of several distributions and magnitudes.
func randomBlocks(yield func(w []float32) bool) {
	r := rand.New(rand.NewPCG(1, 2))
	draws := []func() float64{
		r.NormFloat64,
		func() float64 { return 2*r.Float64() - 1 },
		func() float64 { return math.Pow(r.NormFloat64(), 3) },         // outliers
		func() float64 { return r.ExpFloat64() },                       // one sign
		func() float64 { return float64(r.IntN(5)-2) + r.Float64()/8 }, // almost on a grid
	}
	for _, magnitude := range []float64{1, 0.02, 0x1p-115, 0x1p120} {
		for n := 1; n <= kernel.Q4Block; n++ {
			for _, draw := range draws {
				for range 40 {
					w := make([]float32, n)
					for i := range w {
						w[i] = float32(draw() * magnitude)
					}
					if top := largest(w); top >= minWeight && !yield(w) {
						return
					}
				}
			}
		}
	}
}

// squaredError is that of w ≈ q * scale, and the energy of w.
func squaredError(q []int8, scale uint16, w []float32) (err, energy float64) {
	for i, x := range w {
		d := float64(x) - float64(q[i])*widen(scale)
		err += d * d
		energy += float64(x) * float64(x)
	}
	return err, energy
}

func TestQuantizeQ8(t *testing.T) {
	for w := range randomBlocks {
		q := make([]int8, len(w))
		scale := quantizeQ8(q, w)
		top := largest(w)
		if 127*widen(scale) < top || 127*widen(scale-1) >= top {
			t.Fatalf("%v: scale %g, want the least for %g", w, widen(scale), top)
		}
		for i, x := range w {
			if d := float64(x) - float64(q[i])*widen(scale); math.Abs(d) > widen(scale)/2 || q[i] == -128 {
				t.Fatalf("%g is %d steps of %g", x, q[i], widen(scale))
			}
		}
	}
}

// Rounding to nearest with the scale max|w|/7 is never better, and over normally distributed
// blocks the search is near the best of all scales.
func TestQuantizeQ4(t *testing.T) {
	for w := range randomBlocks {
		q := make([]int8, len(w))
		scale := quantizeQ4(q, w)
		got, _ := squaredError(q, scale, w)
		top := largest(w)
		plain := kernel.Float32ToBF16(float32(top / 7))
		for i, x := range w {
			q[i] = int8(max(-8, min(math.RoundToEven(float64(x)/widen(plain)), 7)))
		}
		if want, _ := squaredError(q, plain, w); got > want {
			t.Fatalf("%v: squared error %g, with the scale max/7 %g", w, got, want)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	var got, best, energy float64
	for range 500 {
		w, q := make([]float32, kernel.Q4Block), make([]int8, kernel.Q4Block)
		for i := range w {
			w[i] = float32(r.NormFloat64())
		}
		scale := quantizeQ4(q, w)
		e, all := squaredError(q, scale, w)
		got, energy = got+e, energy+all
		top := largest(w)
		e = math.Inf(1)
		for s := kernel.Float32ToBF16(float32(top / 16)); widen(s) < top/5; s++ {
			e = min(e, errorQ4(w, s), errorQ4(w, s|1<<15))
		}
		best += e
	}
	t.Logf("squared error %.3f %%, with the best scales %.3f %%", 100*got/energy, 100*best/energy)
	if got > 1.01*best {
		t.Errorf("squared error %.3f %%, want at most 1 %% above %.3f %%", 100*got/energy, 100*best/energy)
	}
}

// What is a multiple of some scale is quantized without error, and with hardly any if it was
// rounded to bfloat16 in between.
func TestQuantizeAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	quantizers := []struct {
		bits, low, high int
		quantize        func([]int8, []float32) uint16
	}{{8, -127, 127, quantizeQ8}, {4, -8, 7, quantizeQ4}, {4, -1, 1, quantizeQ4}, {4, 0, 3, quantizeQ4}, {4, -5, 4, quantizeQ4}}
	for _, z := range quantizers {
		for range 2000 {
			scale := kernel.BF16ToFloat32(kernel.Float32ToBF16(float32(r.NormFloat64())))
			w, q := make([]float32, kernel.Q4Block), make([]int8, kernel.Q4Block)
			for i := range w {
				w[i] = scale * float32(z.low+r.IntN(z.high-z.low+1))
			}
			w[7] = scale * float32(z.low) // the whole range is used
			w[9] = scale * float32(z.high)
			got := z.quantize(q, w)
			if err, _ := squaredError(q, got, w); err != 0 {
				t.Fatalf("%d bits: %v: %v * %g", z.bits, w, q, widen(got))
			}
			for i, x := range w {
				w[i] = kernel.BF16ToFloat32(kernel.Float32ToBF16(x))
			}
			got = z.quantize(q, w)
			// Rounding moved each weight by at most 2⁻⁹ of it, and may move the scale as much.
			if err, energy := squaredError(q, got, w); z.bits == 4 && err > 0x1p-16*energy {
				t.Fatalf("%d bits, rounded: %v: %v * %g", z.bits, w, q, widen(got))
			}
		}
	}
}

func TestQuantizeTies(t *testing.T) {
	w := []float32{127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5}
	q := make([]int8, len(w))
	if scale := quantizeQ8(q, w); widen(scale) != 1 || !slices.Equal(q, []int8{127, 0, 2, 2, 0, -2, -2}) {
		t.Errorf("%v is %v * %g", w, q, widen(scale))
	}
}

// A negative scale gives the eighth step to the positive side.
func TestQuantizeSign(t *testing.T) {
	q := make([]int8, 3)
	if scale := quantizeQ4(q, []float32{8, -7, 1}); widen(scale) != -1 || !slices.Equal(q, []int8{-8, 7, -1}) {
		t.Errorf("%v * %g", q, widen(scale))
	}
}

func TestQuantizeExtremes(t *testing.T) {
	inf, nan, huge := float32(math.Inf(1)), float32(math.NaN()), math.Nextafter32(maxWeight, 0)
	if magnitude(-maxWeight) != maxBits {
		t.Error("maxBits is not maxWeight")
	}
	for _, c := range []struct {
		w    []float32
		zero bool
	}{
		{nil, true},
		{[]float32{0, float32(math.Copysign(0, -1))}, true},
		{[]float32{math.SmallestNonzeroFloat32, -minWeight / 2}, true},
		{[]float32{-minWeight, minWeight / 300}, false},
		{[]float32{huge, -huge}, false},
		{slices.Concat([]float32{huge}, slices.Repeat([]float32{huge / 7 * 1.49}, 31)), false},
		{[]float32{0, -maxWeight}, true},
		{[]float32{1, -inf}, true},
		{[]float32{nan, 1}, true},
		{[]float32{1, -nan, inf}, true},
	} {
		for _, quantize := range []func([]int8, []float32) uint16{quantizeQ8, quantizeQ4} {
			q := slices.Repeat([]int8{99}, len(c.w))
			scale := quantize(q, c.w)
			if c.zero != (scale == 0) || c.zero && slices.ContainsFunc(q, func(q int8) bool { return q != 0 }) {
				t.Errorf("%g: %d * %g", c.w, q, widen(scale))
			}
			if s := math.Abs(widen(scale)); scale != 0 && s < 0x1p-126 {
				t.Errorf("%g: scale %g is subnormal", c.w, s)
			}
			for _, q := range q {
				if y := float32(q) * kernel.BF16ToFloat32(scale); math.IsInf(float64(y), 0) {
					t.Errorf("%g: %d * %g overflows", c.w, q, widen(scale))
				}
			}
		}
	}
}

func BenchmarkQuantize(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	w, q := make([]float32, 1<<16), make([]int8, 1<<16)
	for i := range w {
		w[i] = float32(r.NormFloat64()) * 0.02
	}
	for _, c := range []struct {
		name     string
		block    int
		quantize func([]int8, []float32) uint16
	}{{"q8", 128, quantizeQ8}, {"q4", kernel.Q4Block, quantizeQ4}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				for at := 0; at < len(w); at += c.block {
					c.quantize(q[at:at+c.block], w[at:at+c.block])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(w)), "ns/weight")
		})
	}
}
