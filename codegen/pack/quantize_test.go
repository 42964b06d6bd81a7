package pack

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

// randomBlocks yields blocks of many lengths up to 128, of several distributions and magnitudes.
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
		for n := 1; n <= kernel.Q4Block; n += 1 + n/33*6 {
			for _, draw := range draws {
				for range 30 {
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

// A quantizer quantizes a block, and gives the step of each part of it.
type quantizer func(q []int8, w []float32) (steps [4]float64)

func q8Steps(q []int8, w []float32) (steps [4]float64) {
	scale := quantizeQ8(q, w)
	for i := range steps {
		steps[i] = widen(scale)
	}
	return steps
}

func q4Steps(q []int8, w []float32) (steps [4]float64) { return stepsOf(quantizeQ4(q, w)) }

// stepsOf are the steps that kernel.Q4Scales says.
func stepsOf(scales uint32) (steps [4]float64) {
	for i := range steps {
		factor := int(scales >> (5 * i) & 31)
		if factor > 15 {
			factor -= 32
		}
		steps[i] = float64(math.Float32frombits(scales>>20<<19)) * float64(factor)
	}
	return steps
}

// squaredError is that of w ≈ q * steps, and the energy of w.
func squaredError(q []int8, steps [4]float64, w []float32) (err, energy float64) {
	for i, x := range w {
		d := float64(x) - float64(q[i])*steps[i/kernel.Q4Part]
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

// Every weight is at the step that is nearest to it, a block is never farther from its weights than zeros are, and a power
// of two changes nothing but the scale.
func TestQuantizeQ4(t *testing.T) {
	for w := range randomBlocks {
		q := make([]int8, len(w))
		steps := q4Steps(q, w)
		for i, x := range w {
			if step := steps[i/kernel.Q4Part]; step != 0 {
				if n := max(-8, min(math.RoundToEven(float64(x)/step), 7)); math.Abs(n-float64(q[i])) > 0 && math.Abs(math.Abs(float64(x)/step-n)-0.5) > 1e-9 {
					t.Fatalf("%v: %g is %d steps of %g", w, x, q[i], step)
				}
			} else if x != 0 {
				t.Fatalf("%v: no step", w)
			}
		}
		if got, energy := squaredError(q, steps, w); got > energy {
			t.Errorf("%v: squared error %g, that of zeros is %g", w, got, energy)
		}
		_, power := math.Frexp(float64(largest(w)))
		if power < -115 {
			continue // the scale could have to be less than what it may be
		}
		near, again := make([]float32, len(w)), make([]int8, len(w))
		for i, x := range w {
			near[i] = float32(math.Ldexp(float64(x), -power))
		}
		for i, step := range q4Steps(again, near) {
			if math.Ldexp(step, power) != steps[i] || !slices.Equal(again, q) {
				t.Fatalf("%v: %d * %g, and divided by 2^%d %d * %g", w, q, steps[i], power, again, step)
			}
		}
	}
}

// bestQ4 is the least squared error that a block can have in the format, of all scales and factors, and what the search
// may lose to it, as TestQuantizeQ4Best says.
func bestQ4(w []float32) (best, loss float64) {
	const grain = 1 << 19
	best = math.Inf(1)
	// With a scale of more than a fifth of the largest weight factors of 8 and more are of no use, so that half of it with
	// twice the factors is as good; one of less than 1/300 of that weight reaches less than half of it.
	from := math.Float32bits(float32(largest(w)/kernel.Q4Factor/20)) / grain * grain
	for bits := from; bits <= from+6<<23; bits += grain {
		scale, err, lost := float64(math.Float32frombits(bits)), 0.0, 0.0
		for at := 0; at < len(w); at += kernel.Q4Part {
			part := w[at:min(at+kernel.Q4Part, len(w))]
			_, least := squaredError(make([]int8, len(part)), [4]float64{}, part)
			energy, step := least, 0.0
			for k := 1.0; k <= kernel.Q4Factor; k++ {
				if e := min(errorQ4(part, k*scale), errorQ4(part, -k*scale)); e < least {
					least, step = e, k*scale
				}
			}
			err += least
			if step > 0 {
				d := 2 * largest(part) / step
				off := 1 - d/max(q4Low, min(math.RoundToEven(d), q4High))
				lost += energy * off * off
			}
		}
		if err < best {
			best, loss = err, lost
		}
	}
	return best, loss
}

// No scale and factors are better than those that the search finds, but for what it loses by looking at bounds of errors:
// it takes weights that were rounded with the candidate next to a step, which is off by a part of it, for what they are
// with the step. That moves the boundary between two codes, at b, by b*off, and a weight that is x beyond the boundary
// has 2*x*step more of squared error. With a density f of weights that changes little within a step that is
// step*f(b)*(b*off)² for a boundary, and for all of them, which are a step apart, the sum of w² times off². What is chosen
// by such a bound has no larger error than the bound of what is best, whose mean is the best plus that loss.
//
// So the mean of the error, less the least one, less the loss, is at most zero; the mean of a sample of blocks is within four
// standard errors of it, in all but one of 30,000 samples.
func TestQuantizeQ4Best(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name string
		draw func() float64
	}{
		{"normal", r.NormFloat64},
		{"uniform", func() float64 { return 2*r.Float64() - 1 }},
		{"outliers", func() float64 { return math.Pow(r.NormFloat64(), 3) }},
		{"one sign", r.ExpFloat64},
	} {
		for _, sizes := range [][]float64{{1, 1, 1, 1}, {1, 3, 0.5, 2}, {8, 1, 1, 1}} {
			const blocks = 100
			var got, best, loss, sum, squares float64
			for range blocks {
				w, q := make([]float32, kernel.Q4Block), make([]int8, kernel.Q4Block)
				for i := range w {
					w[i] = float32(c.draw() * sizes[i/kernel.Q4Part])
				}
				err, energy := squaredError(q, q4Steps(q, w), w)
				least, lost := bestQ4(w)
				if err < least*(1-1e-12) {
					t.Fatalf("%v: squared error %g, where the format's least is %g", w, err, least)
				}
				got, best, loss = got+err/energy/blocks, best+least/energy/blocks, loss+lost/energy/blocks
				over := (err - least - lost) / energy
				sum, squares = sum+over/blocks, squares+over*over/blocks
			}
			deviation := math.Sqrt((squares - sum*sum) / blocks)
			t.Logf("%s, parts of sizes %v: squared error %.3f %%, at best %.3f %%; %.3f %% may be lost, give or take %.3f", c.name, sizes, 100*got, 100*best, 100*loss, 100*deviation)
			if sum > 4*deviation {
				t.Errorf("%s, parts of sizes %v: squared error %.3f %%, at best %.3f %%: %.3f %% is lost, want at most %.3f", c.name, sizes, 100*got, 100*best, 100*(got-best), 100*loss)
			}
		}
	}
}

// What is a multiple of some scale is quantized without error in q8, and in q4 as near as the scale's five bits and the
// factors come to it: no step is farther than 1/71 of itself from a factor of at most 15 times a scale of the octave that
// begins at or before 1/15 of it, which is a matter of trying them. The same if it was rounded to bfloat16 in between, which
// moves a weight by at most 1/512.
func TestQuantizeAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	quantizers := []struct {
		bits, low, high int
		quantize        quantizer
	}{{8, -127, 127, q8Steps}, {4, -8, 7, q4Steps}, {4, -1, 1, q4Steps}, {4, 0, 3, q4Steps}, {4, -5, 4, q4Steps}}
	for _, z := range quantizers {
		worst := 0.0
		for range 2000 {
			scale := kernel.BF16ToFloat32(kernel.Float32ToBF16(float32(r.NormFloat64())))
			w, q := make([]float32, kernel.Q4Block), make([]int8, kernel.Q4Block)
			for i := range w {
				w[i] = scale * float32(z.low+r.IntN(z.high-z.low+1))
			}
			for at := 0; at < len(w); at += kernel.Q4Part { // the whole range is used
				w[at+7], w[at+9] = scale*float32(z.low), scale*float32(z.high)
			}
			err, energy := squaredError(q, z.quantize(q, w), w)
			if z.bits == 8 && err != 0 {
				t.Fatalf("%d bits: %v: %v", z.bits, w, q)
			}
			worst = max(worst, err/energy)
			for i, x := range w {
				w[i] = kernel.BF16ToFloat32(kernel.Float32ToBF16(x))
			}
			if err, energy = squaredError(q, z.quantize(q, w), w); z.bits == 4 {
				worst = max(worst, err/energy)
			}
		}
		t.Logf("%d bits, %d to %d: squared error at most %.5f %%", z.bits, z.low, z.high, 100*worst)
		if off := 1.0/71 + 1.0/512; worst > off*off {
			t.Errorf("%d bits, %d to %d: squared error %.5f %%", z.bits, z.low, z.high, 100*worst)
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

// A negative factor gives the eighth step to the positive side.
func TestQuantizeSign(t *testing.T) {
	q := make([]int8, 3)
	if steps := q4Steps(q, []float32{8, -7, 1}); steps[0] != -1 || !slices.Equal(q, []int8{-8, 7, -1}) {
		t.Errorf("%v * %g", q, steps[0])
	}
}

// A part of zeros, or one far below the others, costs the others nothing.
func TestQuantizeParts(t *testing.T) {
	w, q := make([]float32, kernel.Q4Block), make([]int8, kernel.Q4Block)
	for i := range w {
		w[i] = float32(i%15 - 7)
		if i/kernel.Q4Part == 1 {
			w[i] = 0
		} else if i/kernel.Q4Part == 2 {
			w[i] /= 1e6
		}
	}
	steps := q4Steps(q, w)
	for i, x := range w {
		if y := float64(q[i]) * steps[i/kernel.Q4Part]; i/kernel.Q4Part != 2 && y != float64(x) || math.Abs(y-float64(x)) > 1e-5 {
			t.Fatalf("%g is %g", x, y)
		}
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
		for _, quantize := range []quantizer{q8Steps, q4Steps} {
			q := slices.Repeat([]int8{99}, len(c.w))
			steps := quantize(q, c.w)
			zero := steps == [4]float64{}
			if c.zero != zero || c.zero && slices.ContainsFunc(q, func(q int8) bool { return q != 0 }) {
				t.Errorf("%g: %d * %g", c.w, q, steps)
			}
			for i, q := range q {
				s := steps[i/kernel.Q4Part]
				if a := math.Abs(s); a != 0 && a < 0x1p-126 {
					t.Errorf("%g: scale %g is subnormal", c.w, a)
				}
				if y := float32(q) * float32(s); math.IsInf(float64(y), 0) {
					t.Errorf("%g: %d * %g overflows", c.w, q, s)
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
		quantize quantizer
	}{{"q8", q8Steps}, {"q4", q4Steps}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				for at := 0; at < len(w); at += kernel.Q8Block {
					c.quantize(q[at:at+kernel.Q8Block], w[at:at+kernel.Q8Block])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(w)), "ns/weight")
		})
	}
}
