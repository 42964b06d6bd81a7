package plan

import (
	"fmt"
	"slices"

	"github.com/yococ/yococ/ir"
)

// Sizes that runtime/kernel has too: a test holds them to be the same.
const (
	Panel      = 64  // output columns of a matrix that lie side by side in the weight file
	Q8Block    = 128 // inputs of a block of a q8 matrix
	Q4Block    = 128 // and of a q4 one
	TableBlock = 32  // elements of a block of a q8 table
)

// A Weight is what a routine reads: a matrix, a table or a vector, of every layer of its stage.
type Weight struct {
	Name    string // self.qkvga
	Field   string // in the generated weight structs: qkvga
	Stage   string // the stage that uses it
	Alias   string // the weight that it is another view of, "" if it is in the file itself: a tied table
	Form    Form
	Elem    ir.Elem
	Elems   []ir.Elem   // of each layer, where not all have Elem; else nil
	Rounds  bool        // Matrix: what layers in BF16 multiply is rounded to BF16 too
	N, K    int         // Matrix: outputs and inputs; Table: vocabulary and width; Vector: length in N, so many of them in K
	Half    int         // Matrix: > 0 interleaves two stacked halves of Half rows each, 32 rows at a time, for SwiGLU
	Layers  int         // that have one of their own; 0 if it is the same for all
	First   int         // layer of the sources that the first of them is made from
	Sources []ir.Source // what it is made of; every source says its rows
	Pos     string
}

// Form is how a weight lies in the file.
type Form uint8

const (
	Matrix Form = iota // panels of 64 output columns, k ascending: runtime/kernel.Matrix
	Vector             // float32, padded to 16; of a weight [N … K] the K columns, one behind the other
	Table              // row-major: runtime/kernel.Table
)

func (f Form) String() string { return [...]string{"matrix", "vector", "table"}[f] }

// Outputs is the number of columns that a matrix has in the file: N, but for interleaved halves,
// which are padded to whole groups of 32 each.
func (w *Weight) Outputs() int {
	if w.Half > 0 {
		return 2 * roundUp(w.Half, Panel/2)
	}
	return w.N
}

// ElemOf is the element type of a layer, 0 of a weight that is the same for all.
func (w *Weight) ElemOf(layer int) ir.Elem {
	if w.Elems == nil {
		return w.Elem
	}
	return w.Elems[layer]
}

// Formats are the element types that its layers have, each once.
func (w *Weight) Formats() []ir.Elem {
	if w.Elems == nil {
		return []ir.Elem{w.Elem}
	}
	return slices.Compact(slices.Sorted(slices.Values(w.Elems)))
}

// A Tensor is a tensor of the weight file: all layers of a weight, or a run of them that has one
// format where the layers' formats differ.
type Tensor struct {
	Name   string
	Weight *Weight
	Elem   ir.Elem
	First  int // layer of the weight
	Layers int // its leading dimension; 0 if it has none
}

// Tensors are the tensors of the weight file, in order.
func (p *Plan) Tensors() []Tensor {
	var ts []Tensor
	for i := range p.Weights {
		if w := &p.Weights[i]; w.Alias == "" {
			ts = append(ts, w.Tensors()...)
		}
	}
	return ts
}

// streamedFrom is four times what processors commonly have for a last cache.
const streamedFrom = 128 << 20

// Streamed reports whether the weights are more than a last cache holds, so that each token reads them from memory.
func (p *Plan) Streamed() bool {
	var bytes int64
	for _, t := range p.Tensors() {
		bytes += t.Bytes()
	}
	return bytes >= streamedFrom
}

// Tensors are the tensors of a weight, in the order of the file; of a view, as if it were stored.
func (w *Weight) Tensors() []Tensor {
	if w.Elems == nil {
		return []Tensor{{Name: w.Name, Weight: w, Elem: w.Elem, Layers: w.Layers}}
	}
	var ts []Tensor
	for from := 0; from < len(w.Elems); {
		to := from + 1
		for to < len(w.Elems) && w.Elems[to] == w.Elems[from] {
			to++
		}
		ts = append(ts, Tensor{Name: fmt.Sprintf("%s.%d-%d", w.Name, from, to-1), Weight: w, Elem: w.Elems[from], First: from, Layers: to - from})
		from = to
	}
	return ts
}

// Shape is the tensor's shape, the layers first if it has any. Quantized ones are bytes.
//
//	matrix  [panels K 64], in bf16 [panels ceil(K/2) 64 2]: pairs of inputs lie together
//	        in q8 and q4 [half panels, bytes of a half]
//	vector  [N rounded up to 16], several [K, N rounded up to 16]
//	table   [N K], in q8 [N, bytes of a row]
func (t Tensor) Shape() []int {
	var shape []int
	if t.Layers > 0 {
		shape = append(shape, t.Layers)
	}
	w := t.Weight
	panels := (w.Outputs() + Panel - 1) / Panel
	switch {
	case w.Form == Matrix && t.Elem == ir.Q8:
		return append(shape, 2*panels, blocks(w.K, Q8Block)*(Q8Block+2)*Panel/2)
	case w.Form == Matrix && t.Elem == ir.Q4:
		return append(shape, 2*panels, blocks(w.K, Q4Block)*(Q4Block/2+4)*Panel/2)
	case w.Form == Matrix && t.Elem == ir.BF16:
		return append(shape, panels, (w.K+1)/2, Panel, 2)
	case w.Form == Matrix:
		return append(shape, panels, w.K, Panel)
	case w.Form == Vector && w.K > 1:
		return append(shape, w.K, roundUp(w.N, 16))
	case w.Form == Vector:
		return append(shape, roundUp(w.N, 16))
	case t.Elem == ir.Q8:
		return append(shape, w.N, blocks(w.K, TableBlock)*(TableBlock+2))
	default:
		return append(shape, w.N, w.K)
	}
}

// DType is the tensor's element type as safetensors spells it.
func (t Tensor) DType() string {
	return map[ir.Elem]string{ir.F32: "F32", ir.BF16: "BF16", ir.Q8: "U8", ir.Q4: "U8"}[t.Elem]
}

// Bytes is the size of the tensor in the weight file.
func (t Tensor) Bytes() int64 {
	n := int64(1)
	if !t.Elem.Quantized() {
		n = int64(t.Elem.Bytes())
	}
	for _, d := range t.Shape() {
		n *= int64(d)
	}
	return n
}

// Bytes is the size of the weight in the weight file, of another view's too.
func (w *Weight) Bytes() int64 {
	var n int64
	for _, t := range w.Tensors() {
		n += t.Bytes()
	}
	return n
}

// QuantizedWidth is how many floats hold a quantized row of k inputs for a matrix of any format: the
// integers, filled up to whole blocks, up to five sums a block, and a scale.
func QuantizedWidth(k int) int { return roundUp(k, Q8Block)/4 + 5*blocks(k, Q8Block) + 1 }

// RoundedWidth is how many floats hold a row of k inputs in bfloat16.
func RoundedWidth(k int) int { return (k + 1) / 2 }

func blocks(k, block int) int { return (k + block - 1) / block }

func roundUp(n, to int) int { return (n + to - 1) / to * to }
