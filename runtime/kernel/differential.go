package kernel

// Differential attention (Ye et al. 2024, arXiv 2410.05258). Heads are paired by neighbours: query heads
// 2i and 2i+1 attend with key heads 2g and 2g+1 to the values of both, which lie side by side:
//
//	P1 = softmax(q_2i k_2gᵀ)   P2 = softmax(q_2i+1 k_2g+1ᵀ)
//	o_i = (P1 - λ P2) [v_2g v_2g+1];   y_i = rmsnorm(o_i) ∘ gain · (1 - λinit)
//
// It is attention to a cache of KVHeads/2 heads, each twice as wide: queries are zero where the other key of
// the pair lies (Stripe), and Differ takes the difference of two heads' results.

// A StripeSpec describes Heads vectors of Dim elements, each to be put at one of Places in a longer one.
type StripeSpec struct{ Heads, Dim, Places int }

// Stripe puts vector h at place h mod Places of [Places*Dim], zeros elsewhere: x is [Heads*Dim] a row, dst
// [Heads*Places*Dim]. Workers share vectors.
func Stripe(w *Worker, s *StripeSpec, dst, x Rows, rows int) {
	n := s.Places * s.Dim
	lo, hi := w.Share(rows * s.Heads)
	for u := lo; u < hi; u++ {
		r, h := u/s.Heads, u%s.Heads
		out := dst.Row(r, (h+1)*n)[h*n:]
		clear(out)
		copy(out[h%s.Places*s.Dim:], x.Row(r, (h+1)*s.Dim)[h*s.Dim:])
	}
}

// A DifferSpec describes the difference of pairs of heads, each Dim wide, Heads of them before. Eps is that
// of the norm.
type DifferSpec struct {
	Heads, Dim int
	Eps        float32
}

// Lambda is exp(q1·k1) - exp(q2·k2) + init, and init = 0.8 - 0.6 exp(-0.3 depth) for a layer with depth layers
// below it: in float64 with every product converted, so that it is the same on every machine.
func Lambda(q1, k1, q2, k2 []float32, depth int) (lambda, init float64) {
	dot := func(a, b []float32) float64 {
		s := 0.0
		for i, x := range a {
			s += float64(float64(x) * float64(b[i]))
		}
		return s
	}
	init = 0.8 - float64(0.6*exp64(-0.3*float64(depth)))
	return expOf(dot(q1, k1)) - expOf(dot(q2, k2)) + init, init
}

// expOf is e^x for any x.
func expOf(x float64) float64 {
	switch {
	case x != x:
		return x
	case x > 0:
		return 1 / exp64(-x)
	}
	return exp64(x)
}

// Differ writes, for every pair of neighbouring heads of x, [Heads*Dim] a row, the difference
// x_2i - λ x_2i+1, normed and multiplied by gain and 1 - λinit, to dst, [Heads/2*Dim] a row. The four vectors make λ
// (see Lambda). Workers share pairs.
func Differ(w *Worker, s *DifferSpec, dst, x Rows, q1, k1, q2, k2, gain []float32, depth, rows int) {
	lambda, init := Lambda(q1, k1, q2, k2, depth)
	pairs := s.Heads / 2
	lo, hi := w.Share(rows * pairs)
	for u := lo; u < hi; u++ {
		r, at := u/pairs, u%pairs*s.Dim
		in, out := x.Row(r, 2*at+2*s.Dim)[2*at:], dst.Row(r, at+s.Dim)[at:]
		copy(out, in[:s.Dim])
		w.Set.Merge(out, in[s.Dim:], 1, float32(-lambda))
		w.Set.RMSNorm(out, out, gain[:s.Dim], s.Eps)
		w.Set.Scale(out, out, float32(1-init))
	}
}
