package plan

import "github.com/yococ/yococ/ir"

// Panel is the number of output columns of a matrix that lie side by side in the weight file, as
// runtime/kernel.Matrix has it.
const Panel = 64

// Outputs is the number of columns that a matrix has in the file: N, but for interleaved halves,
// which are padded to whole groups of 32 each.
func (w *Weight) Outputs() int {
	if w.Half > 0 {
		return 2 * roundUp(w.Half, Panel/2)
	}
	return w.N
}

// Shape is the shape of the tensor in the weight file, the layers first if it has any.
//
//	matrix  [panels K 64], in bf16 [panels ceil(K/2) 64 2]: pairs of inputs lie together
//	vector  [N rounded up to 16]
//	table   [N K]
func (w *Weight) Shape() []int {
	var shape []int
	if w.Layers > 0 {
		shape = append(shape, w.Layers)
	}
	panels := (w.Outputs() + Panel - 1) / Panel
	switch {
	case w.Form == Matrix && w.Elem == ir.BF16:
		return append(shape, panels, (w.K+1)/2, Panel, 2)
	case w.Form == Matrix:
		return append(shape, panels, w.K, Panel)
	case w.Form == Vector:
		return append(shape, roundUp(w.N, 16))
	default:
		return append(shape, w.N, w.K)
	}
}

// Bytes is the size of the tensor in the weight file.
func (w *Weight) Bytes() int64 {
	n := int64(w.Elem.Bytes())
	for _, d := range w.Shape() {
		n *= int64(d)
	}
	return n
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
