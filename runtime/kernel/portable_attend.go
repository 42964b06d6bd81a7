package kernel

import "math"

// SplitQuery implements Set.
func (Portable) SplitQuery(q []int8, x []float32) (scale float32, sum int32) {
	n := len(q) / 2
	scale, inverse := split(x, queryMax)
	clear(q)
	if inverse == 0 {
		return scale, 0
	}
	for i, y := range x {
		v := int32(math.RoundToEven(float64(y * inverse)))
		high := (v + 1<<(splitBits-1)) >> splitBits
		q[i], q[n+i] = int8(high), int8(v-high<<splitBits)
		sum -= q8Zero * v
	}
	return scale, sum
}

// split returns m/most and most/m with m the largest magnitude of x. The second is zero if m is
// too small, and then the first is too, or no finite number.
func split(x []float32, most float32) (scale, inverse float32) {
	switch m := maxAbs(x); {
	case m < tiny:
		return 0, 0
	case !(m <= math.MaxFloat32):
		return m / most, 0
	default:
		return m / most, most / m
	}
}

// ScoreQ8 implements Set.
func (Portable) ScoreQ8(dst []float32, ldd int, q []int8, ldq int, scale []float32, sums []int32, k []byte, stride, dim, blocks, rows int) {
	for b := range blocks {
		block := k[b*stride:][:blockTokens*(dim+4)]
		for r := range rows {
			high, low := q[r*ldq:][:dim], q[r*ldq+ldq/2:][:dim]
			var n [blockTokens]int32
			for i := range dim {
				x := int32(high[i])<<splitBits + int32(low[i])
				for c, at := 0, quadAt(i, 0, blockTokens); c < blockTokens; c, at = c+1, at+4 {
					n[c] += x * int32(block[at])
				}
			}
			for c := range n {
				score := float32(float32(n[c]+sums[r]) * f32At(block[blockTokens*dim:], c))
				dst[r*ldd+b*blockTokens+c] = score * scale[r]
			}
		}
	}
}

// SplitWeights implements Set.
func (Portable) SplitWeights(q []int8, scale, p []float32, v []byte, stride int) {
	var t [blockTokens]float32
	for b := range len(p) / blockTokens {
		for j := range t {
			t[j] = p[b*blockTokens+j] * f32At(v[b*stride:], j)
		}
		var inverse float32
		scale[b], inverse = split(t[:], weightMax)
		out := q[b*2*blockTokens:][:2*blockTokens]
		clear(out)
		if inverse == 0 {
			continue
		}
		for j, y := range t {
			n := int32(math.RoundToEven(float64(y * inverse)))
			out[j], out[blockTokens+j] = int8(n>>splitBits), int8(n&(1<<splitBits-1))
		}
	}
}

// WeighQ8 implements Set.
func (Portable) WeighQ8(dst []float32, ldd int, p []int8, ldp int, scale []float32, lds int, v []byte, stride, cols, blocks, rows int) {
	for b := range blocks {
		block := v[b*stride:][:blockTokens*cols]
		for r := range rows {
			high, low := p[r*ldp+b*2*blockTokens:][:blockTokens], p[r*ldp+(b*2+1)*blockTokens:][:blockTokens]
			for first, width := 0, 0; first < cols; first += width {
				width = panelWidth(cols - first)
				var n [blockTokens]int32
				for j := range blockTokens {
					x := int32(high[j])<<splitBits + int32(low[j])
					for c, at := 0, first*blockTokens+quadAt(j, 0, width); c < width; c, at = c+1, at+4 {
						n[c] += x * int32(int8(block[at]))
					}
				}
				for c := range width {
					out := &dst[r*ldd+first+c]
					*out = FMA(float32(n[c]), scale[r*lds+b], *out)
				}
			}
		}
	}
}
