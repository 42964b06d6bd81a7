package kernel

import (
	"fmt"
	"math"
)

// The gated delta rule (Yang et al. 2024, arXiv 2412.06464, eq. 10), computed a block at a time. Per value
// head, with S = 0 before the first token, q and k of unit length and q scaled:
//
//	a_t = -exp(A) * softplus(α_t + dt)      β_t = Beta / (1 + exp(-b_t))
//	u_t = β_t * (v_t - k_t exp(a_t) S_(t-1))
//	S_t = exp(a_t) * S_(t-1) + k_tᵀ u_t
//	y_t = rmsnorm(q_t S_t) * norm, times silu(g_t) if there is a gate
//
// A block is 64 tokens, aligned to absolute positions, as in retention: S stays as it was before the
// block while the block is open; token i of it sees the rest through the block's own k, u and decays. u
// is the solution of a triangular system, whose row i needs the rows before it alone:
//
//	G_i = a_0 + … + a_i
//	u_i = β_i v_i - β_i exp(G_i) k_i S - Σ_(j<i) β_i exp(G_i - G_j) (k_i·k_j) u_j
//	o_i = exp(G_i) q_i S + Σ_(j<=i) exp(G_i - G_j) (q_i·k_j) u_j
//
// and after token 63, S = exp(G_63) * S + Σ_j exp(G_63 - G_j) k_jᵀ u_j. Every element is one chain of FMAs
// in that order, e and j ascending, whether its token comes alone or in a chunk: S is read once a token
// and written once a block.
//
// The rows of a chunk that lie in one block are multiplied together, q and k one below the other:
//
//	      Dim        64         Dim       width                   64        width
//	     ┌────┐    ┌─────┐    ┌────┐    ┌───────┐               ┌─────┐   ┌───────┐
//	rows │ q  │ Dim│ kT  │    │ q' │ Dim│   S   │     after Dim │ kT' │ 64│   u   │
//	     │ k  │    └─────┘    │ k' │    └───────┘     token 63  └─────┘   └───────┘
//	     └────┘               └────┘                          S = S*exp(G_63) + kT'·u
//	 p = (x·kT) * decays       q' = q * exp(G_i), k' = k * -β_i exp(G_i)
//	                           p_k has the factor -β_i too
//
//	u_i = β_i v_i + k'·S + p_k·u     some rows at a time over the u before them, then row by row
//	o   = q'·S + p_q·u, then o + 0   p_q is 0 for j > i, see retain.go
//
// Decays may be strong, so that G is large and in one float32 not exact enough for the differences of
// near tokens. It is kept as a multiple of 1/64, of which differences are exact, and a remainder r, whose
// exponentials are factors: keys are kept as k exp(-r), and what they multiply has a factor exp(r) too.

// A DeltaSpec describes the delta rule of one layer. Value head h reads q and k of head
// h/(ValueHeads/Heads). L2Eps is that of the lengths of q and k, Eps the head norm's.
type DeltaSpec struct {
	Heads, ValueHeads, Dim, ValueDim int
	Scale, Beta, L2Eps, Eps          float32
}

// DeltaState is the state of one layer of one session: parts of one memory, in this order.
//
//	s  [ValueHeads][panels][Dim][width]  S as of the last block boundary
//	k  [ValueHeads][Dim][64]             keys of the open block, with the factor exp(-r)
//	u  [ValueHeads][panels][64][width]   u of the open block
//	g  [ValueHeads][64]                  G of the open block, rounded to 1/64
//	r  [ValueHeads][64]                  what it was rounded by
//
// The panels are drawn in values.go. What the open block has not reached yet is left from the block
// before. Value heads that share keys have a copy each: none waits for another.
type DeltaState struct{ s, k, u, g, r []float32 }

// StateFloats is the size of a DeltaState's memory.
func (s *DeltaSpec) StateFloats() int {
	cols := valueCols(s.ValueDim)
	return s.ValueHeads * (s.Dim*cols + s.Dim*blockTokens + blockTokens*cols + 2*blockTokens)
}

// State returns the state kept in buf, StateFloats long; zeros are the state before any token.
func (s *DeltaSpec) State(buf []float32) DeltaState {
	if len(buf) < s.StateFloats() {
		panic(fmt.Sprintf("BUG: delta state has %d floats, want %d", len(buf), s.StateFloats()))
	}
	cols := valueCols(s.ValueDim)
	cut := func(n int) []float32 {
		x := buf[: s.ValueHeads*n : s.ValueHeads*n]
		buf = buf[s.ValueHeads*n:]
		return x
	}
	return DeltaState{s: cut(s.Dim * cols), k: cut(s.Dim * blockTokens), u: cut(blockTokens * cols), g: cut(blockTokens), r: cut(blockTokens)}
}

// Rewindable: S moves where a block ends, and rows of the open block are one token's each.
func (s *DeltaSpec) Rewindable(from, to int) bool { return sameBlock(from, to) }

// head returns the state of one value head.
func (st *DeltaState) head(h, dim, valueDim int) DeltaState {
	cols := valueCols(valueDim)
	return DeltaState{
		s: st.s[h*dim*cols:][:dim*cols],
		k: st.k[h*dim*blockTokens:][:dim*blockTokens],
		u: st.u[h*blockTokens*cols:][:blockTokens*cols],
		g: st.g[h*blockTokens:][:blockTokens],
		r: st.r[h*blockTokens:][:blockTokens],
	}
}

// Scratch is the scratch of Delta, in floats: decays, β, factors, and q over k, p and a panel of o over u
// of a block's rows; p's place later holds decayed keys.
func (s DeltaSpec) Scratch(rows int) int {
	rows = min(rows, blockTokens)
	return 4*blockTokens + roundUp(2*rows*s.Dim, line) + 4*blockTokens*blockTokens
}

// A deltaInput is what a routine of the delta rule reads: q and k [Heads*Dim] a row, v and g
// [ValueHeads*ValueDim], a and b [ValueHeads]; g is empty if there is no gate. The weights aLog and dt
// are [ValueHeads], norm is [ValueDim].
type deltaInput struct {
	q, k, v, a, b, g Rows
	aLog, dt, norm   []float32
}

// Delta advances the state by rows tokens from position pos on and writes their normed outputs to dst,
// [ValueHeads*ValueDim] a row, which is none of the inputs. Workers share value heads.
func Delta(w *Worker, s *DeltaSpec, dst, q, k, v, a, b Rows, aLog, dt, norm []float32, st *DeltaState, pos, rows int) {
	s.advance(w, dst, &deltaInput{q: q, k: k, v: v, a: a, b: b, aLog: aLog, dt: dt, norm: norm}, st, pos, rows)
}

// DeltaGated is Delta with the gate g.
func DeltaGated(w *Worker, s *DeltaSpec, dst, q, k, v, a, b, g Rows, aLog, dt, norm []float32, st *DeltaState, pos, rows int) {
	s.advance(w, dst, &deltaInput{q, k, v, a, b, g, aLog, dt, norm}, st, pos, rows)
}

func (s *DeltaSpec) advance(w *Worker, dst Rows, in *deltaInput, st *DeltaState, pos, rows int) {
	for h := range w.Every(s.ValueHeads, rows) {
		state, key, col := st.head(h, s.Dim, s.ValueDim), h/(s.ValueHeads/s.Heads)*s.Dim, h*s.ValueDim
		for r := 0; r < rows; {
			i := (pos + r) % blockTokens
			n := min(blockTokens-i, rows-r)
			t := newDeltaTile(w, s, state, i, n)
			t.gated = in.g.Data != nil
			t.gates(in, h, r)
			t.addKeys(in.q.Cols(key).From(r), in.k.Cols(key).From(r))
			t.score()
			out := dst.Cols(col).From(r)
			for c, width := 0, 0; c < t.cols; c += width {
				width = panelWidth(t.cols - c)
				t.solve(out, in.v.Cols(col).From(r), c, width)
			}
			t.normHeads(out, in, col, r)
			if i+n == blockTokens {
				t.closeBlock()
			}
			r += n
		}
	}
}

// deltaTile is the work on n rows of one value head that lie in one block, tokens i … of it.
type deltaTile struct {
	*DeltaSpec
	set     Set
	st      DeltaState
	i, n    int
	cols    int
	gated   bool
	decay   []float32 // [64]
	beta    []float32 // [n]
	factors []float32 // [2n] of rows of p, then of x
	x       []float32 // [2n][Dim] q over k
	p       []float32 // [2n][64], and [64][64] decayed keys
	results []float32 // [2n][width] o over u
}

func newDeltaTile(w *Worker, s *DeltaSpec, st DeltaState, i, n int) deltaTile {
	free := pieces(w.Scratch)
	return deltaTile{
		DeltaSpec: s, set: w.Set, st: st, i: i, n: n, cols: valueCols(s.ValueDim),
		decay: free.take(blockTokens), beta: free.take(n), factors: free.take(2 * n), x: free.take(2 * n * s.Dim),
		p: free.take(2 * blockTokens * blockTokens), results: free.take(2 * n * blockTokens),
	}
}

// gates adds the decays of value head h to the open block, and sets the betas.
func (t *deltaTile) gates(in *deltaInput, h, r int) {
	const (
		grain  = 64
		lowest = -4096 // e to it, or to less, is zero
	)
	sum, rate := 0.0, float64(Exp(in.aLog[h]))
	if t.i > 0 {
		sum = float64(t.st.g[t.i-1]) + float64(t.st.r[t.i-1])
	}
	for j := range t.n {
		softplus := -LogSigmoid(-(in.a.Row(r+j, h+1)[h] + in.dt[h]))
		sum += max(-rate*float64(softplus), lowest) // the product of two float32 is exact
		rounded := math.Round(sum*grain) / grain
		t.st.g[t.i+j], t.st.r[t.i+j] = float32(rounded), float32(sum-rounded)
		sum = rounded + float64(t.st.r[t.i+j])
		t.beta[j] = t.Beta / (1 + Exp(-in.b.Row(r+j, h+1)[h]))
	}
}

// addKeys adds the rows of k to the open block, and leaves in x those of k likewise and those of q with a
// root mean square of one.
func (t *deltaTile) addKeys(q, k Rows) {
	eps, keys := t.L2Eps/float32(t.Dim), t.x[t.n*t.Dim:]
	for j := range t.n {
		t.set.RMSNorm(t.x[j*t.Dim:][:t.Dim], q.Row(j, t.Dim), nil, eps)
		t.set.RMSNorm(keys[j*t.Dim:][:t.Dim], k.Row(j, t.Dim), nil, eps)
	}
	factors := t.factors[:t.n]
	t.set.ExpDiff(factors, t.st.r[t.i:t.i+t.n], 0)
	t.set.Scale(factors, factors, t.length(1))
	t.set.ScaleRows(keys, t.Dim, keys, t.Dim, factors, t.Dim, t.n)
	t.set.Transpose(t.st.k[t.i:], blockTokens, keys, t.Dim, 1, t.Dim, t.n)
}

// length is what makes a vector with a root mean square of one as long as that.
func (t *deltaTile) length(n float32) float32 {
	return float32(float64(n) / math.Sqrt(float64(t.Dim)))
}

// score computes p, and makes q and k of x what multiplies S.
func (t *deltaTile) score() {
	t.set.GemmF32(t.p, blockTokens, t.x, t.Dim, t.st.k, blockTokens, t.Dim, 2*t.n, false)
	t.set.Decay(t.p, blockTokens, t.st.g, t.i, t.n)
	t.set.Decay(t.p[t.n*blockTokens:], blockTokens, t.st.g, t.i, t.n)
	ofQ, ofK, exps := t.factors[:t.n], t.factors[t.n:], t.decay[:t.n]
	t.exps(exps, t.st.r)
	t.set.Scale(ofQ, exps, t.length(t.Scale))
	t.set.Mul(ofK, exps, exps) // once more for the row's own exp(-r)
	t.set.Mul(ofK, ofK, t.beta)
	t.set.Scale(ofK, ofK, -1)
	t.set.ScaleRows(t.p, blockTokens, t.p, blockTokens, t.factors, blockTokens, 2*t.n)

	t.exps(exps, t.st.g)
	t.set.Mul(ofQ, ofQ, exps)
	t.set.Mul(ofK, ofK, exps)
	t.set.ScaleRows(t.x, t.Dim, t.x, t.Dim, t.factors, t.Dim, 2*t.n)
}

// exps sets dst to the exponentials of the rows' own of a block's numbers.
func (t *deltaTile) exps(dst, x []float32) {
	t.set.Scale(dst, x[t.i:t.i+t.n], -1)
	t.set.ExpDiff(dst, dst, 0)
}

// solveRows is how many rows of u are computed together as far as they depend on the rows before them:
// a kernel's tile.
const solveRows = 6

// solve computes columns c … of u and of o, a panel of S.
func (t *deltaTile) solve(out, v Rows, c, width int) {
	real := min(width, t.ValueDim-c)
	results := t.results[:2*t.n*width]
	o, u := results[:t.n*width], results[t.n*width:]
	if real < width {
		clear(u)
	}
	clear(o)
	t.set.ScaleRows(u, width, v.Data[c:], v.Stride, t.beta, real, t.n)
	t.set.GemmF32(results, width, t.x, t.Dim, t.st.s[c*t.Dim:][:width*t.Dim], width, t.Dim, 2*t.n, true)

	block := t.st.u[c*blockTokens:][:width*blockTokens]
	copy(block[t.i*width:], u)
	for j := 0; j < t.n; j += solveRows {
		n, done := min(solveRows, t.n-j), t.i+j
		pk := t.p[(t.n+j)*blockTokens:]
		t.set.GemmF32(block[done*width:], width, pk, blockTokens, block[:done*width], width, done, n, true)
		for m := 1; m < n; m++ {
			at := (done + m) * width
			t.set.GemmF32(block[at:], width, pk[m*blockTokens+done:], blockTokens, block[done*width:at], width, m, 1, true)
		}
	}

	addSeen(t.set, t.decay, o, width, t.p, block, width, t.i, t.n)
	if !t.gated {
		t.set.Div(o, o, 1) // o + 0, which is else GateNorm's
	}
	copyRows(t.set, out.Data[c:], out.Stride, Rows{o, width}, real, t.n)
}

// normHeads norms and gates the outputs.
func (t *deltaTile) normHeads(out Rows, in *deltaInput, col, r int) {
	if t.gated {
		gate := in.g.Cols(col).From(r)
		t.set.GateNorm(out.Data, out.Stride, out.Data, out.Stride, gate.Data, gate.Stride, t.ValueDim, t.n, t.Eps)
	}
	for j := range t.n {
		y := out.Row(j, t.ValueDim)
		if t.gated {
			t.set.Mul(y, y, in.norm)
		} else {
			t.set.RMSNorm(y, y, in.norm, t.Eps)
		}
	}
}

// closeBlock moves S to the block's end.
func (t *deltaTile) closeBlock() {
	end, last := t.st.g[blockTokens-1], Exp(t.st.r[blockTokens-1])
	t.set.ExpDiff(t.decay, t.st.g, end)
	t.set.Scale(t.decay, t.decay, last)
	t.set.Scale(t.st.s, t.st.s, Exp(end)*last)
	for e := 0; e < t.Dim; e += blockTokens {
		n := min(blockTokens, t.Dim-e)
		for j := range n {
			t.set.Mul(t.p[j*blockTokens:][:blockTokens], t.st.k[(e+j)*blockTokens:][:blockTokens], t.decay)
		}
		for c, width := 0, 0; c < t.cols; c += width {
			width = panelWidth(t.cols - c)
			dst, panel := t.st.s[c*t.Dim+e*width:], t.st.u[c*blockTokens:][:width*blockTokens]
			t.set.GemmF32(dst, width, t.p, blockTokens, panel, width, blockTokens, n, true)
		}
	}
}

// Export returns S after pos tokens, [ValueHeads][Dim][ValueDim]: the boundary state with the open block
// folded in, in float64.
func (s *DeltaSpec) Export(st *DeltaState, pos int) []Tensor {
	n, out := pos%blockTokens, make([]float32, 0, s.ValueHeads*s.Dim*s.ValueDim)
	for h := range s.ValueHeads {
		head := st.head(h, s.Dim, s.ValueDim)
		decay, before := make([]float64, n), 1.0
		for j := range decay { // keys have the factor exp(-r)
			decay[j] = math.Exp(float64(head.g[n-1]) + float64(head.r[n-1]) - float64(head.g[j]))
		}
		if n > 0 {
			before = math.Exp(float64(head.g[n-1]) + float64(head.r[n-1]))
		}
		out = appendFolded(out, head.s, head.k, head.u, s.Dim, s.ValueDim, decay, before)
	}
	return []Tensor{{"S", []int{s.ValueHeads, s.Dim, s.ValueDim}, out}}
}
