package kernel

// From returns the rows from row first on.
func (x Rows) From(first int) Rows { return Rows{x.Data[first*x.Stride:], x.Stride} }

// From returns the phases from row first on.
func (x Phases) From(first int) Phases { return Phases{x.Cos.From(first), x.Sin.From(first)} }

// FirstRow copies row from of x, n wide, to row 0, where the stages that need one row expect it.
// The first worker does it; the others must not read it before they have met.
func FirstRow(w *Worker, x Rows, from, n int) {
	if w.ID == 0 && from > 0 {
		copy(x.Row(0, n), x.Row(from, n))
	}
}
