package kernel

import (
	"fmt"
	"math"
)

// Gated retention (Sun et al. 2024, section 3.1, eq. 5), computed a block at a time. Per head, with
// k already scaled and S = 0 before the first token:
//
//	a_t = logsigmoid(logit_t) / normalizer
//	S_t = exp(a_t) * S_(t-1) + k_tᵀ v_t
//	y_t = silu(g_t) * rmsnorm(q_t S_t)
//
// A block is 64 tokens, aligned to absolute positions. S stays as it was before the block while
// the block is open; token i of it sees the rest through the block's own k, v and decays:
//
//	G_i = a_0 + … + a_i
//	o_i = exp(G_i) * q_i S + Σ_(j<=i) exp(G_i - G_j) (q_i·k_j) v_j
//
// and after token 63, S = exp(G_63) * S + Σ_j exp(G_63 - G_j) k_jᵀ v_j. Every token is computed by
// this one formula, e and j ascending, whether it comes alone or in a chunk: S is read once a
// token and written once a block.
//
// The rows of a chunk that lie in one block are multiplied together:
//
//	      Dim        64        width                    64        width
//	     ┌────┐    ┌─────┐    ┌─────┐                  ┌─────┐   ┌─────┐
//	rows │ q  │ Dim│ kT  │ Dim│  S  │       after  Dim │ kT' │ 64│  v  │
//	     └────┘    └─────┘    └─────┘       token 63   └─────┘   └─────┘
//	     p = (q·kT) * decays, 0 for j > i              S = S*exp(G_63) + kT'·v
//	     o = (q·S) * exp(G_i) + p·v, then o + 0        kT'_j = kT_j * exp(G_63 - G_j)
//
// A zero p adds nothing but may turn a negative zero positive; the sum o + 0, which is GateNorm's, does that
// always, so that the number of zeros can't matter.

// A RetainSpec describes the retention of one layer. KScale multiplies the rotated k, Eps is the
// head norm's, a nil Rope rotates nothing.
type RetainSpec struct {
	Heads, Dim              int
	Normalizer, KScale, Eps float32
	Rope                    *Rope
}

// Retention is the state of one layer of one session: parts of one memory, in this order.
//
//	s  [Heads][panels][Dim][width]  S as of the last block boundary
//	k  [Heads][Dim][64]             keys of the open block, rotated and scaled
//	v  [Heads][panels][64][width]   values of the open block
//	g  [Heads][64]                  G of the open block
//
// The panels are drawn in values.go. What the open block has not reached yet is left from the block
// before.
type Retention struct{ s, k, v, g []float32 }

// StateFloats is the size of a Retention's memory.
func (s *RetainSpec) StateFloats() int {
	return s.Heads * (s.Dim*valueCols(s.Dim) + s.Dim*blockTokens + blockTokens*valueCols(s.Dim) + blockTokens)
}

// State returns the state kept in buf, StateFloats long; zeros are the state before any token.
func (s *RetainSpec) State(buf []float32) Retention {
	if len(buf) < s.StateFloats() {
		panic(fmt.Sprintf("BUG: retention state has %d floats, want %d", len(buf), s.StateFloats()))
	}
	cols := valueCols(s.Dim)
	cut := func(n int) []float32 {
		x := buf[: s.Heads*n : s.Heads*n]
		buf = buf[s.Heads*n:]
		return x
	}
	return Retention{s: cut(s.Dim * cols), k: cut(s.Dim * blockTokens), v: cut(blockTokens * cols), g: cut(blockTokens)}
}

// Rewindable: S moves where a block ends, and rows of the open block are one token's each.
func (s *RetainSpec) Rewindable(from, to int) bool { return sameBlock(from, to) }

// head returns the state of one head.
func (st *Retention) head(h, dim int) Retention {
	cols := valueCols(dim)
	return Retention{
		s: st.s[h*dim*cols:][:dim*cols],
		k: st.k[h*dim*blockTokens:][:dim*blockTokens],
		v: st.v[h*blockTokens*cols:][:blockTokens*cols],
		g: st.g[h*blockTokens:][:blockTokens],
	}
}

// RetainScratch is the scratch of Retain, in floats: decays, and q, o, p of a block's rows; o's place
// first holds keys, p's later decayed keys.
func RetainScratch(dim, rows int) int {
	rows = min(rows, blockTokens)
	return blockTokens + roundUp(rows*dim, line) + rows*valueCols(dim) + blockTokens*blockTokens
}

// Retain advances the state by rows tokens from position pos on and writes their gated, normed
// outputs to dst. q, k, v, g and dst are [Heads*Dim] a row, a is [Heads] gate logits a row; dst may
// be any of q, k, v, g. Workers share heads.
func Retain(w *Worker, s *RetainSpec, dst, q, k, v, g, a Rows, st *Retention, ph Phases, pos, rows int) {
	for h := range w.Every(s.Heads, rows) {
		state, col := st.head(h, s.Dim), h*s.Dim
		for r := 0; r < rows; {
			i := (pos + r) % blockTokens
			n := min(blockTokens-i, rows-r)
			t := newRetainTile(w, s.Dim, n)
			t.extend(s, &state, k.Cols(col), v.Cols(col), a.Cols(h), ph, r, i)
			t.query(s, &state, q.Cols(col), ph, r, i)
			out, gate := dst.From(r).Cols(col), g.From(r).Cols(col)
			w.Set.GateNorm(out.Data, out.Stride, t.o, t.cols, gate.Data, gate.Stride, s.Dim, n, s.Eps)
			if i+n == blockTokens {
				t.fold(s, &state)
			}
			r += n
		}
	}
}

// retainTile is the work on n rows of one head that lie in one block.
type retainTile struct {
	set     Set
	n, cols int
	decay   []float32 // [64]
	q       []float32 // [n][Dim] rotated
	o       []float32 // [n][cols] output before the norm, and first [n][Dim] keys
	p       []float32 // [n][64], and [64][64] decayed keys
}

func newRetainTile(w *Worker, dim, n int) retainTile {
	free := pieces(w.Scratch)
	return retainTile{
		set: w.Set, n: n, cols: valueCols(dim),
		decay: free.take(blockTokens),
		q:     free.take(n * dim), o: free.take(n * valueCols(dim)), p: free.take(blockTokens * blockTokens),
	}
}

// extend adds the rows from r on to the open block, from its token i on.
func (t *retainTile) extend(s *RetainSpec, st *Retention, k, v, a Rows, ph Phases, r, i int) {
	sum := float32(0)
	if i > 0 {
		sum = st.g[i-1]
	}
	for j := range t.n {
		sum += LogSigmoid(a.Data[(r+j)*a.Stride]) / s.Normalizer
		st.g[i+j] = sum
	}
	s.Rope.applyRows(t.set, t.o, k.From(r), ph.From(r), s.Dim, t.n) // where o is to come
	t.set.Transpose(st.k[i:], blockTokens, t.o, s.Dim, s.KScale, s.Dim, t.n)
	for c, width := 0, 0; c < s.Dim; c += width {
		width = panelWidth(t.cols - c)
		copyRows(t.set, st.v[c*blockTokens+i*width:], width, v.From(r).Cols(c), min(width, s.Dim-c), t.n)
	}
}

// query computes o of the rows from r on, which are tokens i … of the open block.
func (t *retainTile) query(s *RetainSpec, st *Retention, q Rows, ph Phases, r, i int) {
	s.Rope.applyRows(t.set, t.q, q.From(r), ph.From(r), s.Dim, t.n)
	for c, width := 0, 0; c < t.cols; c += width {
		width = panelWidth(t.cols - c)
		t.set.GemmF32(t.o[c:], t.cols, t.q, s.Dim, st.s[c*s.Dim:][:width*s.Dim], width, s.Dim, t.n, false)
	}
	t.set.GemmF32(t.p, blockTokens, t.q, s.Dim, st.k, blockTokens, s.Dim, t.n, false)
	since := t.decay[:t.n]
	t.set.Scale(since, st.g[i:i+t.n], -1)
	t.set.ExpDiff(since, since, 0) // exp(0+G)
	t.set.ScaleRows(t.o, t.cols, t.o, t.cols, since, t.cols, t.n)
	t.set.Decay(t.p, blockTokens, st.g, i, t.n)
	for c, width := 0, 0; c < t.cols; c += width {
		width = panelWidth(t.cols - c)
		addSeen(t.set, t.decay, t.o[c:], t.cols, t.p, st.v[c*blockTokens:][:width*blockTokens], width, i, t.n)
	}
}

// fold closes the block: S moves to the block's end.
func (t *retainTile) fold(s *RetainSpec, st *Retention) {
	end := st.g[blockTokens-1]
	t.set.ExpDiff(t.decay, st.g, end)
	t.set.Scale(st.s, st.s, Exp(end))
	for e := 0; e < s.Dim; e += blockTokens {
		n := min(blockTokens, s.Dim-e)
		for j := range n {
			t.set.Mul(t.p[j*blockTokens:][:blockTokens], st.k[(e+j)*blockTokens:][:blockTokens], t.decay)
		}
		for c, width := 0, 0; c < t.cols; c += width {
			width = panelWidth(t.cols - c)
			dst, panel := st.s[c*s.Dim+e*width:], st.v[c*blockTokens:][:width*blockTokens]
			t.set.GemmF32(dst, width, t.p, blockTokens, panel, width, blockTokens, n, true)
		}
	}
}

// Export returns S after pos tokens, [Heads Dim Dim] with the key's dimension first: the boundary
// state with the open block folded in, in float64.
func (s *RetainSpec) Export(st *Retention, pos int) []Tensor {
	n, out := pos%blockTokens, make([]float32, 0, s.Heads*s.Dim*s.Dim)
	for h := range s.Heads {
		head := st.head(h, s.Dim)
		decay, before := make([]float64, n), 1.0
		for j := range decay {
			decay[j] = math.Exp(float64(head.g[n-1]) - float64(head.g[j]))
		}
		if n > 0 {
			before = math.Exp(float64(head.g[n-1]))
		}
		out = appendFolded(out, head.s, head.k, head.v, s.Dim, s.Dim, decay, before)
	}
	return []Tensor{{"S", []int{s.Heads, s.Dim, s.Dim}, out}}
}
