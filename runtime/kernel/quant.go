package kernel

import (
	"encoding/binary"
	"fmt"
)

// Quantized products: weights are integers in blocks along their inputs, with a scale a block, and
// activations integers with one scale a row. The sum of a block is an exact integer; blocks are added
// in float32 in ascending order; the row's scale multiplies the finished sum:
//
//	y[r][n] = scale[r] * Σ_b s[n][b] * float32(Σ_(i in b) q[n][i] * x[r][i])
//
// A panel of 64 outputs is two halves of 32 columns, each of which is one stream: the blocks of a half
// follow one another.
//
//	q8, 128 inputs, 4160 bytes                 q4, 32 inputs, 576 bytes
//	  [32][32][4] bytes: four inputs of          [4][32][4] bytes: byte i of group j and a column
//	  each column side by side, q + 128          has input 8j+i below and 8j+4+i above, q + 8
//	  [32] bfloat16: scales                      [32] bfloat16: scales
//
// q8 is in [-127, 127], q4 in [-8, 7]. Inputs past K and columns past N are zero points, columns past N
// have the scale zero. The zero point keeps bytes unsigned, as the instructions want one factor; the
// activations' sums of a block take it out again.
const (
	Q8Block = 128 // inputs of a block
	Q4Block = 32

	halfCols = PanelCols / 2

	q8Zero  = 128
	q4Zero  = 8
	q8Bytes = Q8Block*halfCols + 2*halfCols
	q4Bytes = Q4Block*halfCols/2 + 2*halfCols
)

// PackedQ8 is the number of bytes of an 8-bit Matrix.
func PackedQ8(n, k int) int { return roundUp(n, PanelCols) / halfCols * blocksOf(k, Q8Block) * q8Bytes }

// PackedQ4 is the number of bytes of a 4-bit Matrix.
func PackedQ4(n, k int) int { return roundUp(n, PanelCols) / halfCols * blocksOf(k, Q4Block) * q4Bytes }

func blocksOf(k, block int) int { return (k + block - 1) / block }

// PutQ8 writes block b of output n to a packed matrix of k inputs: q, Q8Block long with zeros past k,
// and its scale, a bfloat16. Every output up to a multiple of PanelCols has to be put; those past the
// last have zeros.
func PutQ8(dst []byte, k, n, b int, q []int8, scale uint16) {
	c, block := n%halfCols, dst[(n/halfCols*blocksOf(k, Q8Block)+b)*q8Bytes:][:q8Bytes]
	for i, x := range q[:Q8Block] {
		block[q8At(i, c)] = byte(int(x) + q8Zero)
	}
	binary.LittleEndian.PutUint16(block[Q8Block*halfCols+2*c:], scale)
}

// PutQ4 is PutQ8 for a 4-bit matrix; q is Q4Block long.
func PutQ4(dst []byte, k, n, b int, q []int8, scale uint16) {
	c, block := n%halfCols, dst[(n/halfCols*blocksOf(k, Q4Block)+b)*q4Bytes:][:q4Bytes]
	for i := range Q4Block {
		if i%8 < 4 {
			block[q4At(i, c)] = byte(int(q[i])+q4Zero) | byte(int(q[i+4])+q4Zero)<<4
		}
	}
	binary.LittleEndian.PutUint16(block[Q4Block*halfCols/2+2*c:], scale)
}

// q8At is where input i of column c lies in a block.
func q8At(i, c int) int { return quadAt(i, c, halfCols) }

// q4At is the byte of input i of column c in a block; inputs 4 to 7 of every 8 are its high half.
func q4At(i, c int) int { return (i/8*halfCols+c)*4 + i%4 }

// q4Value is input i of column c of a 4-bit block.
func q4Value(block []byte, i, c int) int {
	return int(block[q4At(i, c)]>>(i/4%2*4)&15) - q4Zero
}

// bf16At is bfloat16 i of bytes.
func bf16At(b []byte, i int) float32 { return BF16ToFloat32(binary.LittleEndian.Uint16(b[2*i:])) }

// copyQuantizedRow writes row n of a quantized matrix to dst.
func (m *Matrix) copyQuantizedRow(dst []float32, n int) {
	c := n % halfCols
	for i := range dst {
		if m.Q8 != nil {
			block := m.Q8[(n/halfCols*blocksOf(m.K, Q8Block)+i/Q8Block)*q8Bytes:][:q8Bytes]
			dst[i] = float32(int(block[q8At(i%Q8Block, c)])-q8Zero) * bf16At(block[Q8Block*halfCols:], c)
			continue
		}
		block := m.Q4[(n/halfCols*blocksOf(m.K, Q4Block)+i/Q4Block)*q4Bytes:][:q4Bytes]
		dst[i] = float32(q4Value(block, i%Q4Block, c)) * bf16At(block[Q4Block*halfCols/2:], c)
	}
}

// Quantized rows of activations lie in memory that is planned as rows of floats. A row is
//
//	[ceil(K/block)*block] int8: the integers, zero past K    [ceil(K/block)] int32: sums    float32: scale
//
// QuantizedWidth floats hold one row for either block size.
func QuantizedWidth(k int) int { return roundUp(k, Q8Block)/4 + blocksOf(k, Q4Block) + 1 }

// quantized are rows of quantized activations: three views of the same memory.
type quantized struct {
	x      []int8
	sums   []int32
	scale  []float32
	stride int // bytes; sums and scale are words
	block  int
	k      int
}

// viewQuantized is quantized rows of k inputs kept in rows, QuantizedWidth(k) wide at least.
func viewQuantized(rows Rows, k, block int) quantized {
	if rows.Stride < QuantizedWidth(k) {
		panic(fmt.Sprintf("BUG: quantized rows of %d inputs in %d floats, want %d", k, rows.Stride, QuantizedWidth(k)))
	}
	sums := blocksOf(k, block) * block / 4
	return quantized{
		x:      bytesOf(rows.Data),
		sums:   wordsOf(rows.Data)[sums:],
		scale:  rows.Data[sums+blocksOf(k, block):],
		stride: 4 * rows.Stride, block: block, k: k,
	}
}

// from are the rows from row r on.
func (q quantized) from(r int) quantized {
	words := r * q.stride / 4
	q.x, q.sums, q.scale = q.x[r*q.stride:], q.sums[words:], q.scale[words:]
	return q
}

// quantize rounds x to integers as row r.
func (q quantized) quantize(set Set, r int, x []float32) {
	zero := q8Zero
	if q.block == Q4Block {
		zero = q4Zero
	}
	q, n := q.from(r), blocksOf(q.k, q.block)
	q.scale[0] = set.QuantizeRow(q.x[:n*q.block], q.sums[:n], x, q.block, zero)
}
