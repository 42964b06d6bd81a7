package kernel

// NormRows is the layer norm of every row (Ba et al. 2016, eq. 4):
//
//	dst = (x - mean(x)) / sqrt(mean((x - mean(x))²) + eps) ∘ gain + shift
//
// dst and x are len(gain) wide. Workers share rows.
func NormRows(w *Worker, dst, x Rows, gain, shift []float32, eps float32, rows int) {
	n := len(gain)
	lo, hi := w.Share(rows)
	for r := lo; r < hi; r++ {
		w.Set.LayerNorm(dst.Row(r, n), x.Row(r, n), gain, shift, eps)
	}
}

// LayerNorm implements Set.
func (Portable) LayerNorm(dst, x, gain, shift []float32, eps float32) {
	n := float32(len(x))
	var sum, squares lanes
	for i, v := range x {
		sum[i%16] += v
	}
	mean := sum.total() / n
	for i, v := range x {
		d := v - mean
		squares[i%16] = FMA(d, d, squares[i%16])
	}
	inv := 1 / sqrt(squares.total()/n+eps)
	for i, v := range x {
		dst[i] = FMA(float32((v-mean)*inv), gain[i], shift[i])
	}
}
