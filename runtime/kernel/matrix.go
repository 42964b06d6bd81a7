package kernel

import "math"

// Rows are rows of activations: row r starts at Data[r*Stride].
type Rows struct {
	Data   []float32
	Stride int
}

// Row returns the first n elements of row r.
func (x Rows) Row(r, n int) []float32 {
	at := r * x.Stride
	return x.Data[at : at+n : at+n]
}

// Cols returns the same rows from column from on.
func (x Rows) Cols(from int) Rows { return Rows{x.Data[from:], x.Stride} }

// PanelCols is the number of matrix rows, which are output columns, that lie side by side in a
// panel: a kernel keeps one accumulator for each of them.
const PanelCols = 64

// A Matrix holds the weights of a linear layer, N outputs of K inputs, as ceil(N/64) panels. In a
// panel the outputs are columns, so that a vector holds one input's weights for many outputs:
//
//	row-major [N][K]              panel p of float32: [K][64]       of bfloat16: [ceil(K/2)][64][2]
//	  n,0  n,1  n,2  …              n,0   n+1,0   …  n+63,0           n,0 n,1   n+1,0 n+1,1   …
//	  n+1,0 n+1,1    …      ─▶      n,1   n+1,1   …  n+63,1           n,2 n,3   n+1,2 n+1,3   …
//	  …                             …                    n = 64p      …
//
// Columns past N and an odd K's last halves are zero. Quantized panels are in quant.go. One of the
// formats is set. Rounds says that activations are rounded to bfloat16 too before bfloat16 weights
// multiply them; quantized weights always multiply quantized ones.
type Matrix struct {
	N, K   int
	F32    []float32
	BF16   []uint16
	Q8, Q4 []byte
	Rounds bool
}

// PackedF32 is the length of a float32 Matrix's data.
func PackedF32(n, k int) int { return roundUp(n, PanelCols) * k }

// PackedBF16 is the length of a bfloat16 Matrix's data.
func PackedBF16(n, k int) int { return roundUp(n, PanelCols) * roundUp(k, 2) }

// PackF32 writes the panels of a row-major matrix [n][k] to dst, PackedF32(n, k) long. Panels are
// independent: a large matrix may be packed 64 rows at a time.
func PackF32(dst, rowMajor []float32, n, k int) {
	for p := 0; p < n; p += PanelCols {
		panel := dst[p*k:][:PanelCols*k]
		for from := 0; from < k; from += PanelCols { // squares, for the cache's sake
			to := min(from+PanelCols, k)
			for c := range PanelCols {
				for i := from; i < to; i++ {
					var x float32
					if p+c < n {
						x = rowMajor[(p+c)*k+i]
					}
					panel[i*PanelCols+c] = x
				}
			}
		}
	}
}

// PackBF16 is PackF32 for bfloat16; dst is PackedBF16(n, k) long.
func PackBF16(dst, rowMajor []uint16, n, k int) {
	even := roundUp(k, 2)
	for p := 0; p < n; p += PanelCols {
		panel := dst[p*even:][:PanelCols*even]
		for from := 0; from < even; from += PanelCols {
			to := min(from+PanelCols, even)
			for c := range PanelCols {
				for i := from; i < to; i++ {
					var x uint16
					if p+c < n && i < k {
						x = rowMajor[(p+c)*k+i]
					}
					panel[pair(i, c, PanelCols)] = x
				}
			}
		}
	}
}

// pair is the index of step i and column c in a bfloat16 panel of a width.
func pair(i, c, width int) int { return (i/2*width+c)*2 + i%2 }

// swigluCols is how many columns of a SwiGLU panel are gate columns; as many up columns follow.
const swigluCols = PanelCols / 2

// SwiGLUWidth is the width of the output of LinearSwiGLU for a hidden size.
func SwiGLUWidth(hidden int) int { return roundUp(hidden, swigluCols) }

// InterleaveSwiGLU writes the row-major matrix that PackF32 or PackBF16 makes LinearSwiGLU's
// panels of: 32 rows of gate, the same 32 rows of up, and so on, zero rows past hidden. gate and
// up are [hidden][k], dst is [2*SwiGLUWidth(hidden)][k].
func InterleaveSwiGLU[T float32 | uint16](dst, gate, up []T, hidden, k int) {
	for at := 0; at < SwiGLUWidth(hidden); at += swigluCols {
		group := dst[2*at*k:][:PanelCols*k]
		from, to := at*k, min(at+swigluCols, hidden)*k
		clear(group)
		copy(group, gate[from:to])
		copy(group[swigluCols*k:], up[from:to])
	}
}

func (m *Matrix) panels() int { return (m.N + PanelCols - 1) / PanelCols }

// CopyRow writes row n of the matrix to dst, K long.
func (m *Matrix) CopyRow(dst []float32, n int) {
	p, c := n/PanelCols*PanelCols, n%PanelCols
	switch {
	case m.quantized():
		m.copyQuantizedRow(dst[:m.K], n)
		return
	case m.BF16 != nil:
		panel := m.BF16[p*roundUp(m.K, 2):]
		for i := range m.K {
			dst[i] = BF16ToFloat32(panel[pair(i, c, PanelCols)])
		}
		return
	}
	panel := m.F32[p*m.K:]
	for i := range m.K {
		dst[i] = panel[i*PanelCols+c]
	}
}

// quantized reports whether the matrix has a format of integers.
func (m *Matrix) quantized() bool { return m.Q8 != nil || m.Q4 != nil }

// rounds reports whether activations are rounded for the matrix.
func (m *Matrix) rounds() bool { return m.Rounds && m.BF16 != nil }

// gemm multiplies columns [from, to) of rows of x, from row first on, by the same steps of panel p, or of one half of it
// if m is quantized; from is a multiple of a block. It adds to dst, [rows][64], unless from is 0. tmp is QuantScratch
// bytes for a quantized matrix. Quantized kernels ask for next, the rows that the half will be brought to.
func (m *Matrix) gemm(set Set, dst []float32, x *factor, first, p, half, from, to, rows int, next Rows, tmp []byte) {
	if m.quantized() {
		m.gemmHalf(set, dst[half*halfCols:], &x.quantized, first, 2*p+half, from, to, rows, next, tmp)
		return
	}
	k := to - from
	if m.rounds() {
		panel := m.BF16[(p*roundUp(m.K, 2)+from)*PanelCols:][:roundUp(k, 2)*PanelCols]
		set.GemmBF16Dot(dst, PanelCols, x.rounded.x[first*x.rounded.stride+from:], x.rounded.stride, panel, RoundedWidth(k), rows, from > 0)
		return
	}
	in := x.Data[first*x.Stride+from:]
	if m.BF16 != nil {
		panel := m.BF16[(p*roundUp(m.K, 2)+from)*PanelCols:][:roundUp(k, 2)*PanelCols]
		set.GemmBF16(dst, PanelCols, in, x.Stride, panel, PanelCols, k, rows, from > 0)
		return
	}
	panel := m.F32[(p*m.K+from)*PanelCols:]
	set.GemmF32(dst, PanelCols, in, x.Stride, panel, PanelCols, k, rows, from > 0)
}

// gemmHalf is gemm for half h of all the quantized ones of m.
func (m *Matrix) gemmHalf(set Set, dst []float32, x *quantized, first, h, from, to, rows int, next Rows, tmp []byte) {
	n, at := blocksOf(to-from, Q8Block), h*blocksOf(m.K, Q8Block)+from/Q8Block
	in, ldx, sums, lds := x.at(first, from)
	if m.Q4 != nil {
		w := m.Q4[at*q4Bytes:][:n*q4Bytes]
		set.GemmQ4(dst, PanelCols, in, ldx, sums, lds, w, n, rows, from > 0, next.Data, next.Stride, tmp)
		return
	}
	w := m.Q8[at*q8Bytes:][:n*q8Bytes]
	set.GemmQ8(dst, PanelCols, in, ldx, sums, lds, w, n, rows, from > 0, next.Data, next.Stride, tmp)
}

// gemv multiplies one row of x by as many quantized panels from p on as fill dst.
func (m *Matrix) gemv(set Set, dst []float32, x *quantized, p int, tmp []byte) {
	blocks, bytes, n := blocksOf(m.K, Q8Block), m.panelBytes(), len(dst)/PanelCols
	if m.Q4 != nil {
		set.GemvQ4(dst, x.x, x.sums, m.Q4[p*bytes:][:n*bytes], blocks, tmp)
		return
	}
	set.GemvQ8(dst, x.x, x.sums, m.Q8[p*bytes:][:n*bytes], blocks)
}

// panelBytes is the size of a panel of a quantized matrix.
func (m *Matrix) panelBytes() int {
	if m.Q4 != nil {
		return PackedQ4(PanelCols, m.K)
	}
	return PackedQ8(PanelCols, m.K)
}

// Float32ToBF16 rounds to the nearest bfloat16, ties to even. A NaN stays one.
func Float32ToBF16(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16) | 0x40 // quiet, so that no payload bit is needed below
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// BF16ToFloat32 widens exactly.
func BF16ToFloat32(x uint16) float32 { return math.Float32frombits(uint32(x) << 16) }
