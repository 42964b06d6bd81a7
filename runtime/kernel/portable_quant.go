package kernel

import "math"

// GemmQ8 implements Set.
func (Portable) GemmQ8(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool, _ []float32, _ int, _ []byte) {
	for r := range rows {
		out := dst[r*ldd:][:halfCols]
		if !acc {
			clear(out)
		}
		for b := range blocks {
			block, in := w[b*q8Bytes:][:q8Bytes], x[r*ldx+b*Q8Block:][:Q8Block]
			for c := range out {
				n := sums[r*lds+b]
				for i, q := range in {
					n += int32(q) * int32(block[q8At(i, c)])
				}
				out[c] = FMA(float32(n), bf16At(block[Q8Block*halfCols:], c), out[c])
			}
		}
	}
}

// GemmQ4 implements Set.
func (Portable) GemmQ4(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool, _ []float32, _ int, _ []byte) {
	if !acc {
		for r := range rows {
			clear(dst[r*ldd:][:halfCols])
		}
	}
	for b := range blocks {
		block := w[b*q4Bytes:][:q4Bytes]
		for c := range halfCols {
			scale, weights := q4Column(block, c)
			for r := range rows {
				var n int32
				for i, q := range x[r*ldx+b*Q4Block:][:Q4Block] {
					n += int32(q) * int32(weights[i])
				}
				out := &dst[r*ldd+c]
				*out = FMA(float32(n), scale, *out)
			}
		}
	}
}

// GemvQ8 implements Set.
func (p Portable) GemvQ8(dst []float32, x []int8, sums []int32, w []byte, blocks int) {
	for h := range len(dst) / halfCols {
		p.GemmQ8(dst[h*halfCols:], 0, x, 0, sums, 0, w[h*blocks*q8Bytes:], blocks, 1, false, nil, 0, nil)
	}
}

// GemvQ4 implements Set.
func (p Portable) GemvQ4(dst []float32, x []int8, sums []int32, w []byte, blocks int, tmp []byte) {
	for h := range len(dst) / halfCols {
		p.GemmQ4(dst[h*halfCols:], 0, x, 0, sums, 0, w[h*blocks*q4Bytes:], blocks, 1, false, nil, 0, tmp)
	}
}

// tiny is the largest element below which a row counts as zeros: 127/tiny is finite.
const tiny = 0x1p-100

// QuantizeRow implements Set.
func (Portable) QuantizeRow(q []int8, sums []int32, x []float32, block, zero int) float32 {
	clear(q)
	clear(sums[:len(q)/block])
	m := maxAbs(x)
	switch {
	case m < tiny:
		return 0
	case !(m <= math.MaxFloat32):
		return float32(math.NaN())
	}
	inverse := 127 / m
	for i, v := range x {
		q[i] = int8(math.RoundToEven(float64(v * inverse)))
		sums[i/block] -= int32(zero) * int32(q[i])
	}
	return m / 127
}

// maxAbs is the largest magnitude of x; the order of magnitudes is that of their bits, NaN above all.
func maxAbs(x []float32) float32 {
	const abs = 1<<31 - 1
	top := uint32(0)
	for _, v := range x {
		top = max(top, math.Float32bits(v)&abs)
	}
	return math.Float32frombits(top)
}

// TileStore implements Set.
func (Portable) TileStore(dst []float32, ldd int, tile, scale []float32, lds int, bias []float32, rows, n int) {
	for r := range rows {
		for c, v := range tile[r*PanelCols:][:n] {
			dst[r*ldd+c] = finished(v, scale, r*lds, bias, c)
		}
	}
}

// TileAdd implements Set.
func (Portable) TileAdd(dst []float32, ldd int, tile, scale []float32, lds int, bias []float32, rows, n int) {
	for r := range rows {
		for c, v := range tile[r*PanelCols:][:n] {
			dst[r*ldd+c] += finished(v, scale, r*lds, bias, c)
		}
	}
}

// finished is v*scale[s] + bias[b]; each is left out if there is none.
func finished(v float32, scale []float32, s int, bias []float32, b int) float32 {
	if len(scale) > 0 {
		v = float32(v * scale[s])
	}
	if len(bias) > 0 {
		v += bias[b]
	}
	return v
}

// TileSwiGLU implements Set.
func (Portable) TileSwiGLU(dst []float32, ldd int, tile, scale []float32, lds int, rows int) {
	for r := range rows {
		for c := range swigluCols {
			a, b := tile[r*PanelCols+c], tile[r*PanelCols+swigluCols+c]
			dst[r*ldd+c] = silu(finished(a, scale, r*lds, nil, 0)) * finished(b, scale, r*lds, nil, 0)
		}
	}
}
