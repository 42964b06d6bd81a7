package kernel

// RopeInterleaved implements Set.
func (Portable) RopeInterleaved(dst []float32, ldd int, x []float32, ldx int, cos, sin []float32, ldp, n, rows int) {
	for r := range rows {
		d, x, c, s := dst[r*ldd:][:n], x[r*ldx:][:n], cos[r*ldp:][:n], sin[r*ldp:][:n]
		for i := 0; i+1 < n; i += 2 {
			even, odd := x[i], x[i+1]
			d[i] = FMA(even, c[i], float32(odd*s[i]))
			d[i+1] = FMA(odd, c[i+1], float32(even*s[i+1]))
		}
	}
}

// RopeHalf implements Set.
func (Portable) RopeHalf(dst []float32, ldd int, x []float32, ldx int, cos, sin []float32, ldp, n, rows int) {
	half := n / 2
	for r := range rows {
		d, x, c, s := dst[r*ldd:][:n], x[r*ldx:][:n], cos[r*ldp:][:n], sin[r*ldp:][:n]
		for i := range half {
			first, second := x[i], x[i+half]
			d[i] = FMA(first, c[i], float32(second*s[i]))
			d[i+half] = FMA(second, c[i+half], float32(first*s[i+half]))
		}
	}
}

// ScaleRows implements Set.
func (Portable) ScaleRows(dst []float32, ldd int, x []float32, ldx int, s []float32, n, rows int) {
	for r := range rows {
		for i, v := range x[r*ldx:][:n] {
			dst[r*ldd+i] = v * s[r]
		}
	}
}

// Transpose implements Set. It writes whole lines.
func (Portable) Transpose(dst []float32, ldd int, x []float32, ldx int, s float32, n, rows int) {
	for i := range n {
		for r := range rows {
			dst[i*ldd+r] = x[r*ldx+i] * s
		}
	}
}

// Decay implements Set.
func (Portable) Decay(p []float32, ldp int, g []float32, first, rows int) {
	for r := range rows {
		row, i := p[r*ldp:][:len(g)], first+r
		for j := range i + 1 {
			row[j] *= Exp(g[i] - g[j])
		}
		clear(row[i+1:])
	}
}
