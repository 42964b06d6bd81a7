package kernel

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// A cache of 8-bit integers: every key and every value of a head is a row of integers in [-127, 127]
// and one float32 scale, max/127 (Set's QuantizeRow). A block of 64 positions of a head is
//
//	K block  [ceil(Dim/4)][64][4] bytes   four elements of each key side by side, k + 128
//	         [64] float32                 scales
//	V block  [panels][16][width][4]       four tokens of each column side by side
//	         [64] float32                 scales
//
// The other factor of both products is rounded to integers too, but to 14 bits, so that it is the cache's
// 8 bits that decide how exact attention is. The 14 bits are halves of 7: products of a half and a byte
// of the cache add up in pairs within 16 bits (255*64*2 and 127*127*2), and a half is a byte, which is what
// the instructions for integers want. Sums are exact, and thus equal however they are made; float32 comes
// after the sum of a head's elements or of a block's tokens.
const (
	splitBits = 7
	queryMax  = 1<<(2*splitBits-1) - 1 // of a query's element, of either sign
	weightMax = 1<<(2*splitBits) - 1   // of a token's weight

	scaleBytes = 4 * blockTokens // of the scales of a block
)

// quadAt is where input i of column c lies in a panel of bytes.
func quadAt(i, c, width int) int { return (i/4*width+c)*4 + i%4 }

// f32At is float32 i of bytes.
func f32At(b []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
}

// bytesOf are the bytes of floats.
func bytesOf(x []float32) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

// wordsOf are floats as integers.
func wordsOf(x []float32) []int32 {
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

// putQ8 writes a key and a value as token j of the block of keys k and of values v. spare is
// scratch, spareFloats of the head's size.
func (s *CacheSpec) putQ8(set Set, k, v []byte, key, value []float32, j int, spare []float32) {
	sum, q := wordsOf(spare[:1]), bytesOf(spare[line:])

	scale := set.QuantizeRow(q, sum, key, len(q), 0)
	rows := s.keyRows()
	for i, x := range q[:rows] {
		k[quadAt(i, j, blockTokens)] = byte(int(x) + q8Zero)
	}
	binary.LittleEndian.PutUint32(k[rows*blockTokens+4*j:], math.Float32bits(scale))

	scale = set.QuantizeRow(q, sum, value, len(q), 0)
	cols := valueCols(s.Dim)
	for c, width := 0, 0; c < s.Dim; c += width {
		width = panelWidth(cols - c)
		panel := v[c*blockTokens:][:width*blockTokens]
		for i, x := range q[c:min(c+width, s.Dim)] {
			panel[quadAt(j, i, width)] = byte(x)
		}
	}
	binary.LittleEndian.PutUint32(v[cols*blockTokens+4*j:], math.Float32bits(scale))
}

// spareFloats is how many floats of scratch hold a quantized key or value and its sum.
func spareFloats(dim int) int { return line + roundUp(dim, 32)/4 }

// queryBytes is the size of a split query.
func (s *CacheSpec) queryBytes() int { return 2 * s.keyRows() }

// scoresQ8 multiplies rows of split queries, with a scale and a sum a row, by n K blocks from b on: dst
// is [rows][n*64], rows ldd apart.
func (s *CacheSpec) scoresQ8(set Set, c *Cache, head, b, n int, dst []float32, ldd int, q []int8, scale []float32, sums []int32, rows int) {
	k, _ := s.unit(head, b)
	set.ScoreQ8(dst, ldd, q, s.queryBytes(), scale, sums, c.Q8[k:], s.keyUnits(), s.keyRows(), n, rows)
}

// weighQ8 adds rows of split weights, ldp bytes apart, with a scale a row and block, lds apart, times n
// V blocks from b on to dst, rows ldd apart.
func (s *CacheSpec) weighQ8(set Set, c *Cache, head, b, n int, dst []float32, ldd int, p []int8, ldp int, scale []float32, lds, rows int) {
	_, v := s.unit(head, b)
	set.WeighQ8(dst, ldd, p, ldp, scale, lds, c.Q8[v:], s.valueUnits(), valueCols(s.Dim), n, rows)
}

// splitWeights splits weights p of the tokens of whole blocks from b on.
func (s *CacheSpec) splitWeights(set Set, c *Cache, head, b int, q []int8, scale, p []float32) {
	n, scales := len(p)/blockTokens, valueCols(s.Dim)*blockTokens
	step := min(n, s.segmentBlocks())
	for i := 0; i < n; i += step {
		_, v := s.unit(head, b+i)
		part := p[i*blockTokens:][:step*blockTokens]
		set.SplitWeights(q[i*2*blockTokens:], scale[i:], part, c.Q8[v+scales:], s.valueUnits())
	}
}
