package kernel

import "math"

// GemmBF16Dot implements Set.
func (Portable) GemmBF16Dot(dst []float32, ldd int, x []uint16, ldx int, w []uint16, pairs, rows int, acc bool) {
	for r := range rows {
		out := dst[r*ldd:][:PanelCols]
		if !acc {
			clear(out)
		}
		for i := range 2 * pairs {
			i ^= 1 // the odd half first
			a, pair := normal(x[r*ldx+i]), w[i/2*PanelCols*2:][:PanelCols*2]
			for c := range out {
				b := normal(pair[2*c+i%2])
				if s := float64(a)*float64(b) + float64(out[c]); plain(s) && out[c] == flush(out[c]) {
					out[c] = float32(s)
				} else {
					out[c] = flushFMA(a, b, out[c])
				}
			}
		}
	}
}

// normal widens a bfloat16; one below the normal range is a zero.
func normal(h uint16) float32 {
	if h&0x7f80 == 0 {
		h &= 0x8000
	}
	return BF16ToFloat32(h)
}

// flushFMA is FMA of two bfloat16 and a float32 without numbers below the normal range.
func flushFMA(a, b, c float32) float32 {
	a, b, c = flush(a), flush(b), flush(c)
	s := float64(a)*float64(b) + float64(c)
	switch {
	case plain(s):
		return float32(s)
	case math.Abs(s) < minNormal-minNormal/(1<<25):
		// Not even the rounding to 24 bits makes it normal. The sum is exact here: the last bit of
		// the product is within 2^15 of its first, that of c within 2^23.
		return float32(math.Copysign(0, s))
	}
	return fmaTie(a, b, c)
}

// minNormal is the smallest number of the normal range.
const minNormal = 0x1p-126

// flush makes a number below the normal range a zero.
func flush(x float32) float32 {
	if x > -minNormal && x < minNormal {
		return float32(math.Copysign(0, float64(x)))
	}
	return x
}

// RoundRow implements Set.
func (Portable) RoundRow(dst []uint16, x []float32) {
	for i, v := range x {
		dst[i] = Float32ToBF16(flush(v))
	}
	clear(dst[len(x):])
}
