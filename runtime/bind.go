package runtime

import (
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/weights"
)

// Format is how the elements of a matrix or table are stored; quantized ones are bytes to the file.
type Format uint8

// The formats of kernel.Matrix and kernel.Table.
const (
	F32 Format = iota
	BF16
	Q8
	Q4
	RoundingBF16 // BF16 of matrices before which activations are rounded to bfloat16 too
)

// BindMatrix is one layer of a packed tensor as an n by k matrix; a tensor without layers has
// layer 0 alone.
func BindMatrix(f *weights.File, name string, format Format, layer, n, k int) kernel.Matrix {
	m := kernel.Matrix{N: n, K: k}
	switch format {
	case F32:
		m.F32 = part(f.F32(name), layer, kernel.PackedF32(n, k))
	case BF16, RoundingBF16:
		m.BF16 = part(f.BF16(name), layer, kernel.PackedBF16(n, k))
		m.Rounds = format == RoundingBF16
	case Q8:
		m.Q8 = part(f.Data(name), layer, kernel.PackedQ8(n, k))
	case Q4:
		m.Q4 = part(f.Data(name), layer, kernel.PackedQ4(n, k))
	}
	return m
}

// BindTable is a tensor as an embedding of vocab rows; packed: the tensor is a matrix, which is
// the head too.
func BindTable(f *weights.File, name string, format Format, vocab, dim int, packed bool) kernel.Table {
	t := kernel.Table{Vocab: vocab, Dim: dim, Packed: packed}
	switch format {
	case F32:
		t.F32 = f.F32(name)
	case BF16:
		t.BF16 = f.BF16(name)
	case Q8:
		t.Q8 = f.Data(name)
	case Q4:
		t.Q4 = f.Data(name)
	}
	return t
}

// BindVector is one layer of a tensor of vectors of n, each filled up to a multiple of 16.
func BindVector(f *weights.File, name string, layer, n int) []float32 {
	return part(f.F32(name), layer, (n+15)&^15)[:n]
}

// BindVectors is one layer of a tensor of k vectors of n, one behind the other, each filled up to a
// multiple of 16.
func BindVectors(f *weights.File, name string, layer, n, k int) []float32 {
	return part(f.F32(name), layer, k*((n+15)&^15))
}

func part[T any](s []T, i, size int) []T { return s[i*size : (i+1)*size : (i+1)*size] }
