package kernel

// Values, which weights p of tokens multiply, are kept in panels of 64 tokens: columns are the
// elements of a head, padded with zeros to a multiple of 16 and cut into panels of width 64, then
// 32, then 16, for 112:
//
//	0         64   96 112
//	┌─────────┬────┬──┐
//	│    0    │ 1  │2 │ 64 tokens, or the Dim rows of a retention matrix
//	└─────────┴────┴──┘ a panel's rows lie one behind the other, the next panel follows

// blockTokens is the number of tokens of a retention block and of a cache block: the width of a
// panel, since keys are the columns of the matrix that queries multiply.
const blockTokens = PanelCols

// valueCols is the padded number of value columns.
func valueCols(dim int) int { return roundUp(dim, line) }

// panelWidth is the width of the next panel when so many columns are left, a multiple of 16.
func panelWidth(left int) int {
	switch {
	case left >= 64:
		return 64
	case left >= 32:
		return 32
	}
	return 16
}

// panelOf returns the first column and the width of the panel that holds column f of cols.
func panelOf(f, cols int) (c, width int) {
	for width = panelWidth(cols); c+width <= f; width = panelWidth(cols - c) {
		c += width
	}
	return c, width
}

// ones scale rows that are to stay as they are.
var ones = func() (x [blockTokens]float32) {
	for i := range x {
		x[i] = 1
	}
	return x
}()

// copyRows writes n elements of rows of x, a block's at most, to dst, ldd apart.
func copyRows(set Set, dst []float32, ldd int, x Rows, n, rows int) {
	set.ScaleRows(dst, ldd, x.Data, x.Stride, ones[:rows], n, rows)
}

// putValues writes x as row j of value panels, [panels][64][width], of cols columns in all.
func putValues(v, x []float32, j, cols int) {
	for c, width := 0, 0; c < len(x); c += width {
		width = panelWidth(cols - c)
		copy(v[c*blockTokens+j*width:][:width], x[c:])
	}
}

// someRows is how many rows of a block are multiplied by its values at once: as many tokens as the last of
// them sees, so that fewer rows leave out more, and two of a kernel's tiles.
const someRows = 12

// addSeen adds p, rows of weights of a block's tokens, times the values that each row sees to rows of dst, ldd apart: row j sees
// the tokens up to i+j. p is zero behind them, but zero times what is not finite is no zero: then rows come one by one. tmp
// is [width].
func addSeen(set Set, tmp, dst []float32, ldd int, p, panel []float32, width, i, rows int) {
	most := 1
	if rows > 1 {
		set.GemmF32(tmp, width, noWeights[:], 0, panel[(i+1)*width:], width, rows-1, 1, false)
		if zero(tmp[:width]) {
			most = someRows
		}
	}
	for j, n := 0, 0; j < rows; j += n {
		n = min(most, rows-j)
		set.GemmF32(dst[j*ldd:], ldd, p[j*blockTokens:], blockTokens, panel, width, i+j+n, n, true)
	}
}

// noWeights times values are zeros if all of them are finite: a matrix kernel finds out at the cost of a row.
var noWeights [blockTokens]float32

// zero reports whether floats are positive zeros.
func zero(x []float32) bool {
	all := int32(0)
	for _, bits := range wordsOf(x) {
		all |= bits
	}
	return all == 0
}

// appendFolded appends a head's matrix [dim valueDim] of a boundary with the tokens of the open block folded in,
// before·S + Σ decay[j]·k_j·v_jᵀ, in float64 and in the order of tokens. k is [dim][blockTokens]; s and v are panels.
func appendFolded(out, s, k, v []float32, dim, valueDim int, decay []float64, before float64) []float32 {
	for e := range dim {
		for c, left := 0, valueCols(valueDim); left > 0; {
			var sums [PanelCols]float64
			width := panelWidth(left)
			row := sums[:min(width, valueDim-c)]
			for f := range row {
				row[f] = before * float64(s[c*dim+e*width+f])
			}
			for j, d := range decay {
				d *= float64(k[e*blockTokens+j])
				for f, x := range v[c*blockTokens+j*width:][:len(row)] {
					row[f] += d * float64(x)
				}
			}
			for _, x := range row {
				out = append(out, float32(x))
			}
			c, left = c+width, left-width
		}
	}
	return out
}
