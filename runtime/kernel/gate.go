package kernel

// Gate is dst = silu(g) ∘ x for every row, n wide. dst may be g or x. Workers share the columns of few rows, and the
// rows of many.
func Gate(w *Worker, dst, g, x Rows, n, rows int) {
	lo, hi, first, last := 0, n, 0, rows
	if rows < 2*w.N {
		lo, hi = w.Share((n + line - 1) / line)
		lo, hi = lo*line, min(hi*line, n)
	} else {
		first, last = w.Share(rows)
	}
	for r := first; r < last; r++ {
		w.Set.SwiGLU(dst.Row(r, hi)[lo:], g.Row(r, hi)[lo:], x.Row(r, hi)[lo:])
	}
}

// SwiGLU implements Set.
func (Portable) SwiGLU(dst, g, x []float32) {
	for i := range dst {
		dst[i] = silu(g[i]) * x[i]
	}
}
