package kernel

import (
	"math"
	"unsafe"
)

// SplitQueries implements Set.
func (Portable) SplitQueries(q []int8, ldq int, x []float32, ldx, n, rows int, factor float32, scale []float32, sums []int32, _ []byte) {
	for r := range rows {
		row, words := x[r*ldx:][:n], int16sOf(q[r*ldq:][:2*roundUp(n, 4)])
		most := float32(0)
		for _, y := range row {
			most = maxAbs([]float32{most, y * factor})
		}
		s, inverse := split(most, queryMax)
		clear(words)
		sum := int32(0)
		for i, y := range row {
			if inverse != 0 {
				words[i] = int16(math.RoundToEven(float64(float32(y*factor) * inverse)))
			}
			sum -= q8Zero * int32(words[i])
		}
		scale[r], sums[r] = s, sum
	}
}

// split returns m/most and most/m. The second is zero if m is
// too small, and then the first is too, or no finite number.
func split(m, most float32) (scale, inverse float32) {
	switch {
	case m < tiny:
		return 0, 0
	case !(m <= math.MaxFloat32):
		return m / most, 0
	default:
		return m / most, most / m
	}
}

// ScoreQ8 implements Set.
func (Portable) ScoreQ8(dst []float32, ldd int, q []int8, ldq int, scale []float32, sums []int32, k []byte, dim, blocks, rows int) {
	for b := range blocks {
		block := k[b*blockTokens*(dim+4):][:blockTokens*(dim+4)]
		for r := range rows {
			var n [blockTokens]int32
			for i, x := range int16sOf(q[r*ldq:][:2*dim]) {
				for c, at := 0, quadAt(i, 0, blockTokens); c < blockTokens; c, at = c+1, at+4 {
					n[c] += int32(x) * int32(block[at])
				}
			}
			for c := range n {
				score := float32(float32(n[c]+sums[r]) * f32At(block[blockTokens*dim:], c))
				dst[r*ldd+b*blockTokens+c] = score * scale[r]
			}
		}
	}
}

// SoftmaxQ8 implements Set.
func (p Portable) SoftmaxQ8(q []int8, scores []float32, ldp, rows, blocks, lo, hi int, stats []float32, lds int, s, _ []byte) {
	p.Softmax(scores, ldp, rows, blocks, lo, hi, stats, lds, nil)
	for r := range rows {
		row := scores[r*ldp:][:blocks*blockTokens]
		var sum lanes
		for j := range row {
			if row[j] != 0 {
				row[j] *= f32At(s, j)
			}
			sum[j%16] += row[j]
		}
		scale, inverse := split(sum.total(), weightSum)
		stats[r*lds+2], stats[r*lds+3] = scale, inverse
		out := int16sOf(q[4*r*ldp:][:2*len(row)])
		for j, y := range row {
			out[j] = 0
			if inverse != 0 {
				out[j] = int16(math.RoundToEven(float64(y * inverse)))
			}
		}
	}
}

// WeighQ8 implements Set.
func (Portable) WeighQ8(dst []float32, ldd int, p []int8, ldp int, scale []float32, lds int, v []byte, tokens, cols, blocks, rows int) {
	for r := range rows {
		weights := int16sOf(p[r*ldp:][:2*blocks*blockTokens])
		for first, width := 0, 0; first < cols; first += width {
			width = panelWidth(cols - first)
			var n [blockTokens]int32
			for j, x := range weights {
				for c, at := 0, first*tokens+quadAt(j, 0, width); c < width; c, at = c+1, at+4 {
					n[c] += int32(x) * int32(int8(v[at]))
				}
			}
			for c := range width {
				dst[r*ldd+first+c] = float32(n[c]) * scale[r*lds]
			}
		}
	}
}

// ScoreQ4 implements Set.
func (Portable) ScoreQ4(dst []float32, ldd int, q []int8, ldq int, scale []float32, sums []int32, k []byte, dim, blocks, rows int) {
	size := blockTokens * (dim/2 + 4)
	for b := range blocks {
		block := k[b*size:][:size]
		for r := range rows {
			var n [blockTokens]int32
			for i, x := range int16sOf(q[r*ldq:][:2*dim]) {
				shift := i % 8 / 4 * 4
				for c, at := 0, quadAt(i/8*4+i%4, 0, blockTokens); c < blockTokens; c, at = c+1, at+4 {
					n[c] += int32(x) * (q8Zero + int32(q4Levels[block[at]>>shift&(q4Codes-1)]))
				}
			}
			for c := range n {
				score := float32(float32(n[c]+sums[r]) * f32At(block[blockTokens*dim/2:], c))
				dst[r*ldd+b*blockTokens+c] = score * scale[r]
			}
		}
	}
}

// WeighQ4 implements Set.
func (Portable) WeighQ4(dst []float32, ldd int, p []int8, ldp int, scale []float32, lds int, v []byte, tokens, cols, blocks, rows int) {
	for r := range rows {
		weights := int16sOf(p[r*ldp:][:2*blocks*blockTokens])
		for first, width := 0, 0; first < cols; first += width {
			width = panelWidth(cols - first)
			var n [blockTokens]int32
			for j, x := range weights {
				shift := j % 8 / 4 * 4
				for c, at := 0, first*tokens/2+quadAt(j/8*4+j%4, 0, width); c < width; c, at = c+1, at+4 {
					n[c] += int32(x) * int32(q4Levels[v[at]>>shift&(q4Codes-1)])
				}
			}
			for c := range width {
				dst[r*ldd+first+c] = float32(n[c]) * scale[r*lds]
			}
		}
	}
}

// Hadamard implements Set.
func (Portable) Hadamard(x []float32, n int) {
	for h := 1; h < n; h *= 2 {
		for i := 0; i < len(x); i += 2 * h {
			for j := i; j < i+h; j++ {
				x[j], x[j+h] = x[j]+x[j+h], x[j]-x[j+h]
			}
		}
	}
}

// int16sOf are bytes as words.
func int16sOf(b []int8) []int16 {
	return unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}
