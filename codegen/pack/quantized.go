package pack

import (
	"encoding/binary"
	"fmt"

	"github.com/yococ/yococ/runtime/kernel"
)

// A ValueError is a value of the source that no quantized format can hold.
type ValueError struct {
	Role     string // of the tensor
	Layer    int    // -1 if no layer repeats it
	Row, Col int    // Row is -1 in a vector
	Value    float32
}

func (e *ValueError) Error() string {
	at := e.Role
	if e.Layer >= 0 {
		at += fmt.Sprintf(" of layer %d", e.Layer)
	}
	if e.Row >= 0 {
		at += fmt.Sprintf(", row %d", e.Row)
	}
	return fmt.Sprintf("%s, column %d is %v: only numbers below 2^127 can be quantized", at, e.Col, e.Value)
}

// finite notes the first of the rows' elements that is maxWeight or more, or not a number, if they are
// to be quantized. row is the number of the first row in the tensor, -1 for a vector.
func (m *maker) finite(rows []float32, role string, b block, row int) {
	if m.err != nil || !b.tensor.Elem.Quantized() {
		return
	}
	for i, x := range rows {
		if magnitude(x) < maxBits {
			continue
		}
		e := &ValueError{Role: role, Layer: b.layer, Row: -1, Col: i, Value: x}
		if k := b.tensor.Weight.K; row >= 0 {
			e.Row, e.Col = row+i/k, i%k
		}
		m.err = e
		return
	}
}

// quantize packs a panel of n rows of k elements in blocks along k, each with its own scale, or scales. Rows up
// to a whole panel are zero.
func quantize[S uint16 | uint32](m *maker, dst []byte, rows []float32, n, k int,
	quantize func(q []int8, w []float32) S, put func(dst []byte, k, n, b int, q []int8, scale S),
) {
	const block = kernel.Q8Block
	q := grow(m.ints, block)
	m.ints = q
	for r := range kernel.PanelCols {
		for from := 0; from < k; from += block {
			to, scale := min(from+block, k), S(0)
			clear(q)
			if r < n {
				scale = quantize(q[:to-from], rows[r*k+from:r*k+to])
			}
			put(dst, k, r, from/block, q, scale)
		}
	}
}

// table returns rows of k elements as those of a q8 table, in buf if that is large enough.
func (m *maker) table(buf []byte, rows []float32, k int) []byte {
	q := grow(m.ints, kernel.TableBlock)
	m.ints = q
	buf = grow(buf, len(rows)/k*kernel.TableRowQ8(k))
	out := buf
	for r := 0; r < len(rows); r += k {
		for from := 0; from < k; from += kernel.TableBlock {
			to := min(from+kernel.TableBlock, k)
			clear(q)
			binary.LittleEndian.PutUint16(out, quantizeQ8(q[:to-from], rows[r+from:r+to]))
			for i, x := range q {
				out[2+i] = byte(x)
			}
			out = out[2+kernel.TableBlock:]
		}
	}
	return buf
}
