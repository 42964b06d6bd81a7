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

	// GemmQ8 multiplies rows of quantized activations by half a panel, 32 columns, of 8-bit blocks of
	// 128 inputs (see quant.go for both layouts). With block b of column c holding bytes u[i], zero
	// point 128, and scale s[c]:
	//
	//	n = sums[r*lds+b] + Σ_i x[r*ldx+128b+i] * u[i]      exact, in 32 bits, in any order
	//	dst[r*ldd+c] = fma(float32(n), s[c], …)             b = 0..blocks-1 ascending
	//
	// starting from dst[r*ldd+c] if acc, else from +0. |x| <= 127; sums[r*lds+b] is -128 times the
	// sum of x in block b, so that n is what the weights without their zero point give.
	// blocks, rows >= 0 (blocks = 0 without acc clears dst).
	GemmQ8(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool)

	// GemmQ4 is GemmQ8 for 4-bit blocks of 32 inputs, whose zero point is 8.
	GemmQ4(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool)

	// QuantizeRow rounds a row to integers: with m = max|x|, q[i] = rint(x[i]*(127/m)), to nearest
	// even, and scale = m/127. q is as long as x rounded up to a multiple of block (a multiple of 32),
	// and zero behind x; sums[b] = -zero times the sum of q[b*block:(b+1)*block]. If m < 2^-100 (no
	// elements included), scale is +0 and q zero; if m is infinite or not a number, scale is not a number
	// and q zero.
	QuantizeRow(q []int8, sums []int32, x []float32, block, zero int) (scale float32)

	// TileStore brings a tile, [rows][64], to rows of dst, n <= 64 columns of each:
	// dst[r*ldd+c] = tile[r*64+c] * scale[r*lds] + bias[c], without the product if scale is empty and
	// without the sum if bias is empty.
	TileStore(dst []float32, ldd int, tile, scale []float32, lds int, bias []float32, rows, n int)

	// TileAdd is TileStore that adds: dst[r*ldd+c] = dst[r*ldd+c] + (what TileStore stores).
	TileAdd(dst []float32, ldd int, tile, scale []float32, lds int, bias []float32, rows, n int)

	// TileSwiGLU gates a tile, [rows][64]: with t = tile * scale[r*lds], or t = tile if scale is empty,
	// dst[r*ldd+c] = (t[r][c] / (1 + exp(-t[r][c]))) * t[r][32+c] for c < 32.
	TileSwiGLU(dst []float32, ldd int, tile, scale []float32, lds int, rows int)

	// RMSNorm normalizes one row of len(x) elements:
	// inv = 1/sqrt(sum16(x*x by FMA)/n + eps); dst[i] = (x[i]*inv)*gain[i], without the last
	// product if gain is empty. dst may be x (in place).
	RMSNorm(dst, x, gain []float32, eps float32)

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
