package pack

import (
	"fmt"
	"math"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/runtime/kernel"
)

// A block is a piece of the weight file that is made on its own: a panel of a matrix, rows of a
// table, or a vector.
type block struct {
	tensor plan.Tensor
	layer  int // of the checkpoint; -1 if no layer repeats the weight
	from   int // first column of the panel, first row of the table
	rows   int // rows of the table
}

// tableElems is about how many elements of a table make a block.
const tableElems = 1 << 18

// blocks yields the blocks of a tensor in the order of the file.
func blocks(t plan.Tensor, yield func(block) bool) bool {
	w := t.Weight
	for l := range max(t.Layers, 1) {
		l += t.First + w.First
		if t.Layers == 0 {
			l = -1
		}
		switch w.Form {
		case plan.Matrix:
			for c := 0; c < w.Outputs(); c += kernel.PanelCols {
				if !yield(block{tensor: t, layer: l, from: c}) {
					return false
				}
			}
		case plan.Table:
			step := max(1, tableElems/w.K)
			for r := 0; r < w.N; r += step {
				if !yield(block{tensor: t, layer: l, from: r, rows: min(step, w.N-r)}) {
					return false
				}
			}
		default:
			if !yield(block{tensor: t, layer: l}) {
				return false
			}
		}
	}
	return true
}

// A maker makes blocks, one at a time; its buffers are its own.
type maker struct {
	src     Source
	f32     []float32
	gain    []float32
	swiglu  []float32
	rounded []uint16
	ints    []int8 // of a block of a quantized format
	err     error  // of the block in work
}

// make returns the block's data, little endian as the machine is, in buf if that is large enough.
func (m *maker) make(b block, buf []byte) ([]byte, error) {
	m.err = nil
	w := b.tensor.Weight
	switch w.Form {
	case plan.Matrix:
		rows, n := m.panel(b)
		switch b.tensor.Elem {
		case ir.Q8:
			buf = grow(buf, kernel.PackedQ8(n, w.K))
			quantize(m, buf, rows, n, w.K, quantizeQ8, kernel.PutQ8)
		case ir.Q4:
			buf = grow(buf, kernel.PackedQ4(n, w.K))
			quantize(m, buf, rows, n, w.K, quantizeQ4, kernel.PutQ4)
		case ir.BF16:
			buf = grow(buf, 2*kernel.PackedBF16(n, w.K))
			kernel.PackBF16(view[uint16](buf), m.round(rows), n, w.K)
		default:
			buf = grow(buf, 4*kernel.PackedF32(n, w.K))
			kernel.PackF32(view[float32](buf), rows, n, w.K)
		}
	case plan.Table:
		rows := grow(m.f32, b.rows*w.K)
		m.f32 = rows
		m.read(rows, b, b.from)
		switch b.tensor.Elem {
		case ir.Q8:
			buf = m.table(buf, rows, w.K)
		case ir.BF16:
			buf = append(buf[:0], view[byte](m.round(rows))...)
		default:
			buf = append(buf[:0], view[byte](rows)...)
		}
	default:
		if b.tensor.Elem != ir.F32 {
			panic(fmt.Sprintf("BUG: vector %s is %v", w.Name, b.tensor.Elem))
		}
		buf = grow(buf, int(b.tensor.Bytes())/max(w.Layers, 1))
		clear(buf)
		m.f32 = grow(m.f32, w.N*w.K)
		m.read(m.f32, b, 0)
		columns := view[float32](buf)
		for i, x := range m.f32 {
			columns[i%w.K*(len(columns)/w.K)+i/w.K] = x
		}
	}
	return buf, m.err
}

// panel returns the n rows, at most 64, of the matrix whose outputs are a panel's columns.
func (m *maker) panel(b block) (rows []float32, n int) {
	w := b.tensor.Weight
	if w.Half == 0 {
		n = min(kernel.PanelCols, w.N-b.from)
		m.f32 = grow(m.f32, n*w.K)
		m.read(m.f32, b, b.from)
		return m.f32, n
	}
	from := b.from / 2
	n = min(kernel.PanelCols/2, w.Half-from)
	m.f32 = grow(m.f32, 2*n*w.K)
	gate, up := m.f32[:n*w.K], m.f32[n*w.K:]
	m.read(gate, b, from)
	m.read(up, b, w.Half+from)
	m.swiglu = grow(m.swiglu, kernel.PanelCols*w.K)
	kernel.InterleaveSwiGLU(m.swiglu, gate, up, n, w.K)
	return m.swiglu, kernel.PanelCols
}

// read fills dst with whole rows of the stacked sources, from row from on, and applies what is
// folded into each. What it gives to a bfloat16 weight may be rounded to bfloat16 as if it were
// the product itself: see odd.
func (m *maker) read(dst []float32, b block, from int) {
	w, first := b.tensor.Weight, 0
	for _, s := range w.Sources {
		rows := s.Rows
		lo, hi := max(from, first), min(from+len(dst)/w.K, first+rows)
		if lo < hi {
			part := dst[(lo-from)*w.K : (hi-from)*w.K]
			m.load(part, s.Role, b, w.K, (lo-first)*w.K)
			m.finite(part, s.Role, b, lo-first)
			m.fold(part, s, b)
			m.finite(part, s.Role, b, lo-first) // a product may be out of float32's range
		}
		first += rows
	}
}

// load reads elements of a source, from one on.
func (m *maker) load(dst []float32, role string, b block, k, from int) {
	if err := m.src.Read(dst, role, b.layer, k, from); err != nil && m.err == nil {
		m.err = err
	}
}

// fold multiplies rows by a source's scale and by its gain, column by column. The product is
// exact in float64 but for the scale's own last bit, and rounded once.
func (m *maker) fold(rows []float32, s ir.Source, b block) {
	k := b.tensor.Weight.K
	round := func(x float64) float32 { return float32(x) }
	if b.tensor.Elem == ir.BF16 {
		round = odd
	}
	if s.NegExp {
		for i, x := range rows {
			rows[i] = float32(-math.Exp(float64(x)))
		}
	}
	switch {
	case s.Gain != "":
		m.gain = grow(m.gain, k)
		m.load(m.gain, s.Gain, b, 1, 0)
		m.finite(m.gain, s.Gain, b, -1)
		for at := 0; at < len(rows); at += k {
			row := rows[at : at+k]
			for i, g := range m.gain {
				row[i] = round(float64(row[i]) * float64(g) * s.Scale)
			}
		}
	case s.Scale != 1:
		for i, x := range rows {
			rows[i] = round(float64(x) * s.Scale)
		}
	}
}

// odd rounds to float32 with an odd last bit unless x is exact, so that a second rounding, to
// bfloat16, gives what one rounding of x would have given (Boldo and Melquiond 2008).
func odd(x float64) float32 {
	y := float32(x)
	bits := math.Float32bits(y)
	if float64(y) == x || x != x || bits&1 == 1 {
		return y
	}
	if math.Abs(float64(y)) > math.Abs(x) {
		return math.Float32frombits(bits - 1)
	}
	return math.Float32frombits(bits + 1)
}

// round gives rows as bfloat16, exactly if that is what they were.
func (m *maker) round(rows []float32) []uint16 {
	m.rounded = grow(m.rounded, len(rows))
	for i, x := range rows {
		m.rounded[i] = kernel.Float32ToBF16(x)
	}
	return m.rounded
}
