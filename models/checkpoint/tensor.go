package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
)

// DType is the type of a tensor's elements, as safetensors spells it in lower case.
type DType string

// The types that Float32s and Float64s widen. Files may hold others; no weight may.
const (
	F64  DType = "f64" // Float64s only
	F32  DType = "f32"
	F16  DType = "f16"
	BF16 DType = "bf16"
)

// sizes gives the bytes of an element of each type that the safetensors format has.
var sizes = map[DType]int64{
	"bool": 1, "u8": 1, "i8": 1, "f8_e5m2": 1, "f8_e4m3": 1, "f8_e8m0": 1,
	"i16": 2, "u16": 2, F16: 2, BF16: 2,
	"i32": 4, "u32": 4, F32: 4,
	"i64": 8, "u64": 8, F64: 8, "c64": 8,
}

// Size is the number of bytes of an element, 0 for a type that does not exist.
func (t DType) Size() int { return int(sizes[t]) }

// IsWeight reports whether a weight may have this type: f32, f16 or bf16.
func (t DType) IsWeight() bool { return t == F32 || t == F16 || t == BF16 }

// A Tensor is one array of a file. Data is a view of the mapped file: read-only, gone when the Files
// are closed, and not aligned to more than a byte. It is little endian and row-major, unless a .pth
// file has it otherwise: so ask Float32s.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte
	File  string // the file it lies in

	strides []int // in elements, from the start of Data; nil if row-major
	big     bool  // the highest byte of an element comes first
}

// Elems is the number of elements.
func (t Tensor) Elems() int {
	if t.strides == nil {
		return len(t.Data) / max(t.DType.Size(), 1)
	}
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// rows are n rows of the tensor, from one on.
func (t Tensor) rows(from, n int) Tensor {
	size := t.DType.Size() // of a row
	if t.strides != nil {
		size *= t.strides[0]
	} else {
		for _, d := range t.Shape[1:] {
			size *= d
		}
	}
	if n != t.Shape[0] {
		t.Data = t.Data[from*size:]
		if t.strides == nil {
			t.Data = t.Data[:n*size]
		}
		t.Shape = append([]int{n}, t.Shape[1:]...)
	}
	return t
}

// plain gives the elements [from, from+n) little endian and row-major: a view of Data where it is,
// otherwise written into space, which then has to be large enough.
func (t Tensor) plain(space []byte, from, n int) []byte {
	size := t.DType.Size()
	if t.strides == nil && !t.big {
		return t.Data[from*size : (from+n)*size]
	}
	space = space[:n*size]
	for i := range n {
		at := from + i
		if t.strides != nil {
			rest := at
			at = 0
			for d := len(t.Shape) - 1; d >= 0; d-- {
				at += rest % t.Shape[d] * t.strides[d]
				rest /= t.Shape[d]
			}
		}
		elem := space[i*size : (i+1)*size]
		copy(elem, t.Data[at*size:])
		if t.big {
			slices.Reverse(elem)
		}
	}
	return space
}

// Same reports whether two tensors have the same type, shape and bits.
func Same(a, b Tensor) bool {
	if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) || a.Elems() != b.Elems() {
		return false
	}
	if a.strides == nil && b.strides == nil && a.big == b.big {
		return bytes.Equal(a.Data, b.Data)
	}
	var x, y [blockElems * maxElem]byte
	for i, all := 0, a.Elems(); i < all; i += blockElems {
		n := min(blockElems, all-i)
		if !bytes.Equal(a.plain(x[:], i, n), b.plain(y[:], i, n)) {
			return false
		}
	}
	return true
}

const (
	blockElems = 512
	maxElem    = 8 // bytes
)

// Float32s widens the elements [from, from+n) into dst[:n], exactly. It panics if the range is
// not within the tensor or the type is none of f32, f16 and bf16.
func (t Tensor) Float32s(dst []float32, from, n int) {
	dst = dst[:n]
	var space [blockElems * maxElem]byte
	for done := 0; done < n; {
		m := n - done
		if t.strides != nil || t.big {
			m = min(m, blockElems)
		}
		t.widen(dst[done:done+m], t.plain(space[:], from+done, m))
		done += m
	}
}

// Read is Float32s of len(dst) elements, but that of a file which cannot be read any more, since it was cut off or its disk
// fails, is a *FormatError: a mapped file has no other time to tell.
func (t Tensor) Read(dst []float32, from int) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if _, fault := r.(interface{ Addr() uintptr }); fault {
			err = &FormatError{File: t.File, Tensor: t.Name, Offset: -1, Msg: "cannot be read any more: the file was cut off, or its disk fails"}
		} else if r != nil {
			panic(r)
		}
	}()
	t.Float32s(dst, from, len(dst))
	return nil
}

func (t Tensor) widen(dst []float32, data []byte) {
	switch t.DType {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[2*i:])) << 16)
		}
	case F16:
		for i := range dst {
			dst[i] = float16(binary.LittleEndian.Uint16(data[2*i:]))
		}
	default:
		panic(fmt.Sprintf("BUG: tensor %s of type %s widened to float32", t.Name, t.DType))
	}
}

// Float64s widens all elements, exactly. It panics if the type is none of f64, f32, f16, bf16.
func (t Tensor) Float64s() []float64 {
	dst := make([]float64, t.Elems())
	if t.DType == F64 {
		var space [maxElem]byte
		for i := range dst {
			dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.plain(space[:], i, 1)))
		}
		return dst
	}
	var block [blockElems]float32
	for i := 0; i < len(dst); i += len(block) {
		n := min(len(block), len(dst)-i)
		t.Float32s(block[:], i, n)
		for j, v := range block[:n] {
			dst[i+j] = float64(v)
		}
	}
	return dst
}

// float16 widens an IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction.
func float16(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0: // zero or subnormal: frac·2⁻²⁴
		return math.Float32frombits(math.Float32bits(float32(frac)*0x1p-24) | sign)
	case 31: // infinity or NaN, its payload kept
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}
