package kernel

// Input is what enters a matrix product: rows of activations, or their RMS norm
//
//	X / sqrt(mean(X²) + Eps) * Gain                       (Zhang and Sennrich 2019, eq. 4)
//
// if Eps is positive. Gain may be nil. Tmp holds the rows of a chunk as they are multiplied, if they are
// not X itself: the normed rows, the quantized ones (QuantizedWidth wide) for a quantized matrix, or the
// rounded ones (RoundedWidth wide) for a matrix that rounds.
type Input struct {
	X    Rows
	Gain []float32
	Eps  float32
	Tmp  Rows
}

// Plain is the input x as it is.
func Plain(x Rows) Input { return Input{X: x} }

// Quantized is the input x as it is, for a quantized matrix or one that rounds. What Normed says of tmp
// holds.
func Quantized(x, tmp Rows) Input { return Input{X: x, Tmp: tmp} }

// Normed is the input x after an RMS norm. With more than one row the workers write tmp: nobody
// may still read it, say for another product, when the routine starts.
func Normed(x Rows, gain []float32, eps float32, tmp Rows) Input {
	return Input{X: x, Gain: gain, Eps: eps, Tmp: tmp}
}

// A factor is the left side of a matrix product, as the kernel of the matrix's format reads it.
type factor struct {
	Rows      // for float32 and bfloat16 weights
	rounded   // for bfloat16 weights that multiply bfloat16
	quantized // for quantized ones
}

// convert makes x row r of what a kernel reads. tmp is as quantize wants it.
func (f *factor) convert(set Set, r int, x, tmp []float32) {
	if f.each > 0 {
		f.quantized.quantize(set, r, x, tmp)
		return
	}
	f.rounded.narrowRow(set, r, x)
}

// enter returns the rows to multiply by m. A single row is normed, and quantized or rounded, by every worker
// for itself, which is cheaper than to wait for one that does it; with more rows each worker does its
// share, and all wait.
func (in *Input) enter(w *Worker, free *pieces, m *Matrix, rows int) factor {
	width := m.inputWidth()
	if in.Eps <= 0 && width == 0 {
		return factor{Rows: in.X}
	}
	n, lo, hi, to := m.K, 0, 1, in.Tmp
	if rows > 1 {
		lo, hi = w.Share(rows)
	} else {
		size := width
		if size == 0 {
			size = n
		}
		to = Rows{free.take(size), roundUp(size, line)}
	}
	var x factor
	var row, tmp []float32
	switch {
	case width == 0:
		x.Rows = to
	case m.quantized():
		each := 1
		if m.Q4 != nil {
			each = q4Sums
		}
		x.quantized = viewQuantized(to, rows, n, each, m.part(rows))
		row = free.take(n)
		if x.quantized.rows > 0 {
			tmp = free.take(width)
		}
	default:
		x.rounded = viewRounded(to, n)
		row = free.take(n)
	}
	for r := lo; r < hi; r++ {
		from := in.X.Row(r, n)
		if width == 0 {
			w.Set.RMSNorm(to.Row(r, n), from, in.Gain, in.Eps)
			continue
		}
		if in.Eps > 0 {
			w.Set.RMSNorm(row, from, in.Gain, in.Eps)
			from = row
		}
		x.convert(w.Set, r, from, tmp)
	}
	if rows > 1 {
		w.Sync()
	}
	return x
}

// inputWidth is how many floats hold a row of activations in the format that the matrix multiplies, 0
// if that is float32.
func (m *Matrix) inputWidth() int {
	switch {
	case m.quantized():
		return QuantizedWidth(m.K)
	case m.rounds():
		return RoundedWidth(m.K)
	}
	return 0
}
