package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/kernel/kerneltest"
)

// The portable kernels against float64. A bound counts the roundings of kernel.Set's formula,
// each of which is u of its result.
const u = 0x1p-24

// expRoundings is how many roundings an exponential is worth: 1.2 units of the last place, which
// are two roundings each.
const expRoundings = 2.4

// exp2Roundings are those of a power of two: 2 units.
const exp2Roundings = 4

var portable kernel.Portable

// near reports a failure unless got is within bound of want; where a product vanished below the
// smallest number nothing can be near, hence the constant.
func near(t *testing.T, what string, got float32, want, bound float64) {
	t.Helper()
	if diff := math.Abs(float64(got) - want); !(diff <= bound+0x1p-140) {
		t.Errorf("%s = %v, want %v: off by %.3g, bound %.3g", what, got, want, diff, bound)
	}
}

// random is n numbers around one, of both signs.
func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	kerneltest.Values(r, x)
	return x
}

func TestPortableGemm(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, width := range []int{16, 32, 64} {
		for _, k := range []int{0, 1, 2, 33, 130} {
			for _, acc := range []bool{false, true} {
				testPortableGemm(t, r, width, k, acc)
			}
		}
	}
}

func testPortableGemm(t *testing.T, r *rand.Rand, width, k int, acc bool) {
	const rows = 3
	ldd, ldx := width+2, k+1
	before := random(r, rows*ldd)
	x, w := random(r, rows*ldx), random(r, k*width)
	pairs := make([]uint16, (k+1)/2*2*width)
	kerneltest.Halves(r, pairs, kerneltest.Values)

	dst, dstPairs := append([]float32(nil), before...), append([]float32(nil), before...)
	portable.GemmF32(dst, ldd, x, ldx, w, width, k, rows, acc)
	portable.GemmBF16(dstPairs, ldd, x, ldx, pairs, width, k, rows, acc)
	for row := range rows {
		for c := range ldd {
			at := row*ldd + c
			if c >= width {
				if dst[at] != before[at] || dstPairs[at] != before[at] {
					t.Fatalf("width %d, k %d: wrote beyond the row", width, k)
				}
				continue
			}
			// The start counts as one more product.
			a, b, bPairs := make([]float32, k+1), make([]float32, k+1), make([]float32, k+1)
			if acc {
				a[k], b[k], bPairs[k] = before[at], 1, 1
			}
			for i := range k {
				a[i], b[i] = x[row*ldx+i], w[i*width+c]
				bPairs[i] = math.Float32frombits(uint32(pairs[(i/2*width+c)*2+i%2]) << 16)
			}
			what := fmt.Sprintf("width %d, k %d, acc %v: element %d of row %d", width, k, acc, c, row)
			near(t, what, dst[at], dot(a, b), kerneltest.DotBound(a, b))
			near(t, what+", bf16", dstPairs[at], dot(a, bPairs), kerneltest.DotBound(a, bPairs))
		}
	}
}

// dot is the sum of the products.
func dot(a, b []float32) float64 {
	s := 0.0
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

// normRoundings is how many roundings 1/sqrt(mean(x²)+eps) of n elements is worth: those of a
// lane, the tree, the mean and eps, halved by the root; then the root and the quotient.
func normRoundings(n int) float64 { return float64((n+15)/16+4+2)/2 + 2 }

func TestPortableNorms(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const eps = float32(1e-3)
	for _, n := range []int{1, 5, 16, 17, 128, 1000} {
		x, gain, gate := random(r, n), random(r, n), random(r, n)
		inv := 1 / math.Sqrt(dot(x, x)/float64(n)+float64(eps))
		plain, gained, gated := make([]float32, n), make([]float32, n), make([]float32, n)
		portable.RMSNorm(plain, x, nil, eps)
		portable.RMSNorm(gained, x, gain, eps)
		portable.GateNorm(gated, n, x, n, gate, n, n, 1, eps)
		for i := range n {
			what := fmt.Sprintf("element %d of %d", i, n)
			want := float64(x[i]) * inv
			near(t, "norm, "+what, plain[i], want, (normRoundings(n)+1)*u*math.Abs(want))
			want *= float64(gain[i])
			near(t, "norm with gain, "+what, gained[i], want, (normRoundings(n)+2)*u*math.Abs(want))
			want = float64(x[i]) * inv * silu(gate[i])
			near(t, "gated norm, "+what, gated[i], want, (normRoundings(n)+expRoundings+4)*u*math.Abs(want))
		}
	}
}

// silu is x/(1+e^-x).
func silu(x float32) float64 { return float64(x) / (1 + math.Exp(-float64(x))) }

func TestPortableSoftmax(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, n := range []int{64, 128, 512} {
		lo := r.IntN(n)
		hi := lo + 1 + r.IntN(n-lo)
		scores := random(r, n)
		for i := range scores {
			scores[i] *= 20
		}
		p := append([]float32(nil), scores...)
		stats := make([]float32, 2)
		portable.Softmax(p, n, 1, n/64, lo, hi, stats, 2, nil)
		m, l := stats[0], stats[1]
		top := float32(math.Inf(-1))
		for _, s := range scores[lo:hi] {
			top = max(top, s)
		}
		if m != top {
			t.Errorf("maximum of %d is %v, want %v", n, m, top)
		}
		sum, bound := 0.0, 0.0
		for j := range p {
			if j < lo || j >= hi {
				if p[j] != 0 {
					t.Errorf("weight %d of [%d, %d) is %v, want 0", j, lo, hi, p[j])
				}
				continue
			}
			// The difference is rounded before the exponential multiplies its error; what
			// is below 2^-126 is gone.
			diff := float64(scores[j]) - float64(top)
			want := math.Exp2(diff)
			slack := (exp2Roundings-diff)*u*want + 1.3e-38
			near(t, fmt.Sprintf("weight %d of [%d, %d)", j, lo, hi), p[j], want, slack)
			sum += want
			bound += slack
		}
		near(t, fmt.Sprintf("sum of [%d, %d)", lo, hi), l, sum, bound+float64((n+15)/16+4)*u*sum)
	}
	p, stats := make([]float32, 64), make([]float32, 2)
	p[3] = float32(math.Copysign(0, -1))
	portable.Softmax(p, 64, 1, 1, 3, 4, stats, 2, nil)
	if math.Signbit(float64(stats[0])) {
		t.Error("the maximum of a negative zero is negative")
	}
}

func TestPortableElementwise(t *testing.T) {
	const n = 37
	r := rand.New(rand.NewPCG(13, 14))
	a, b, before := random(r, n), random(r, n), random(r, n)
	s, other := float32(r.NormFloat64()), float32(r.NormFloat64())
	for _, k := range []struct {
		name  string
		call  func(dst []float32)
		want  func(i int) float64
		bound func(i int, want float64) float64 // in roundings; nil for one of the result
	}{
		{
			"ExpDiff", func(dst []float32) { portable.ExpDiff(dst, a, s) },
			func(i int) float64 { return math.Exp(float64(s) - float64(a[i])) },
			func(i int, want float64) float64 { return (expRoundings + math.Abs(float64(s-a[i]))) * want },
		},
		{
			"Mul", func(dst []float32) { portable.Mul(dst, a, b) },
			func(i int) float64 { return float64(a[i]) * float64(b[i]) }, nil,
		},
		{
			"Scale", func(dst []float32) { portable.Scale(dst, a, s) },
			func(i int) float64 { return float64(a[i]) * float64(s) }, nil,
		},
		{
			"Merge", func(dst []float32) { portable.Merge(dst, a, s, other) },
			func(i int) float64 { return float64(before[i])*float64(s) + float64(a[i])*float64(other) },
			func(i int, want float64) float64 { return math.Abs(want) + math.Abs(float64(before[i])*float64(s)) },
		},
		{
			"Div", func(dst []float32) { portable.Div(dst, a, s) },
			func(i int) float64 { return float64(a[i]) / float64(s) }, nil,
		},
	} {
		dst := append([]float32(nil), before...)
		k.call(dst)
		for i := range dst {
			want := k.want(i)
			roundings := 1.01 * math.Abs(want) // of the rounded result, not of want
			if k.bound != nil {
				roundings = 1.01 * math.Abs(k.bound(i, want))
			}
			near(t, fmt.Sprintf("%s, element %d", k.name, i), dst[i], want, u*roundings)
		}
	}
}

// TestPortableMergeParts: each column, and l, is what both results give beside the greater maximum.
func TestPortableMergeParts(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	const size, rows = 48, 9
	o, x := random(r, rows*size), random(r, rows*size)
	merged := append([]float32(nil), o...)
	portable.MergeParts(merged, x, size)
	for row := range rows {
		o, x, merged := o[row*size:][:size], x[row*size:][:size], merged[row*size:][:size]
		const n = size - 16
		m := max(o[n], x[n])
		if merged[n] != m {
			t.Errorf("row %d: m is %v, want %v", row, merged[n], m)
		}
		a, b := math.Exp2(float64(o[n])-float64(m)), math.Exp2(float64(x[n])-float64(m))
		for i := range size {
			switch {
			case i < n || i == n+1:
				first, second := float64(o[i])*a, float64(x[i])*b
				bound := (exp2Roundings + 3 + math.Abs(float64(o[n]-x[n]))) * (math.Abs(first) + math.Abs(second))
				near(t, fmt.Sprintf("MergeParts, row %d, element %d", row, i), merged[i], first+second, 1.01*u*bound)
			case i > n+1 && merged[i] != o[i]:
				t.Errorf("row %d: padding %d changed", row, i)
			}
		}
	}
}

// TestDivZero: whatever the signs, a zero quotient is positive.
func TestDivZero(t *testing.T) {
	zero := float32(math.Copysign(0, -1))
	dst := make([]float32, 1)
	portable.Div(dst, []float32{zero}, 3)
	if math.Float32bits(dst[0]) != 0 {
		t.Errorf("-0/3 + 0 = %v, want +0", dst[0])
	}
}

func TestPortableRope(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, n := range []int{2, 8, 34} {
		x, cos, sin := random(r, n), random(r, n), random(r, n)
		interleaved, half := make([]float32, n), make([]float32, n)
		portable.RopeInterleaved(interleaved, n, x, n, cos, sin, n, n, 1)
		portable.RopeHalf(half, n, x, n, cos, sin, n, n, 1)
		for i := range n {
			check := func(what string, got float32, partner float32) {
				cross := float64(partner) * float64(sin[i])
				want := float64(x[i])*float64(cos[i]) + cross
				near(t, fmt.Sprintf("%s, element %d of %d", what, i, n), got, want, 1.01*u*(math.Abs(cross)+math.Abs(want)))
			}
			check("interleaved", interleaved[i], x[i^1])
			check("half", half[i], x[(i+n/2)%n])
		}
	}
}
