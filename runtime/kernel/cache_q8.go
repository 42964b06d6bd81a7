package kernel

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// A cache of 8-bit integers: every key and every value of a head is a row of integers in [-127, 127]
// and one float32 scale, max/127 (Set's QuantizeRow). A segment of T = 512 positions of a head is
//
//	keys     8 blocks of  [ceil(Dim/4)][64][4] bytes   four elements of each key side by side, k + 128
//	                      [64] float32                 scales
//	values   [T] float32                               scales
//	         [panels][T/4][width][4]                   four tokens of each column side by side
//
// in the order in which attention reads it: what lay far ahead would be waited for.
//
// The other factor of both products is rounded to integers too: queries to 8 bits, as exact as the keys that they
// meet, and the weights of a segment to parts of their sum in 16384: few of them can be large. Levels keep
// them as their instructions want them: where one multiplies four bytes, the low bytes of all, and the high bytes of
// those that have any, which are more than 1/64 of the sum; elsewhere as words. Sums are exact, and thus equal
// however they are made; float32 comes after the sum of a head's elements or of a segment's tokens.
//
// Rounding 512 weights to 1/n of their sum errs by sqrt(512/12)/n of a value's root mean square, 4e-4, whatever they
// are; rounding the values, with a largest element of three times that, by 7e-3 over the square root of the number
// of tokens that count, 3e-4 if all do and more if fewer, and rounding keys and queries by more than both.
const (
	queryMax  = 127     // of a query's element, of either sign
	weightSum = 1 << 14 // of a segment's weights but for their rounding, and thus the most that one may be

	aheadQ8 = 4 << 10 // what WeighQ8 and ScoreQ8 fetch behind what they read, or some levels' more
	aheadQ4 = 8 << 10 // likewise WeighQ4 and ScoreQ4

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

// rawBytes are floats as unsigned bytes.
func rawBytes(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

// wordsOf are floats as integers.
func wordsOf(x []float32) []int32 {
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

// A segmentQ is the parts of a segment of a head whose elements are integers: scales are those of values.
type segmentQ struct{ keys, scales, values []byte }

// segmentQ is the segment that a head's block b lies in.
func (s *CacheSpec) segmentQ(c *Cache, head, b int) segmentQ {
	if s.isRing() {
		panic("BUG: a ring of integers")
	}
	segment := s.segment(c, head, b)
	const n = segmentTokens / blockTokens
	keys, values := n*s.keyBytes(), n*s.keyBytes()+n*scaleBytes
	return segmentQ{segment[:keys], segment[keys:values], segment[values:]}
}

// atQ8 is element d of the key and of the value of token j of a segment.
func (s *CacheSpec) atQ8(x segmentQ, j, d int) (k, v float32) {
	block := x.keys[j/blockTokens*s.keyBytes():][:s.keyBytes()]
	col, width := panelOf(d, valueCols(s.Dim))
	at := j % blockTokens
	k = float32(int(block[quadAt(d, at, blockTokens)])-q8Zero) * f32At(block[blockTokens*s.keyRows():], at)
	v = float32(int8(x.values[col*segmentTokens+quadAt(j, d-col, width)])) * f32At(x.scales, j)
	return k, v
}

// fetchedQ is how much has been fetched behind the part of a segment that was read last.
func (s *CacheSpec) fetchedQ() int {
	if s.Format == Q4 {
		return aheadQ4
	}
	return aheadQ8
}

// aheadQ are the bytes of a segment's values that are to be fetched next, once its scores are done.
func (s *CacheSpec) aheadQ(x segmentQ) []byte {
	return x.values[min(s.fetchedQ()-segmentTokens*4, len(x.values)):] // their scales come before
}

// queryBytes is the size of a split query.
func (s *CacheSpec) queryBytes() int { return 2 * s.keyRows() }

// scoreQ multiplies rows of split queries by the keys of blocks of a segment: dst is [rows][64*blocks], rows scoreStride
// apart.
func (s *CacheSpec) scoreQ(set Set, dst []float32, q []int8, scale []float32, sums []int32, x segmentQ, blocks, rows int) {
	if s.Format == Q4 {
		set.ScoreQ4(dst, scoreStride, q, s.queryBytes(), scale, sums, x.keys, s.keyRows(), blocks, rows)
		return
	}
	set.ScoreQ8(dst, scoreStride, q, s.queryBytes(), scale, sums, x.keys, s.keyRows(), blocks, rows)
}

// weighQ multiplies rows of split weights by the values of blocks of a segment, and each row by the scale in it: dst is
// [rows][cols | m l scale …], rows size apart.
func (s *CacheSpec) weighQ(set Set, dst []float32, size int, p []int8, x segmentQ, blocks, rows int) {
	scale, cols := dst[size-tail+2:], valueCols(s.Dim)
	if s.Format == Q4 {
		set.WeighQ4(dst, size, p, 4*scoreStride, scale, size, x.values, segmentTokens, cols, blocks, rows)
		return
	}
	set.WeighQ8(dst, size, p, 4*scoreStride, scale, size, x.values, segmentTokens, cols, blocks, rows)
}
