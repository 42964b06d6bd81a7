package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Quantized products: weights are integers in blocks along their inputs, with a scale a block, and
// activations integers with one scale a row. The sum of a block is an exact integer; blocks are added
// in float32 in ascending order; the row's scale multiplies the finished sum:
//
//	y[r][n] = scale[r] * Σ_b s[n][b] * float32(Σ_(i in b) q[n][i] * x[r][i])
//
// In q4 a block has four parts of 32 inputs, each with a factor, an integer from -15 to 15:
//
//	q[n][i] = factor[n][b][i/32] * nibble[n][i], nibbles from -8 to 7
//
// so that q fits in 8 bits, and a product may either add parts first and multiply the sums by their factors,
// or multiply weights by them and go on as with q8: the integers are the same.
//
// A panel of 64 outputs is two halves of 32 columns, each of which is one stream: the blocks of a half
// follow one another. A block has 128 inputs.
//
//	q8, 4160 bytes                             q4, 2176 bytes
//	  [32][32][4] bytes: four inputs of          [32] uint32: scales and factors (Q4Scales)
//	  each column side by side, q + 128          [16][32][4] bytes: byte i of group j and a column
//	  [32] bfloat16: scales                      has input 8j+i below and 8j+4+i above, nibble + 8
//
// q8 is in [-127, 127]. Inputs past K and columns past N are zero points, columns past N
// have the scale zero. The zero point keeps bytes unsigned, as the instructions want one factor; the
// activations' sums of a block take it out again.
const (
	Q8Block = 128 // inputs of a block
	Q4Block = 128
	Q4Part  = 32 // inputs of a part of a q4 block

	Q4Factor = 15 // the largest factor of a part

	halfCols = PanelCols / 2

	q8Zero  = 128
	q4Zero  = 8
	q4Parts = Q4Block / Q4Part
	q8Bytes = Q8Block*halfCols + 2*halfCols
	q4Bytes = 4*halfCols + Q4Block*halfCols/2
	q4Sums  = 1 + q4Parts // of a block of activations

	// QuantScratch is the bytes that GemmQ8 and GemmQ4 need for unpacked weights.
	QuantScratch = 20 << 10
)

// Q4Scales is what a column of a 4-bit block has beside its nibbles: in the high 12 bits the scale's exponent and
// four bits of its fraction, below them five bits for each factor, the first part's lowest. scale is
// positive, or zero, and has no more bits than that; factors are from -Q4Factor to Q4Factor.
func Q4Scales(scale float32, factors [q4Parts]int) uint32 {
	word := math.Float32bits(scale) << 1
	for j, f := range factors {
		word |= uint32(f&31) << (5 * j)
	}
	return word
}

// q4Scale is the scale of a column.
func q4Scale(word uint32) float32 { return math.Float32frombits(word >> 20 << 19) }

// q4Factor is the factor of a part of a column.
func q4Factor(word uint32, part int) int { return int(int32(word<<(27-5*part)) >> 27) }

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

// PutQ4 is PutQ8 for a 4-bit matrix; q is Q4Block nibbles long, and scales are Q4Scales.
func PutQ4(dst []byte, k, n, b int, q []int8, scales uint32) {
	c, block := n%halfCols, dst[(n/halfCols*blocksOf(k, Q4Block)+b)*q4Bytes:][:q4Bytes]
	for i := range Q4Block {
		if i%8 < 4 {
			block[q4At(i, c)] = byte(int(q[i])+q4Zero) | byte(int(q[i+4])+q4Zero)<<4
		}
	}
	binary.LittleEndian.PutUint32(block[4*c:], scales)
}

// q8At is where input i of column c lies in a block.
func q8At(i, c int) int { return quadAt(i, c, halfCols) }

// q4At is the byte of input i of column c in a block; inputs 4 to 7 of every 8 are its high half.
func q4At(i, c int) int { return 4*halfCols + (i/8*halfCols+c)*4 + i%4 }

// q4Column is the scale and the integers of column c of a 4-bit block.
func q4Column(block []byte, c int) (scale float32, q [Q4Block]int8) {
	word := binary.LittleEndian.Uint32(block[4*c:])
	for i := range q {
		q[i] = int8(q4Factor(word, i/Q4Part) * (int(block[q4At(i, c)]>>(i/4%2*4)&15) - q4Zero))
	}
	return q4Scale(word), q
}

// bf16At is bfloat16 i of bytes.
func bf16At(b []byte, i int) float32 { return BF16ToFloat32(binary.LittleEndian.Uint16(b[2*i:])) }

// copyQuantizedRow writes row n of a quantized matrix to dst.
func (m *Matrix) copyQuantizedRow(dst []float32, n int) {
	c, first := n%halfCols, n/halfCols*blocksOf(m.K, Q8Block)
	for from := 0; from < m.K; from += Q8Block {
		part, b := dst[from:min(from+Q8Block, m.K)], first+from/Q8Block
		if m.Q4 != nil {
			scale, q := q4Column(m.Q4[b*q4Bytes:][:q4Bytes], c)
			for i := range part {
				part[i] = float32(q[i]) * scale
			}
			continue
		}
		block := m.Q8[b*q8Bytes:][:q8Bytes]
		scale := bf16At(block[Q8Block*halfCols:], c)
		for i := range part {
			part[i] = float32(int(block[q8At(i, c)])-q8Zero) * scale
		}
	}
}

// Quantized rows of activations lie in memory that is planned as rows of floats. A row is
//
//	[ceil(K/128)*128] int8: the integers, zero past K    [ceil(K/128)] or, for q4, [ceil(K/128)][5] int32: sums    float32: scale
//
// The sums of a block for q4 are that for q8, which is -128 times the sum of its integers, and for each part
// -8 times the sum of the part's. QuantizedWidth floats hold one row for either format.
//
// Many rows are multiplied some inputs at a time. What is multiplied together lies together, so that kernels read contiguous
// memory: the integers of a part of all rows, row by row, those of the next part, then the sums likewise, and the scales.
func QuantizedWidth(k int) int { return roundUp(k, Q8Block)/4 + q4Sums*blocksOf(k, Q8Block) + 1 }

// quantized are rows of quantized activations: three views of the same memory.
type quantized struct {
	x      []int8
	sums   []int32
	scale  []float32
	stride int // words from scale to scale, and of rows that lie in one piece
	each   int // sums a block; 0 if there are no rows
	k      int
	rows   int // that lie in parts, if they do
	step   int // inputs of a part
}

// viewQuantized is n quantized rows of k inputs kept in rows, QuantizedWidth(k) wide at least, with some sums
// a block: 1 for q8, q4Sums for q4. They lie in parts of step inputs if there are more inputs than that, and a part is a whole
// number of blocks.
func viewQuantized(rows Rows, n, k, each, step int) quantized {
	if rows.Stride < QuantizedWidth(k) {
		panic(fmt.Sprintf("BUG: quantized rows of %d inputs in %d floats, want %d", k, rows.Stride, QuantizedWidth(k)))
	}
	q := quantized{x: bytesOf(rows.Data), stride: rows.Stride, each: each, k: k}
	if step < k {
		q.rows, q.step, q.stride = n, step, 1
		n *= Q8Block / 4
		each *= q.rows
	} else {
		n = Q8Block / 4
	}
	sums := n * blocksOf(k, Q8Block)
	q.sums = wordsOf(rows.Data)[sums:]
	q.scale = rows.Data[sums+each*blocksOf(k, Q8Block):]
	return q
}

// at are the integers of rows from row r on and inputs from from on, where a part begins or anywhere if there are none, with the
// bytes from row to row, and their sums, with the words.
func (q *quantized) at(r, from int) (x []int8, ldx int, sums []int32, lds int) {
	if q.rows == 0 {
		return q.x[4*r*q.stride+from:], 4 * q.stride, q.sums[r*q.stride+from/Q8Block*q.each:], q.stride
	}
	width := min(q.step, roundUp(q.k, Q8Block)-from)
	lds = width / Q8Block * q.each
	return q.x[q.rows*from+r*width:], width, q.sums[q.rows*(from/Q8Block*q.each)+r*lds:], lds
}

// quantize rounds x to integers as row r. tmp, QuantizedWidth(k) floats, is for a row that lies in parts.
func (q *quantized) quantize(set Set, r int, x, tmp []float32) {
	n := blocksOf(q.k, Q8Block)
	to, sums := bytesOf(tmp), wordsOf(tmp)
	if q.rows == 0 {
		to, _, sums, _ = q.at(r, 0)
	} else {
		sums = sums[n*Q8Block/4:]
	}
	q.scale[r*q.stride] = quantizeRow(set, to[:n*Q8Block], sums, x, n, q.each)
	for from := 0; q.rows > 0 && from < q.k; from += q.step {
		part, ldx, words, lds := q.at(r, from)
		copy(part[:ldx], to[from:])
		copy(words[:lds], sums[from/Q8Block*q.each:])
	}
}

// quantizeRow rounds x to n blocks of integers, with some sums each, and returns the scale.
func quantizeRow(set Set, to []int8, sums []int32, x []float32, n, each int) float32 {
	if each == 1 {
		return set.QuantizeRow(to, sums[:n], x, Q8Block, q8Zero)
	}
	parts := sums[n:][:n*q4Parts]
	scale := set.QuantizeRow(to, parts, x, Q4Part, q4Zero)
	for b := range n { // in place: block b's sums end before block b+1's parts begin
		p := [q4Parts]int32(parts[b*q4Parts:])
		sums := sums[b*q4Sums:][:q4Sums]
		sums[0] = q8Zero / q4Zero * (p[0] + p[1] + p[2] + p[3])
		copy(sums[1:], p[:])
	}
	return scale
}
