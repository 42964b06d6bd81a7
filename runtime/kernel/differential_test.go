package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestDiffer holds stripes, lambdas and differences to their formulas, with any number of workers.
func TestDiffer(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 51))
	const rows, heads, dim, depth = 5, 6, 10, 3
	x := random(rng, rows, heads*dim)
	wide := blank(rows, heads*dim*2)
	stripe := StripeSpec{Heads: heads, Dim: dim, Places: 2}
	team(3, 0, func(w *Worker) { Stripe(w, &stripe, wide, x, rows) })
	for r := range rows {
		for i, got := range wide.Row(r, heads*dim*2) {
			h, place, want := i/(2*dim), i/dim%2, float32(0)
			if place == h%2 {
				want = x.Row(r, heads*dim)[h*dim+i%dim]
			}
			if got != want {
				t.Fatalf("row %d, element %d is %v, want %v", r, i, got, want)
			}
		}
	}

	spec := DifferSpec{Heads: heads, Dim: dim, Eps: 1e-3}
	var vs [4][]float32
	for i := range vs {
		vs[i] = floats(rng, 7)
	}
	gain := floats(rng, dim)
	dot := func(a, b []float32) (s float64) {
		for i := range a {
			s += float64(a[i]) * float64(b[i])
		}
		return s
	}
	init := 0.8 - 0.6*math.Exp(-0.3*depth)
	lambda := math.Exp(dot(vs[0], vs[1])) - math.Exp(dot(vs[2], vs[3])) + init
	if l, i := Lambda(vs[0], vs[1], vs[2], vs[3], depth); math.Abs(l-lambda) > 1e-14*(math.Abs(lambda)+10) || math.Abs(i-init) > 1e-15 {
		t.Errorf("lambda is %v from %v, want %v from %v", l, i, lambda, init)
	}
	dst := blank(rows, heads/2*dim)
	for _, workers := range []int{1, 2, 5} {
		again := blank(rows, heads/2*dim)
		team(workers, 0, func(w *Worker) {
			Differ(w, &spec, again, x, vs[0], vs[1], vs[2], vs[3], gain, depth, rows)
		})
		if workers == 1 {
			dst = again
		}
		same(t, fmt.Sprintf("%d workers", workers), again.Data, dst.Data)
	}
	for r := range rows {
		for p := range heads / 2 {
			in := x.Row(r, heads*dim)[2*p*dim:]
			o, sum := make([]float64, dim), 0.0
			for c := range o {
				o[c] = float64(in[c]) - lambda*float64(in[dim+c])
				sum += o[c] * o[c]
			}
			for c, got := range dst.Row(r, heads/2*dim)[p*dim:][:dim] {
				scale := float64(gain[c]) * (1 - init) / math.Sqrt(sum/dim+1e-3)
				bound := ulp * math.Abs(scale) * (float64(2*math.Abs(lambda*float64(in[dim+c]))) + 12*math.Abs(o[c]))
				bound += ulp * 4 * math.Abs(o[c]*scale) * (1 + math.Abs(lambda)) // the norm's own error
				close64(t, fmt.Sprintf("row %d, pair %d, element %d", r, p, c), got, o[c]*scale, bound+1e-30)
			}
		}
	}
}

// TestNormRows and gates: any number of workers, against float64.
func TestNormRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(52, 52))
	for _, n := range []int{1, 15, 16, 100, 300} {
		const rows = 7
		x, g, gain, shift := random(rng, rows, n), random(rng, rows, n), floats(rng, n), floats(rng, n)
		var normed, gated Rows
		for _, workers := range []int{1, 2, 5} {
			a, b := blank(rows, n), blank(rows, n)
			team(workers, 0, func(w *Worker) {
				NormRows(w, a, x, gain, shift, 1e-5, rows)
				Gate(w, b, g, x, n, rows)
			})
			if workers == 1 {
				normed, gated = a, b
			}
			same(t, fmt.Sprintf("norm, %d workers", workers), a.Data, normed.Data)
			same(t, fmt.Sprintf("gate, %d workers", workers), b.Data, gated.Data)
		}
		for r := range rows {
			mean, square, most := 0.0, 0.0, 0.0
			for _, v := range x.Row(r, n) {
				mean += float64(v) / float64(n)
				most = max(most, math.Abs(float64(v)))
			}
			for _, v := range x.Row(r, n) {
				square += (float64(v) - mean) * (float64(v) - mean) / float64(n)
			}
			inv := 1 / math.Sqrt(square+1e-5)
			for c, v := range x.Row(r, n) {
				roundings := float64(n/16+8) * ulp // of the mean, and half of the variance's
				z := (float64(v) - mean) * inv
				bound := roundings*most*inv*(1+math.Abs(z)) + (roundings+4*ulp)*math.Abs(z)
				bound = bound*math.Abs(float64(gain[c])) + ulp*math.Abs(z*float64(gain[c])+float64(shift[c]))
				close64(t, fmt.Sprintf("norm of %d, row %d, element %d", n, r, c), normed.Row(r, n)[c], z*float64(gain[c])+float64(shift[c]), bound)
				gate := float64(g.Row(r, n)[c])
				want := gate / (1 + math.Exp(-gate)) * float64(v)
				close64(t, fmt.Sprintf("gate of %d, row %d, element %d", n, r, c), gated.Row(r, n)[c], want, 8*ulp*math.Abs(want))
			}
		}
	}
}
