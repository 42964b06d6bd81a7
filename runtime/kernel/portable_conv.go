package kernel

// Convolve implements Set.
func (Portable) Convolve(dst []float32, ldd int, x []float32, ldx int, w []float32, ldw int, bias []float32, taps, n, rows int, silu bool) {
	for r := range rows {
		for c := range n {
			sum := float32(0)
			if len(bias) > 0 {
				sum = bias[c]
			}
			for i := range taps {
				sum = FMA(x[(r+i)*ldx+c], w[i*ldw+c], sum)
			}
			if silu {
				sum /= 1 + Exp(-sum)
			}
			dst[r*ldd+c] = sum
		}
	}
}
