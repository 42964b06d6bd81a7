package kernel

// NormHeads writes the RMS norm of every head of x, of dim elements each and with the same gain, to dst.
// Workers share the heads of all rows.
func NormHeads(w *Worker, dst, x Rows, gain []float32, heads, dim int, eps float32, rows int) {
	lo, hi := w.Share(rows * heads)
	for i := lo; i < hi; i++ {
		r, at := i/heads, i%heads*dim
		w.Set.RMSNorm(dst.Row(r, heads*dim)[at:][:dim], x.Row(r, heads*dim)[at:][:dim], gain[:dim], eps)
	}
}
