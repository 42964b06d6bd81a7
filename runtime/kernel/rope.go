package kernel

import "math"

// Rotary position embedding (Su et al. 2021, section 3.2): pair i of a head is rotated by the angle
// pos*f_i. The pairs are (x[2i], x[2i+1]), or (x[i], x[i+Dim/2]) if Half. The angle and its sine
// and cosine are float64, so that a position of a million is as exact as the first.
type Rope struct {
	Dim   int
	Freqs []float64 // f_i, Dim/2 of them
	Half  bool
}

// NewRope returns the rotation of heads of dim elements. freq is how f_i falls with i < n = dim/2:
// "fla": theta^(-i/n); "yoco": theta^(-i/(n-1)), both ends included.
func NewRope(dim int, theta float64, freq string, half bool) *Rope {
	n := dim / 2
	r := &Rope{Dim: dim, Freqs: make([]float64, n), Half: half}
	for i := range r.Freqs {
		switch freq {
		case "fla":
			r.Freqs[i] = math.Pow(theta, -float64(i)/float64(n))
		case "yoco":
			r.Freqs[i] = math.Pow(theta, -float64(i)/float64(max(n-1, 1)))
		default:
			panic("BUG: rope frequencies " + freq)
		}
	}
	return r
}

// Phases are the rotations of a chunk's positions, one a row, Dim wide, as the Rope kernels of a
// Set want them: the cosine twice, and the sine with the sign of its term.
//
//	            0      1      2      3    …                 0      1    …   n     n+1   …
//	Cos      cos p0 cos p0 cos p1 cos p1  …     Half:    cos p0 cos p1  … cos p0 cos p1  …
//	Sin     -sin p0 sin p0-sin p1 sin p1  …             -sin p0-sin p1  … sin p0 sin p1  …
type Phases struct{ Cos, Sin Rows }

// Rotate fills the phases of positions pos … pos+rows-1. Workers split the rows.
func Rotate(w *Worker, ph Phases, r *Rope, pos, rows int) {
	lo, hi := w.Share(rows)
	for row := lo; row < hi; row++ {
		cos, sin := ph.Cos.Row(row, r.Dim), ph.Sin.Row(row, r.Dim)
		for i, f := range r.Freqs {
			s, c := math.Sincos(float64(pos+row) * f)
			a, b := 2*i, 2*i+1
			if r.Half {
				a, b = i, i+len(r.Freqs)
			}
			cos[a], sin[a] = float32(c), float32(-s)
			cos[b], sin[b] = float32(c), float32(s)
		}
	}
}

// apply writes head x, rotated by row's phases, to dst, which does not overlap x. A nil r copies.
func (r *Rope) apply(set Set, dst, x []float32, ph Phases, row int) {
	if r == nil {
		copy(dst, x)
		return
	}
	r.rotate(set, dst, len(x), Rows{x, len(x)}, ph.From(row), len(x), 1)
}

// applyHeads is apply for all heads of n elements that x holds. They are ldd apart in dst.
func (r *Rope) applyHeads(set Set, dst []float32, ldd int, x []float32, ph Phases, row, n int) {
	heads := len(x) / n
	if r == nil {
		for h := range heads {
			copy(dst[h*ldd:][:n], x[h*n:])
		}
		return
	}
	ph = ph.From(row)
	ph.Cos.Stride = 0 // all heads are turned alike
	r.rotate(set, dst, ldd, Rows{x, n}, ph, n, heads)
}

// applyRows is apply for a head of n elements of so many rows, a block's at most, each argument's from its
// first on. dst is [rows][n].
func (r *Rope) applyRows(set Set, dst []float32, x Rows, ph Phases, n, rows int) {
	if r == nil {
		copyRows(set, dst, n, x, n, rows)
		return
	}
	r.rotate(set, dst, n, x, ph, n, rows)
}

func (r *Rope) rotate(set Set, dst []float32, ldd int, x Rows, ph Phases, n, rows int) {
	if r.Half {
		set.RopeHalf(dst, ldd, x.Data, x.Stride, ph.Cos.Data, ph.Sin.Data, ph.Cos.Stride, n, rows)
	} else {
		set.RopeInterleaved(dst, ldd, x.Data, x.Stride, ph.Cos.Data, ph.Sin.Data, ph.Cos.Stride, n, rows)
	}
}
