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
	// (k = 0 without acc clears dst). w may be longer than the panel: what follows is what is read next, and a
	// kernel may load it.
	GemmF32(dst []float32, ldd int, x []float32, ldx int, w []float32, width, k, rows int, acc bool)

	// GemmBF16 is GemmF32 over a panel of bfloat16 pairs, each widened exactly: the weight of
	// step i and column c is w[(i/2*width+c)*2+i%2]. w has (k+1)/2*width*2 elements; if k is odd the
	// last odd halves are read and not used.
	GemmBF16(dst []float32, ldd int, x []float32, ldx int, w []uint16, width, k, rows int, acc bool)

	// GemmBF16Dot multiplies rows of bfloat16 by one panel of 64 columns of bfloat16 pairs, a pair a
	// step, its odd half first:
	//
	//	dst[r*ldd+c] = fma(x[r*ldx+2p], w[(64p+c)*2], fma(x[r*ldx+2p+1], w[(64p+c)*2+1], …)) for p = 0..pairs-1
	//
	// starting from dst[r*ldd+c] if acc, else from +0. These FMAs know no numbers below the normal range
	// (2^-126): an operand there, dst included, is a zero of its sign, and so is a result that is there when
	// rounded to 24 bits. pairs, rows >= 0 (pairs = 0 without acc clears dst).
	GemmBF16Dot(dst []float32, ldd int, x []uint16, ldx int, w []uint16, pairs, rows int, acc bool)

	// RoundRow rounds a row to bfloat16, to nearest even. Numbers below the normal range become zeros of
	// their sign first. dst is len(x) long or longer, and zero behind x.
	RoundRow(dst []uint16, x []float32)

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
	//
	// next, if it is not empty, is what the caller will write next: 32 columns of as many rows, ldn apart. A kernel
	// may ask memory for it. tmp, QuantScratch bytes, is the kernel's own.
	GemmQ8(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool, next []float32, ldn int, tmp []byte)

	// GemmQ4 is GemmQ8 for 4-bit blocks. With block b of column c holding nibbles u[i], zero point 8, factors
	// f[j] and the scale s[c]:
	//
	//	n = Σ_i x[r*ldx+128b+i] * f[i/32] * (u[i] - 8)      exact, in 32 bits, in any order
	//	dst[r*ldd+c] = fma(float32(n), s[c], …)             b = 0..blocks-1 ascending
	//
	// A block has five sums: sums[r*lds+5b] is -128 times the sum of x in it, sums[r*lds+5b+1+j] -8 times that in
	// inputs 32j to 32j+31.
	GemmQ4(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool, next []float32, ldn int, tmp []byte)

	// GemvQ8 is GemmQ8 for one row and several halves of panels, len(dst)/32 of them, whose blocks follow one another:
	// dst[32h:32h+32] is what GemmQ8 makes of the blocks from w[4160*blocks*h] on, without acc.
	GemvQ8(dst []float32, x []int8, sums []int32, w []byte, blocks int)

	// GemvQ4 is GemvQ8 for 4-bit blocks, of 2176 bytes. tmp is as for GemmQ4.
	GemvQ4(dst []float32, x []int8, sums []int32, w []byte, blocks int, tmp []byte)

	// QuantizeRow rounds a row to integers: with m = max|x|, q[i] = rint(x[i]*(127/m)), to nearest
	// even, and scale = m/127. q is a multiple of block (a multiple of 32) and of x's length or longer,
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

	// LayerNorm normalizes one row of len(x) elements: mean = sum16(x)/n,
	// inv = 1/sqrt(sum16((x-mean)² by FMA)/n + eps); dst[i] = fma((x[i]-mean)*inv, gain[i], shift[i]). dst may
	// be x (in place).
	LayerNorm(dst, x, gain, shift []float32, eps float32)

	// SwiGLU is dst[i] = (g[i] / (1 + exp(-g[i]))) * x[i] for i < len(dst). In place if dst is g or x.
	SwiGLU(dst, g, x []float32)

	// Scan runs a selective scan over rows tokens of len(skip) channels. s[e,j], state j of channel e, is at
	// s[(e/16*states+j)*16+e%16]. With delta = Softplus(d[r*lds+e]), tokens r ascending and states ascending:
	//
	//	s[e,j] = fma(exp(delta*a[j*lda+e]), s[e,j], (delta*v[r*ldv+e])*b[r*ldb+j])
	//	dst[r*ldd+e] = fma(s[e,j], c[r*ldc+j], …)          starting from skip[e]*v[r*ldv+e]
	//
	// A row of a has as many channels as sixteens begun; those lanes, and those of s, without a channel are
	// treated as if v and d were zero. states, rows >= 0. In place if dst is v or d.
	Scan(dst []float32, ldd int, s, a []float32, lda int, skip, v []float32, ldv int, d []float32, lds int, b []float32, ldb int, c []float32, ldc, states, rows int)

	// GateNorm normalizes rows of n elements as RMSNorm without gain and gates them:
	// dst[r*ldd+i] = (g[r*ldg+i] / (1 + exp(-g[r*ldg+i]))) * ((o[r*ldo+i]+0)*inv[r]) for i < n; the addition
	// makes a negative zero positive. In place if dst is o or g.
	GateNorm(dst []float32, ldd int, o []float32, ldo int, g []float32, ldg, n, rows int, eps float32)

	// Convolve slides taps over rows, i ascending, one FMA a tap, for n columns:
	//
	//	dst[r*ldd+c] = fma(x[(r+i)*ldx+c], w[i*ldw+c], …) for i = 0..taps-1, 0 <= c < n, 0 <= r < rows
	//
	// starting from bias[c], or from +0 if bias is empty. With silu the result y is y / (1 + exp(-y)).
	// n, rows >= 0, taps > 0.
	Convolve(dst []float32, ldd int, x []float32, ldx int, w []float32, ldw int, bias []float32, taps, n, rows int, silu bool)

	// SiLU is dst[i] = x[i] / (1 + exp(-x[i])) for i < len(dst). In place if dst is x.
	SiLU(dst, x []float32)

	// Softmax turns rows of scores into weights in place. With p the scores of row r, blocks of 64 of them
	// from p[r*ldp] on, and those before lo and from hi on taken for -Inf: m = max(p), p[j] = 2^(p[j]-m) and
	// l = sum16 of p after that (lane = j%16). m and l go to stats[r*lds] and stats[r*lds+1].
	// 0 <= lo < hi <= 64*blocks. A maximum of zero is +0; a NaN takes no part in it. The kernel may fetch
	// ahead, which is read next, into the caches, from its start on and as much as it likes.
	Softmax(p []float32, ldp, rows, blocks, lo, hi int, stats []float32, lds int, ahead []byte)

	// SplitQueries rounds rows of queries, x of n elements, ldx apart, to integers of 8 bits: with y[i] = x[i]*factor,
	// m = max|y| and v[i] = rint(y[i]*(127/m)), to nearest even, q holds v as the level's ScoreQ8 wants it, in up to
	// two bytes for each element and for up to three zeros behind x, which make four; rows are ldq bytes apart. For
	// each row scale is m/127 and sums is -128 times the sum of v. If m < 2^-100, scale is +0 and v zero; if m is
	// infinite or not a number, so is scale, and v is zero. It fetches ahead as Softmax does.
	SplitQueries(q []int8, ldq int, x []float32, ldx, n, rows int, factor float32, scale []float32, sums []int32, ahead []byte)

	// ScoreQ8 multiplies rows of split queries by blocks of 64 quantized keys (see cache_q8.go). Key c of
	// block b has the bytes u[i], zero point 128, i < dim, and the scale s[b][c]; a block is 64*(dim+4) bytes:
	//
	//	n = sums[r] + Σ_i x[i] * u[i]      x of the query at q[r*ldq]; exact, in 32 bits, in any order
	//	dst[r*ldd+64b+c] = (float32(n) * s[b][c]) * scale[r]
	//
	// dim is a multiple of 4 from 4 to 1024, rows >= 0.
	ScoreQ8(dst []float32, ldd int, q []int8, ldq int, scale []float32, sums []int32, k []byte, dim, blocks, rows int)

	// SoftmaxQ8 is Softmax, and then rounds each row's weights, first multiplied by the scales of their tokens'
	// values, to integers: with s float32, t[j] = p[j]*s[j], or +0 where p[j] is zero, even if s[j] is not finite,
	// S = sum16 of t and n[j] = rint(t[j]*(16384/S)), to nearest even, up to four bytes a token from q[4*r*ldp] on
	// hold n as the level's WeighQ8 wants it, and stats[r*lds+2] = S/16384, stats[r*lds+3] = 16384/S. If S < 2^-100,
	// both are +0 and n zero; if S is infinite or not a number, the second is +0, the first is as S, and n is zero.
	// q may begin where p does, or before; p is undefined after that. s[j] >= 0 where p[j] is not zero, blocks <= 8.
	SoftmaxQ8(q []int8, p []float32, ldp, rows, blocks, lo, hi int, stats []float32, lds int, s, ahead []byte)

	// WeighQ8 multiplies rows of weights of SoftmaxQ8 by quantized values (see cache_q8.go). The panel that begins
	// with column c, of cols, a multiple of 16, begins at v[c*tokens]; w[j] are the integers of a column, of 64
	// times blocks tokens, as many as SoftmaxQ8 had, and x those of the row at p[r*ldp]:
	//
	//	n = Σ_j x[j] * w[j]                     exact, in 32 bits, in any order
	//	dst[r*ldd+c] = float32(n) * scale[r*lds]
	//
	// 0 < blocks <= 8, rows >= 0.
	WeighQ8(dst []float32, ldd int, p []int8, ldp int, scale []float32, lds int, v []byte, tokens, cols, blocks, rows int)

	// ScoreQ4 is ScoreQ8 over keys of 4-bit codes (see cache_q4.go): u[i] is 128 plus the level of the key's code i, dim is
	// a multiple of 8 from 8 to 1024, and a block is 32*(dim+8) bytes.
	ScoreQ4(dst []float32, ldd int, q []int8, ldq int, scale []float32, sums []int32, k []byte, dim, blocks, rows int)

	// WeighQ4 is WeighQ8 over values of 4-bit codes: w[j] is the level of the column's code j. The panel that begins
	// with column c begins at v[c*tokens/2].
	WeighQ4(dst []float32, ldd int, p []int8, ldp int, scale []float32, lds int, v []byte, tokens, cols, blocks, rows int)

	// Hadamard transforms blocks of n elements in place: for h = 1, 2, 4, … n/2, every two elements i and i+h of a block,
	// with i/h even, become x[i]+x[i+h] and x[i]-x[i+h]. n is a power of two from 16 on that divides len(x).
	Hadamard(x []float32, n int)

	// ExpDiff is dst[j] = exp(from - g[j]) for j < len(dst). In place if dst is g.
	ExpDiff(dst, g []float32, from float32)

	// Mul is dst[i] = a[i]*b[i] for i < len(dst). In place if dst is a or b.
	Mul(dst, a, b []float32)

	// Scale is dst[i] = x[i]*s for i < len(dst). In place if dst is x.
	Scale(dst, x []float32, s float32)

	// Merge is dst[i] = fma(x[i], b, dst[i]*a) for i < len(dst).
	Merge(dst, x []float32, a, b float32)

	// MergeParts brings partial attention results over a later segment, x, into those of the segments before it.
	// Both are rows of size floats, a multiple of 16 above 16: columns, then m, l and 14 that stay as they
	// are. With M the m of dst if that is greater, else that of x, a = 2^(m of dst - M) and
	// b = 2^(m of x - M), dst[i] = fma(x[i], b, dst[i]*a) for every column and for l, and m is M.
	MergeParts(dst, x []float32, size int)

	// Div is dst[i] = x[i]/s + 0 for i < len(dst); the addition makes a negative zero positive.
	// In place if dst is x.
	Div(dst, x []float32, s float32)

	// RopeInterleaved rotates rows of n elements, an even number: with d, x, c and s rows of dst, x, cos
	// and sin, which are ldd, ldx, ldp and ldp apart, d[i] = fma(x[i], c[i], x[i^1]*s[i]) for i < n. sin
	// carries the sign: negative for even i. In place if dst is x.
	RopeInterleaved(dst []float32, ldd int, x []float32, ldx int, cos, sin []float32, ldp, n, rows int)

	// RopeHalf is RopeInterleaved with d[i] = fma(x[i], c[i], x[(i+n/2)%n]*s[i]). sin is negative for
	// i < n/2. dst and x must not overlap.
	RopeHalf(dst []float32, ldd int, x []float32, ldx int, cos, sin []float32, ldp, n, rows int)

	// ScaleRows is dst[r*ldd+i] = x[r*ldx+i]*s[r] for i < n. In place if dst is x.
	ScaleRows(dst []float32, ldd int, x []float32, ldx int, s []float32, n, rows int)

	// Transpose is dst[i*ldd+r] = x[r*ldx+i]*s for i < n, r < rows.
	Transpose(dst []float32, ldd int, x []float32, ldx int, s float32, n, rows int)

	// Decay weighs what rows see of a block by its age: with n = len(g) and i = first+r < n,
	// p[r*ldp+j] = p[r*ldp+j] * exp(g[i]-g[j]) for j <= i, and 0 for i < j < n.
	Decay(p []float32, ldp int, g []float32, first, rows int)
}
