package runtime

import (
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/weights"
)

// BindMatrix is one layer of a packed tensor as an n by k matrix; a tensor without layers has
// layer 0 alone.
func BindMatrix(f *weights.File, name string, layer, n, k int) kernel.Matrix {
	m := kernel.Matrix{N: n, K: k}
	if f.DType(name) == "BF16" {
		m.BF16 = part(f.BF16(name), layer, kernel.PackedBF16(n, k))
	} else {
		m.F32 = part(f.F32(name), layer, kernel.PackedF32(n, k))
	}
	return m
}

// BindTable is a tensor as an embedding of vocab rows; packed: the tensor is a matrix, which is
// the head too.
func BindTable(f *weights.File, name string, vocab, dim int, packed bool) kernel.Table {
	t := kernel.Table{Vocab: vocab, Dim: dim, Packed: packed}
	if f.DType(name) == "BF16" {
		t.BF16 = f.BF16(name)
	} else {
		t.F32 = f.F32(name)
	}
	return t
}

// BindVector is one layer of a tensor of vectors of n, each filled up to a multiple of 16.
func BindVector(f *weights.File, name string, layer, n int) []float32 {
	return part(f.F32(name), layer, (n+15)&^15)[:n]
}

func part[T any](s []T, i, size int) []T { return s[i*size : (i+1)*size : (i+1)*size] }
