package kernel

// Linear layers: y[r][n] = Σ_i x[r][i] * m[n][i].
//
// In decode a worker owns a contiguous range of panels and reads it upward: the weights are one stream a
// worker, as fast as memory gives them. An output is one chain of
// FMA in ascending i, from +0, in a private tile that is reloaded between blocks over i; so it
// does not depend on the number of workers, on the blocks, or on the rows beside it. What follows
// (bias, sum, gate) is applied to the finished tile while it is in the nearest cache. A half of a quantized
// panel is a stream of its own, and its kernel asks memory for what it will read next, beyond the end of
// a call too: what follows is the next one's, since a call takes all rows.
//
//	           64
//	        ┌──────┐  block of k: stays in the L2 cache
//	        │panel │  while all row tiles pass over it
//	        ├──────┤
//	        │      │
//	   k    └──────┘
//	┌────┬──┬──────┐
//	│  x │  │ tile │  rows
//	└────┴──┴──────┘
const (
	oneRowK    = 4096     // what one call of a kernel reads for one row
	fewRows    = 32       // up to here tiles pass over weights so seldom that memory is the bottleneck
	nearBlock  = 16 << 10 // bytes of a panel, a third of the nearest cache
	farBlock   = 64 << 10
	blockRows  = 96        // rows in one call: 3.1 MFLOP in float32, 15 µs
	callSize   = 768 << 10 // rows times inputs of a quantized call: 50 million operations, 50 µs with VNNI
	tileRows   = 512       // rows of a private tile, or of several panels' tiles together: 128 KB
	rowBytes   = 1 << 20   // of weights in one call for a single row, if they are quantized: 25 to 50 µs
	rowPanels  = 32        // panels in such a call at the most
	cutRows    = 192       // from here on work is cut as Matrix.cut says, and quantized rows lie in parts
	cutPieces  = 4
	widePanels = 2  // of a unit of many rows and 8-bit weights
	askRows    = 48 // up to here the kernels that finish tiles ask for outputs in time
)

// LinearScratch is the scratch of the linear routines, in floats: a normed row, a quantized or rounded one,
// a tile, and unpacked weights.
func LinearScratch(k, rows int) int {
	return roundUp(k, line) + roundUp(max(QuantizedWidth(k), RoundedWidth(k)), line) + max(tileOf(rows), rowPanels)*PanelCols + QuantScratch/4
}

// tileOf is how many rows of a panel a worker's tile has for so many rows of a product.
func tileOf(rows int) int { return min(roundUp(rows, widePanels), tileRows) }

// Linear is dst = in·mᵀ + bias, dst m.N wide. bias may be nil.
func Linear(w *Worker, dst Rows, in Input, m *Matrix, bias []float32, rows int) {
	linear(w, dst, in, m, bias, rows, store)
}

// LinearAdd is dst = dst + (in·mᵀ + bias), dst m.N wide. bias may be nil.
func LinearAdd(w *Worker, dst Rows, in Input, m *Matrix, bias []float32, rows int) {
	linear(w, dst, in, m, bias, rows, add)
}

// LinearSwiGLU is dst = silu(in·gateᵀ) * (in·upᵀ) (Shazeer 2020, eq. 6, without biases). Each panel
// of m is 32 columns of gate, then the same 32 of up (see InterleaveSwiGLU); dst is m.N/2 wide.
func LinearSwiGLU(w *Worker, dst Rows, in Input, m *Matrix, rows int) {
	linear(w, dst, in, m, nil, rows, swiglu)
}

// An epilogue is what happens to a finished tile.
type epilogue uint8

const (
	store epilogue = iota
	add
	swiglu
)

func linear(w *Worker, dst Rows, in Input, m *Matrix, bias []float32, rows int, end epilogue) {
	free := pieces(w.Scratch)
	p := product{set: w.Set, dst: dst, bias: bias, end: end}
	p.x = in.enter(w, &free, m, rows)
	p.tile = free.take(max(tileOf(rows), rowPanels) * PanelCols)
	if m.quantized() {
		p.tmp = rawBytes(free.take(QuantScratch / 4))
	}
	if rows == 1 && m.quantized() {
		lo, hi := w.Share(m.panels())
		m.row(w.Set, dst, p.tile, &p.x.quantized, bias, lo, hi, end, p.tmp)
		return
	}
	cut := m.cut(rows, w.N)
	for i := range w.Every(cut.n(), rows) {
		p.multiply(m, cut.unit(i))
	}
}

// row multiplies a single row by panels [lo, hi) of a quantized matrix, several in one call, and finishes them.
func (m *Matrix) row(set Set, dst Rows, tile []float32, x *quantized, bias []float32, lo, hi int, end epilogue, tmp []byte) {
	step := min(max(1, rowBytes/m.panelBytes()), rowPanels)
	for p := lo; p < hi; p += step {
		n := min(step, hi-p)
		m.gemv(set, tile[:n*PanelCols], x, p, tmp)
		finishRow(set, dst, tile, x, m.N, bias, p, n, end)
	}
}

// finishRow is finish for n panels of one row from p on. Those that are whole lie in dst as they lie in the tile, so that to a
// kernel they are the rows of one.
func finishRow(set Set, dst Rows, tile []float32, x *quantized, cols int, bias []float32, p, n int, end epilogue) {
	whole := n
	if (p+n)*PanelCols > cols {
		whole--
	}
	switch {
	case end == swiglu:
		set.TileSwiGLU(dst.Data[p*swigluCols:], swigluCols, tile, x.scale[:1], 0, n)
		return
	case bias != nil:
		whole = 0
	case end == add:
		set.TileAdd(dst.Data[p*PanelCols:], PanelCols, tile, x.scale[:1], 0, nil, whole, PanelCols)
	default:
		set.TileStore(dst.Data[p*PanelCols:], PanelCols, tile, x.scale[:1], 0, nil, whole, PanelCols)
	}
	for i := whole; i < n; i++ {
		finish(set, dst, tile[i*PanelCols:], x, cols, bias, p+i, 0, 1, end)
	}
}

// A product is a linear layer of several rows, all but its matrix, and what a worker needs for its units.
type product struct {
	set  Set
	dst  Rows
	x    factor
	bias []float32
	end  epilogue
	tile []float32 // [panels of a unit][its rows][64]
	tmp  []byte    // as gemm wants it
}

// multiply computes a unit. Each block over k is done for all its panels before the next one.
//
// A product is passed by reference: a copy made here would be read, before it is in the cache, in larger pieces than it was
// written in, which waits for all stores before it, those of the panel before to memory among them.
func (p *product) multiply(m *Matrix, u unit) {
	dst := p.dst.From(u.first)
	step, height, parts := m.step(u.rows), blockRows, 1
	if p.x.quantized.rows > 0 {
		step = p.x.quantized.step
	}
	if m.quantized() { // a half is a stream, and its kernel reads it once for all the rows of a call
		height, parts = u.rows, PanelCols/halfCols
	}
	for from := 0; from < m.K; from += step {
		to := min(from+step, m.K)
		for i := range u.panels {
			tile := p.tile[i*u.rows*PanelCols:]
			for part := range parts {
				var next Rows
				if to == m.K && u.rows > askRows {
					next = m.outputs(dst, u.panel+i, part, p.end)
				}
				for r := 0; r < u.rows; r += height {
					m.gemm(p.set, tile[r*PanelCols:], &p.x, u.first+r, u.panel+i, part, from, to, min(height, u.rows-r), next, p.tmp)
				}
			}
			if to == m.K {
				finish(p.set, dst, tile, &p.x.quantized, m.N, p.bias, u.panel+i, u.first, u.rows, p.end)
			}
		}
	}
}

// step is how many inputs a block over k has. One row reads its panel once. Quantized halves are read once a
// call, which takes as many inputs as it may: while a kernel runs, a collection of garbage waits for it. Where that is
// not all, blocks of activations are small enough to stay in the L2 cache for the second half. Few
// rows take blocks that stay in the nearest cache while tiles pass over them, as the kernels fetch the next
// block meanwhile; for more rows memory has time enough, and larger blocks mean that outputs are reloaded
// less often.
func (m *Matrix) step(rows int) int {
	size := 4 * PanelCols // bytes of an input
	if m.BF16 != nil {
		size = 2 * PanelCols
	}
	switch {
	case m.quantized():
		calls := 1
		if m.K*rows > callSize {
			calls = (m.K*rows + callSize/2 - 1) / (callSize / 2)
		}
		return roundUp((m.K+calls-1)/calls, Q8Block)
	case rows == 1:
		return oneRowK
	case rows <= fewRows:
		return nearBlock / size
	}
	return farBlock / size
}

// part is how many inputs of quantized rows lie together: of many rows those that a call takes, so that its tiles read
// contiguous memory, which the processor fetches by itself.
func (m *Matrix) part(rows int) int {
	if rows < cutRows {
		return m.K
	}
	return m.step(min(rows, tileRows))
}

// outputs are what a half of panel p will be brought to: nothing if that is where the other half goes.
func (m *Matrix) outputs(dst Rows, p, half int, end epilogue) Rows {
	col := p*PanelCols + half*halfCols
	switch {
	case end == swiglu && half == 0, end != swiglu && col >= m.N:
		return Rows{}
	case end == swiglu:
		col = p * swigluCols
	}
	return dst.Cols(col)
}

// finish brings a tile, the outputs of panel p for the rows of x from row first on, to the first rows of dst, n wide. Where
// x was quantized, its rows' scales are what the products still lack.
func finish(set Set, dst Rows, tile []float32, x *quantized, n int, bias []float32, p, first, rows int, end epilogue) {
	scale := []float32(nil)
	if x.each > 0 {
		scale = x.scale[first*x.stride:]
	}
	if end == swiglu {
		set.TileSwiGLU(dst.Data[p*swigluCols:], dst.Stride, tile, scale, x.stride, rows)
		return
	}
	col := p * PanelCols
	n = min(PanelCols, n-col)
	if bias != nil {
		bias = bias[col : col+n]
	}
	if end == add {
		set.TileAdd(dst.Data[col:], dst.Stride, tile, scale, x.stride, bias, rows, n)
		return
	}
	set.TileStore(dst.Data[col:], dst.Stride, tile, scale, x.stride, bias, rows, n)
}
