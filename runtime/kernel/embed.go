package kernel

import "fmt"

// A Table holds the embeddings of a vocabulary: row-major [Vocab][Dim], or, if a tied head
// multiplies by it too, Packed as the panels of Matrix{N: Vocab, K: Dim}. One of F32 and BF16 is
// set.
type Table struct {
	Vocab, Dim int
	F32        []float32
	BF16       []uint16
	Packed     bool
}

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
		m := Matrix{N: t.Vocab, K: t.Dim, F32: t.F32, BF16: t.BF16}
		m.CopyRow(dst, token)
	case t.BF16 != nil:
		for i, x := range t.BF16[token*t.Dim:][:t.Dim] {
			dst[i] = BF16ToFloat32(x)
		}
	default:
		copy(dst, t.F32[token*t.Dim:][:t.Dim])
	}
}
