package kernel

import "fmt"

// A Table holds the embeddings of a vocabulary: row-major [Vocab][Dim], or, if a tied head
// multiplies by it too, Packed as the panels of Matrix{N: Vocab, K: Dim}. One of the formats is set.
// A row of Q8 that is not packed is blocks of 32 elements, the last one filled up with zeros: a
// bfloat16 scale, little-endian, and 32 int8. Q4 is always packed.
type Table struct {
	Vocab, Dim int
	F32        []float32
	BF16       []uint16
	Q8, Q4     []byte
	Packed     bool
}

// TableBlock is the number of elements of a block of a Q8 table's row, tableBlockBytes its size.
const (
	TableBlock      = 32
	tableBlockBytes = 2 + TableBlock
)

// TableRowQ8 is the number of bytes of a row of a Q8 table.
func TableRowQ8(dim int) int { return blocksOf(dim, TableBlock) * tableBlockBytes }

// Embed writes the embeddings of tokens, times scale, to the rows of dst. Workers split the rows.
func Embed(w *Worker, dst Rows, t *Table, tokens []int32, scale float32) {
	lo, hi := w.Share(len(tokens))
	for r := lo; r < hi; r++ {
		row := dst.Row(r, t.Dim)
		t.copyRow(row, int(tokens[r]))
		if scale != 1 {
			w.Set.Scale(row, row, scale)
		}
	}
}

func (t *Table) copyRow(dst []float32, token int) {
	switch {
	case token < 0 || token >= t.Vocab:
		panic(fmt.Sprintf("BUG: token %d, vocabulary %d", token, t.Vocab))
	case t.Packed:
		m := Matrix{N: t.Vocab, K: t.Dim, F32: t.F32, BF16: t.BF16, Q8: t.Q8, Q4: t.Q4}
		m.CopyRow(dst, token)
	case t.Q8 != nil:
		row := t.Q8[token*TableRowQ8(t.Dim):][:TableRowQ8(t.Dim)]
		for len(dst) > 0 {
			n, scale := min(TableBlock, len(dst)), bf16At(row, 0)
			for i, x := range row[2:][:n] {
				dst[i] = float32(int8(x)) * scale
			}
			dst, row = dst[n:], row[tableBlockBytes:]
		}
	case t.BF16 != nil:
		for i, x := range t.BF16[token*t.Dim:][:t.Dim] {
			dst[i] = BF16ToFloat32(x)
		}
	default:
		copy(dst, t.F32[token*t.Dim:][:t.Dim])
	}
}
