package kernel_test

import (
	"flag"
	"math"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

var exhaustive = flag.Bool("exhaustive", false, "test functions of one float32 on all of them")

// sweep calls check for the float32 from lo to hi > lo > 0 and their negatives: every one if
// exhaustive, else one in a thousand and both ends.
func sweep(lo, hi float32, check func(x float32)) {
	stride := uint32(1009)
	if *exhaustive {
		stride = 1
	}
	last := math.Float32bits(hi)
	for b := math.Float32bits(lo); b < last; b += stride {
		check(math.Float32frombits(b))
		check(-math.Float32frombits(b))
	}
	check(hi)
	check(-hi)
}

// ulps is the distance of got from want in units of the last place of want, for normal numbers.
func ulps(got float32, want float64) float64 {
	_, exp := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(exp-24, -149))
}

func TestExp(t *testing.T) {
	worst, at := 0.0, float32(0)
	sweep(1e-9, 88, func(x float32) {
		got := kernel.Exp(x)
		if x < -87.3 {
			if got != 0 {
				t.Fatalf("Exp(%v) = %v, want 0", x, got)
			}
			return
		}
		if e := ulps(got, math.Exp(float64(x))); e > worst {
			worst, at = e, x
		}
	})
	t.Logf("worst error %.3f ulp, at %v", worst, at)
	if worst > 1.2 {
		t.Errorf("Exp(%v) is %.3f ulp off, want at most 1.2", at, worst)
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct{ x, want float32 }{
		{0, 1},
		{float32(math.Copysign(0, -1)), 1},
		{1e-30, 1},
		{-1e30, 0},
		{-inf, 0},
		{math.Nextafter32(-87.3, -100), 0},
		{89, kernel.Exp(88)},
		{inf, kernel.Exp(88)},
	} {
		if got := kernel.Exp(c.x); got != c.want {
			t.Errorf("Exp(%v) = %v, want %v", c.x, got, c.want)
		}
	}
	if got := kernel.Exp(-87.3); got < 0x1p-126 {
		t.Errorf("Exp(-87.3) = %v is below the normal range", got)
	}
	if got := kernel.Exp(float32(math.NaN())); got == got {
		t.Errorf("Exp of no number is %v", got)
	}
}

func TestExp2(t *testing.T) {
	worst, at := 0.0, float32(0)
	sweep(1e-9, 127, func(x float32) {
		if x > 0 {
			return
		}
		got := kernel.Exp2(x)
		if x < -126 {
			if got != 0 {
				t.Fatalf("Exp2(%v) = %v, want 0", x, got)
			}
			return
		}
		if e := ulps(got, math.Exp2(float64(x))); e > worst {
			worst, at = e, x
		}
	})
	t.Logf("worst error %.3f ulp, at %v", worst, at)
	if worst > 2 {
		t.Errorf("Exp2(%v) is %.3f ulp off, want at most 2", at, worst)
	}
	for _, c := range []struct{ x, want float32 }{
		{0, 1},
		{float32(math.Copysign(0, -1)), 1},
		{-1, 0.5},
		{-126, 0x1p-126},
		{math.Nextafter32(-126, -127), 0},
		{float32(math.Inf(-1)), 0},
	} {
		if got := kernel.Exp2(c.x); got != c.want {
			t.Errorf("Exp2(%v) = %v, want %v", c.x, got, c.want)
		}
	}
	if got := kernel.Exp2(math.Nextafter32(-126, 0)); got < 0x1p-126 {
		t.Errorf("Exp2 above -126 is %v, below the normal range", got)
	}
	if got := kernel.Exp2(float32(math.NaN())); got == got {
		t.Errorf("Exp2 of no number is %v", got)
	}
}

func TestLogSigmoid(t *testing.T) {
	worst, at := 0.0, float32(0)
	sweep(1e-9, 86, func(x float32) { // above, results leave the normal range
		want := math.Min(float64(x), 0) - math.Log1p(math.Exp(-math.Abs(float64(x))))
		if e := ulps(kernel.LogSigmoid(x), want); e > worst {
			worst, at = e, x
		}
	})
	if worst > 0.501 {
		t.Errorf("LogSigmoid(%v) is %.4f ulp off, want at most 0.501", at, worst)
	}
	for _, c := range []struct{ x, want float32 }{
		{0, -math.Ln2},
		{1e30, 0},
		{-1e30, -1e30},
		{-1000, -1000},
	} {
		if got := kernel.LogSigmoid(c.x); got != c.want {
			t.Errorf("LogSigmoid(%v) = %v, want %v", c.x, got, c.want)
		}
	}
}
