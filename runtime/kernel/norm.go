package kernel

// Input is what enters a matrix product: rows of activations, or their RMS norm
//
//	X / sqrt(mean(X²) + Eps) * Gain                       (Zhang and Sennrich 2019, eq. 4)
//
// if Eps is positive. Gain may be nil; Tmp is as wide as X and holds the normed rows of a chunk.
type Input struct {
	X    Rows
	Gain []float32
	Eps  float32
	Tmp  Rows
}

// Plain is the input x as it is.
func Plain(x Rows) Input { return Input{X: x} }

// Normed is the input x after an RMS norm. With more than one row the workers write tmp: nobody
// may still read it, say for another product, when the routine starts.
func Normed(x Rows, gain []float32, eps float32, tmp Rows) Input {
	return Input{X: x, Gain: gain, Eps: eps, Tmp: tmp}
}

// enter returns the rows to multiply, n wide. A single row is normed by every worker for itself,
// which is cheaper than to wait for one that does it; with more rows each worker norms its share,
// and all wait.
func (in *Input) enter(w *Worker, free *pieces, n, rows int) Rows {
	switch {
	case in.Eps <= 0:
		return in.X
	case rows == 1:
		x := Rows{free.take(n), n}
		w.Set.RMSNorm(x.Data, in.X.Row(0, n), in.Gain, in.Eps)
		return x
	}
	lo, hi := w.Share(rows)
	for r := lo; r < hi; r++ {
		w.Set.RMSNorm(in.Tmp.Row(r, n), in.X.Row(r, n), in.Gain, in.Eps)
	}
	w.Sync()
	return in.Tmp
}
