package kernel

// A Set is the kernels of one instruction-set level. Portable is the reference for all of them;
// a generated package embeds it in its assembly sets and overrides the kernels that its model
// uses. Every set gives the same bits for the same arguments (NaN payloads excepted): each method
// below defines one order of floating-point operations, every one of them a correctly rounded
// float32 operation, and FMA is fused. sum16 is the one sum across lanes:
//
//	lane[i%16] = lane[i%16] + x[i], i ascending, lanes starting at +0; then
//	lane[i] += lane[i+8] for i < 8; lane[i] += lane[i+4] for i < 4; lane[0] += lane[2],
//	lane[1] += lane[3]; lane[0] += lane[1]
//
// Slices that are written never overlap slices that are read, but where a method says "in place".
// Lengths need not be multiples of a vector, data need not be aligned, and nothing outside the
// slices is read or written.
type Set interface {
	// Level is the name of the instruction-set level: portable, avx2 or avx512.
	Level() string

	// GemmF32 multiplies rows of x by one panel of w, k ascending, one FMA a step:
	//
	//	dst[r*ldd+c] = fma(x[r*ldx+i], w[i*width+c], …) for i = 0..k-1, 0 <= c < width, 0 <= r < rows
	//
	// starting from dst[r*ldd+c] if acc, else from +0. width is 16, 32 or 64; k, rows >= 0
	// (k = 0 without acc clears dst).
	GemmF32(dst []float32, ldd int, x []float32, ldx int, w []float32, width, k, rows int, acc bool)

	// GemmBF16 is GemmF32 over a panel of bfloat16 pairs, each widened exactly: the weight of
	// step i and column c is w[(i/2*width+c)*2+i%2]. w has (k+1)/2*width*2 elements; if k is odd the
	// last odd halves are read and not used.
	GemmBF16(dst []float32, ldd int, x []float32, ldx int, w []uint16, width, k, rows int, acc bool)

	// RMSNorm normalizes one row of len(x) elements:
	// inv = 1/sqrt(sum16(x*x by FMA)/n + eps); dst[i] = (x[i]*inv)*gain[i], without the last
	// product if gain is empty. dst may be x (in place).
	RMSNorm(dst, x, gain []float32, eps float32)

	// SwiGLU is dst[i] = (a[i] / (1 + exp(-a[i]))) * b[i] for i < len(dst). In place if dst is a or b.
	SwiGLU(dst, a, b []float32)

	// GateNorm normalizes o as RMSNorm without gain and gates it:
	// dst[i] = (g[i] / (1 + exp(-g[i]))) * (o[i]*inv) for i < len(dst). In place if dst is o or g.
	GateNorm(dst, o, g []float32, eps float32)

	// Softmax turns scores p[lo:hi] into weights in place and clears the rest of p: with
	// m = max(p[lo:hi]), p[j] = exp(p[j]-m); l = sum16 of all of p after that (lane = j%16).
	// It returns m and l. 0 <= lo < hi <= len(p). A maximum of zero is +0; a NaN takes no part in it.
	Softmax(p []float32, lo, hi int) (m, l float32)

	// ExpDiff is dst[j] = exp(from - g[j]) for j < len(dst). In place if dst is g.
	ExpDiff(dst, g []float32, from float32)

	// Mul is dst[i] = a[i]*b[i] for i < len(dst). In place if dst is a or b.
	Mul(dst, a, b []float32)

	// Scale is dst[i] = x[i]*s for i < len(dst). In place if dst is x.
	Scale(dst, x []float32, s float32)

	// Add is dst[i] = dst[i] + x[i] for i < len(dst).
	Add(dst, x []float32)

	// Merge is dst[i] = fma(x[i], b, dst[i]*a) for i < len(dst): two partial attention results
	// over different segments, each brought to their common maximum.
	Merge(dst, x []float32, a, b float32)

	// Div is dst[i] = x[i]/s + 0 for i < len(dst); the addition makes a negative zero positive.
	// In place if dst is x.
	Div(dst, x []float32, s float32)

	// RopeInterleaved rotates one head: dst[i] = fma(x[i], cos[i], x[i^1]*sin[i]) for i < len(x),
	// which is even. sin carries the sign: negative for even i. In place if dst is x.
	RopeInterleaved(dst, x, cos, sin []float32)

	// RopeHalf rotates one head: dst[i] = fma(x[i], cos[i], x[(i+n)%2n]*sin[i]) with n = len(x)/2.
	// sin carries the sign: negative for i < n. dst and x must not overlap.
	RopeHalf(dst, x, cos, sin []float32)
}
