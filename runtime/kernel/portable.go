package kernel

import "math"

// Portable is the Set in plain Go: the reference for every level, and the set of machines without
// one. A product that feeds an addition is converted explicitly, because the Go compiler may
// otherwise fuse the two, as it does on arm64.
type Portable struct{}

var _ Set = Portable{}

// Level returns "portable".
func (Portable) Level() string { return "portable" }

// GemmF32 implements Set.
func (Portable) GemmF32(dst []float32, ldd int, x []float32, ldx int, w []float32, width, k, rows int, acc bool) {
	for r := range rows {
		out := dst[r*ldd:][:width]
		if !acc {
			clear(out)
		}
		for i := range k {
			axpy(out, w[i*width:][:width], x[r*ldx+i])
		}
	}
}

// GemmBF16 implements Set.
func (Portable) GemmBF16(dst []float32, ldd int, x []float32, ldx int, w []uint16, width, k, rows int, acc bool) {
	var wide [64]float32 // one step's weights
	for r := range rows {
		out := dst[r*ldd:][:width]
		if !acc {
			clear(out)
		}
		for i := range k {
			pairs := w[i/2*width*2:][:width*2]
			for c := range wide[:width] {
				wide[c] = math.Float32frombits(uint32(pairs[c*2+i%2]) << 16)
			}
			axpy(out, wide[:width], x[r*ldx+i])
		}
	}
}

// axpy is y[c] = fma(a, x[c], y[c]), FMA with its common case in line, for four at a time: twice as fast.
func axpy(y, x []float32, a float32) {
	a64 := float64(a)
	for y = y[:len(x)]; len(x) >= 4; x, y = x[4:], y[4:] {
		x, y := (*[4]float32)(x), (*[4]float32)(y)
		s0 := float64(x[0])*a64 + float64(y[0])
		s1 := float64(x[1])*a64 + float64(y[1])
		s2 := float64(x[2])*a64 + float64(y[2])
		s3 := float64(x[3])*a64 + float64(y[3])
		if plain(s0) && plain(s1) && plain(s2) && plain(s3) {
			*y = [4]float32{float32(s0), float32(s1), float32(s2), float32(s3)}
		} else {
			*y = [4]float32{FMA(a, x[0], y[0]), FMA(a, x[1], y[1]), FMA(a, x[2], y[2]), FMA(a, x[3], y[3])}
		}
	}
	for c, xc := range x {
		y[c] = FMA(a, xc, y[c])
	}
}

// RMSNorm implements Set.
func (Portable) RMSNorm(dst, x, gain []float32, eps float32) {
	inv := invRMS(x, eps)
	for i, v := range x {
		v *= inv
		if len(gain) > 0 {
			v *= gain[i]
		}
		dst[i] = v
	}
}

// GateNorm implements Set.
func (Portable) GateNorm(dst []float32, ldd int, o []float32, ldo int, g []float32, ldg, n, rows int, eps float32) {
	for r := range rows {
		out, in, gate := dst[r*ldd:][:n], o[r*ldo:][:n], g[r*ldg:][:n]
		inv := invRMS(in, eps)
		for i := range out {
			x := in[i] + 0 // the compiler keeps the addition
			out[i] = silu(gate[i]) * float32(x*inv)
		}
	}
}

// SiLU implements Set.
func (Portable) SiLU(dst, x []float32) {
	for i := range dst {
		dst[i] = silu(x[i])
	}
}

// Softmax implements Set. A maximum of zero is +0 whatever the signs of the zeros; scores that
// are not numbers do not take part in the maximum.
func (Portable) Softmax(p []float32, ldp, rows, blocks, lo, hi int, stats []float32, lds int, _ []byte) {
	lowest := float32(math.Inf(-1))
	for r := range rows {
		row, m := p[r*ldp:][:blocks*blockTokens], lowest
		for j, v := range row {
			if j < lo || j >= hi {
				row[j] = lowest
			} else if v > m {
				m = v
			}
		}
		m += 0 // which makes -0 +0; the compiler keeps the addition
		var sum lanes
		for j, v := range row {
			row[j] = Exp2(v - m)
			sum[j%16] += row[j]
		}
		stats[r*lds], stats[r*lds+1] = m, sum.total()
	}
}

// ExpDiff implements Set.
func (Portable) ExpDiff(dst, g []float32, from float32) {
	for j := range dst {
		dst[j] = Exp(from - g[j])
	}
}

// Mul implements Set.
func (Portable) Mul(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

// Scale implements Set.
func (Portable) Scale(dst, x []float32, s float32) {
	for i := range dst {
		dst[i] = x[i] * s
	}
}

// Merge implements Set.
func (Portable) Merge(dst, x []float32, a, b float32) {
	for i := range dst {
		dst[i] = FMA(x[i], b, float32(dst[i]*a))
	}
}

// MergeParts implements Set.
func (Portable) MergeParts(dst, x []float32, size int) {
	for at := 0; at < len(dst); at += size {
		o, y, n := dst[at:][:size], x[at:][:size], size-tail
		m := y[n]
		if o[n] > m {
			m = o[n]
		}
		a, b := Exp2(o[n]-m), Exp2(y[n]-m)
		for i := range n {
			o[i] = FMA(y[i], b, float32(o[i]*a))
		}
		o[n], o[n+1] = m, FMA(y[n+1], b, float32(o[n+1]*a))
	}
}

// Div implements Set.
func (Portable) Div(dst, x []float32, s float32) {
	for i := range dst {
		dst[i] = x[i]/s + 0 // the compiler keeps the addition
	}
}

// invRMS is 1/sqrt(mean(x²) + eps).
func invRMS(x []float32, eps float32) float32 {
	var sum lanes
	for i, v := range x {
		sum[i%16] = FMA(v, v, sum[i%16])
	}
	return 1 / sqrt(sum.total()/float32(len(x))+eps)
}

// lanes are the sixteen partial sums of Set's sum16.
type lanes [16]float32

// total adds the lanes in the fixed tree.
func (s *lanes) total() float32 {
	for _, half := range [...]int{8, 4, 2, 1} {
		for i := range half {
			s[i] += s[i+half]
		}
	}
	return s[0]
}
