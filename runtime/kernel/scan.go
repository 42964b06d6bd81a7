package kernel

import "fmt"

// Selective scan (Gu and Dao 2023, algorithm 2; arXiv 2312.00752). For channel e and its states j, S = 0
// before the first token:
//
//	delta   = softplus(d)
//	S[e,j]  = exp(delta[e] * A[e,j]) * S[e,j] + (delta[e] * v[e]) * B[j]
//	m[e]    = D[e] * v[e] + Σ_j C[j] * S[e,j]                             j ascending
//
// Tokens follow one another whether they come alone or in a chunk, so one formula serves both. Sixteen
// channels are the lanes of a group, whose S stays in the nearest cache while all rows pass over it. A is
// [States][Channels rounded up to 16]: a worker that has many rows copies its part of it, since rows that far
// apart fall into one set of that cache.

// A ScanSpec describes the selective scan of one layer.
type ScanSpec struct{ Channels, States int }

// A Scanned is the state of one layer of one session: [groups][States][16], S after the last token.
type Scanned struct{ s []float32 }

// groups is the number of groups of channels.
func (s *ScanSpec) groups() int { return (s.Channels + line - 1) / line }

// StateFloats is the size of a Scanned's memory.
func (s *ScanSpec) StateFloats() int { return s.groups() * s.States * line }

// State returns the state kept in buf, StateFloats long; zeros are the state before any token.
func (s *ScanSpec) State(buf []float32) Scanned {
	if len(buf) < s.StateFloats() {
		panic(fmt.Sprintf("BUG: scan state has %d floats, want %d", len(buf), s.StateFloats()))
	}
	return Scanned{buf[:s.StateFloats():s.StateFloats()]}
}

// Rewindable: S moves with every token.
func (s *ScanSpec) Rewindable(from, to int) bool { return from == to }

// Export returns S after any number of tokens, [Channels States].
func (s *ScanSpec) Export(st *Scanned, _ int) []Tensor {
	out := make([]float32, 0, s.Channels*s.States)
	for e := range s.Channels {
		for j := range s.States {
			out = append(out, st.s[(e/line*s.States+j)*line+e%line])
		}
	}
	return []Tensor{{"ssm", []int{s.Channels, s.States}, out}}
}

// scanGroups is how many groups of channels a worker takes at a time.
const scanGroups = 4

// copiedRows is from how many rows on a worker copies its part of A.
const copiedRows = 8

// Scratch is the scratch of SelectiveScan, in floats.
func (s ScanSpec) Scratch(int) int { return s.States * scanGroups * line }

// SelectiveScan advances the state by rows tokens and writes their outputs m to dst. v, d and dst are [Channels] a
// row, b and c [States]; a is A, skip is D. dst may be v or d. The position is not looked at. Workers share
// channels.
func SelectiveScan(w *Worker, s *ScanSpec, dst, v, d, b, c Rows, a, skip []float32, st *Scanned, _, rows int) {
	lda := s.groups() * line
	units := (s.groups() + scanGroups - 1) / scanGroups
	for u := range w.Every(units, rows) {
		from := u * scanGroups * line
		to := min(from+scanGroups*line, s.Channels)
		rates, ld := a[from:], lda
		if n := roundUp(to, line) - from; rows >= copiedRows {
			free := pieces(w.Scratch)
			rates, ld = free.take(s.States*n), n
			for j := range s.States {
				copy(rates[j*n:][:n], a[j*lda+from:])
			}
		}
		state := st.s[from*s.States : roundUp(to, line)*s.States]
		w.Set.Scan(dst.Data[from:], dst.Stride, state, rates, ld, skip[from:to], v.Data[from:], v.Stride, d.Data[from:], d.Stride, b.Data, b.Stride, c.Data, c.Stride, s.States, rows)
	}
}

// The polynomial of Softplus: 1 + e (s0 + s1 e + … + s8 e⁸) is within 3.2e-8 of log(1+e)/e (relative) for
// 0 <= e <= 1.
var softplusS = [...]float32{
	-0x1.fffffep-2, 0x1.55540cp-2, -0x1.ffb95cp-3, 0x1.969cb2p-3, -0x1.448ee2p-3,
	0x1.d992bcp-4, -0x1.11708cp-4, 0x1.9d455ap-6, -0x1.24b298p-8,
}

// Softplus is log(1+e^x) by the operations that every level uses: with e = Exp(-|x|), and
// p = s8; p = fma(p, e, s7); … p = fma(p, e, s0); p = fma(p, e, 1),
//
//	fma(p, e, max(x, 0))
func Softplus(x float32) float32 {
	e := Exp(-abs(x))
	p := softplusS[len(softplusS)-1]
	for i := len(softplusS) - 2; i >= 0; i-- {
		p = FMA(p, e, softplusS[i])
	}
	return FMA(FMA(p, e, 1), e, max(x, 0))
}

// Scan implements Set.
func (Portable) Scan(dst []float32, ldd int, s, a []float32, lda int, skip, v []float32, ldv int, d []float32, lds int, b []float32, ldb int, c []float32, ldc, states, rows int) {
	for from := 0; from < len(skip); from += line {
		n := min(line, len(skip)-from)
		for r := range rows {
			var x, delta, y [line]float32
			for i := range n {
				x[i], y[i] = v[r*ldv+from+i], skip[from+i]*v[r*ldv+from+i]
				delta[i] = d[r*lds+from+i]
			}
			for i := range delta {
				delta[i] = Softplus(delta[i])
				x[i] *= delta[i]
			}
			for j := range states {
				at := (from/line*states + j) * line
				row, rate, bj, cj := s[at:at+line], a[j*lda+from:][:line], b[r*ldb+j], c[r*ldc+j]
				for i := range row {
					row[i] = FMA(Exp(float32(delta[i]*rate[i])), row[i], float32(x[i]*bj))
					y[i] = FMA(row[i], cj, y[i])
				}
			}
			copy(dst[r*ldd+from:][:n], y[:])
		}
	}
}
