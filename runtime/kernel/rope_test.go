package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestRopeFreqs(t *testing.T) {
	for _, c := range []struct {
		dim        int
		freq       string
		last, step float64 // the last frequency, and each one's ratio to the one before
	}{
		{8, "fla", math.Pow(10000, -0.75), math.Pow(10000, -0.25)},
		{8, "yoco", 1e-4, math.Pow(10000, -1.0/3)},
		{2, "yoco", 1, 1},
	} {
		f := NewRope(c.dim, 10000, c.freq, false).Freqs
		if len(f) != c.dim/2 || f[0] != 1 || math.Abs(f[len(f)-1]/c.last-1) > 1e-14 {
			t.Errorf("%s: frequencies %v", c.freq, f)
		}
		for i := 1; i < len(f); i++ {
			if math.Abs(f[i]/f[i-1]/c.step-1) > 1e-14 {
				t.Errorf("%s: frequencies %v", c.freq, f)
			}
		}
	}
}

func TestRotate(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	const rows = 9
	for _, half := range []bool{false, true} {
		for _, dim := range []int{2, 6, 16, 24, 80} {
			for _, pos := range []int{0, 63, 1_000_000} {
				r := NewRope(dim, 10000, "yoco", half)
				x, y := floats(rng, dim), make([]float32, dim)
				one := Phases{blank(rows, dim), blank(rows, dim)}
				team(1, 0, func(w *Worker) { Rotate(w, one, r, pos, rows) })
				for _, workers := range []int{2, 3, 7} {
					ph := Phases{blank(rows, dim), blank(rows, dim)}
					team(workers, 0, func(w *Worker) { Rotate(w, ph, r, pos, rows) })
					same(t, "cos", ph.Cos.Data, one.Cos.Data)
					same(t, "sin", ph.Sin.Data, one.Sin.Data)
				}
				for row := range rows {
					r.apply(Portable{}, y, x, one, row)
					for i, want := range r.rotated(x, pos+row) {
						pair := i ^ 1
						if half {
							pair = (i + dim/2) % dim
						}
						// Each term has a rounded phase and product, the sum is at most both.
						bound := 3 * ulp * (math.Abs(float64(x[i])) + math.Abs(float64(x[pair])))
						close64(t, "rotated", y[i], want, bound)
					}
				}
			}
		}
	}
}
