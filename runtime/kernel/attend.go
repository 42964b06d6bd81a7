package kernel

// Attention over cached keys and values, a segment at a time and merged by the running maximum
// (Milakov and Gimelshein 2018; Dao et al. 2023, "Flash-Decoding"). A segment is 512 positions,
// aligned to absolute ones. For one row and head, over the visible positions of a segment:
//
//	m = max_j q·k_j      p_j = 2^(q·k_j - m)      l = Σ_j p_j      o = Σ_j p_j v_j
//
// d and j ascending, and segments merge in ascending order, the first one seen as it is:
//
//	M' = max(M, m)       L' = L*2^(M-M') + l*2^(m-M')       O' = O*2^(M-M') + o*2^(m-M')
//
// The result is O/L + 0: zeros of either sign that masked positions may have left become the same.
// Every row is computed so whether it comes alone or in a chunk, by however many workers.
//
// A tile is several rows times the query heads of one kv head (row-major: q row r*group+head), so
// that a K or V block is read once for all of them:
//
//	            Dim        64                  64      width
//	         ┌──────┐    ┌────┐               ┌───┐   ┌─────┐
//	rows *   │  q   │ Dim│ K  │ ─▶ p, 8 blocks│ p │ 64│  V  │ ─▶ o
//	group    └──────┘    └────┘    a segment  └───┘   └─────┘
const (
	segmentTokens = 512
	scoreStride   = segmentTokens + line // not a power of two; behind the scores, scales of split weights
	tileQueries   = 48                   // q rows of a tile, where more than one row is
	tail          = line                 // after o of a partial result: m, l, and padding
)

// An AttendSpec describes attention of Heads query heads to a cache of KVHeads heads; query head h
// reads kv head h/(Heads/KVHeads). A row sees itself and all before it, or the last Window. If
// QNormEps is positive a query's head is RMS-normed; then it is rotated unless Rope is nil, then
// multiplied by Scale.
type AttendSpec struct {
	Heads, KVHeads, Dim int
	Scale               float32
	Window              int
	QNormEps            float32
	Rope                *Rope
	Cache               *CacheSpec
}

func (s *AttendSpec) group() int { return s.Heads / s.KVHeads }

// tileHeight is the number of rows of a tile.
func tileHeight(group, rows int) int { return min(rows, max(1, tileQueries/group)) }

// AttendScratch is the scratch, in floats, of the attention routines and of Append.
func AttendScratch(heads, kvHeads, dim, rows int) int {
	group := heads / kvHeads
	n := tileHeight(group, rows) * group
	queries := max(n, heads) // of a tile, or all of a single row
	return max(storeFloats(dim), roundUp(group*dim, line)+roundUp(group*roundUp(dim, 8), line)+roundUp(queries*roundUp(dim, 4), line)+2*roundUp(queries, line)+
		n*scoreStride+2*n*(valueCols(dim)+tail))
}

// Partial is the length of the buffer in which workers leave their parts of a single row's
// attention: a result, [cols | m l], for each head and segment of a context.
func (s *AttendSpec) Partial(context int) int {
	return s.Heads * roundUp(context, segmentTokens) / segmentTokens * (valueCols(s.Dim) + tail)
}

// first is the first position that position pos sees.
func (s *AttendSpec) first(pos int) int {
	if s.Window > 0 {
		return max(0, pos-s.Window+1)
	}
	return 0
}

// AttendWindow appends k and v, [KVHeads*Dim] a row, to a ring and attends to it, for rows tokens
// from position pos on. q and dst are [Heads*Dim] a row; dst may be q. Workers share kv heads:
// what is written for one is read for that one.
func AttendWindow(w *Worker, s *AttendSpec, dst, q, k, v Rows, c *Cache, ph Phases, pos, rows int) {
	for head := range w.Every(s.KVHeads, rows) {
		for r := 0; r < rows; {
			n := min(blockTokens-(pos+r)%blockTokens, rows-r)
			s.Cache.put(w, c, head, k, v, s.Rope, ph, r, pos+r, n)
			s.rows(w, dst, q, nil, c, ph, head, r, pos+r, n)
			r += n
		}
	}
}

// Attend attends to a cache that holds the rows' own keys and values already, for rows tokens from
// position pos on. q and dst are [Heads*Dim] a row; qgain is the gain of the query norm, nil for
// none. With more than one row workers split tiles, and dst may be q. A single row they split by
// segments, and meet inside once all have left their parts in partial, which must be free when the
// routine starts: a Sync lies between it and the last routine that used partial.
func Attend(w *Worker, s *AttendSpec, dst, q Rows, qgain []float32, c *Cache, ph Phases, partial []float32, pos, rows int) {
	if rows == 1 {
		s.split(w, q, qgain, c, ph, partial, pos)
		w.Sync()
		s.join(w, dst, partial, pos)
		return
	}
	height := tileHeight(s.group(), rows)
	tiles := (rows + height - 1) / height
	for u := range w.Turns(s.KVHeads * tiles) { // later tiles see more
		r := u % tiles * height
		s.rows(w, dst, q, qgain, c, ph, u/tiles, r, pos+r, min(height, rows-r))
	}
}

// rows attends for rows r … r+n-1 of a kv head, the first at position pos, tile by tile.
func (s *AttendSpec) rows(w *Worker, dst, q Rows, qgain []float32, c *Cache, ph Phases, head, r, pos, n int) {
	height := tileHeight(s.group(), n)
	for end := r + n; r < end; r, pos = r+height, pos+height {
		t := s.newTile(w, c, head, 1, pos, min(height, end-r))
		t.queries(q, qgain, ph, r, nil)
		for seg := s.first(pos) / segmentTokens; seg <= t.last()/segmentTokens && !w.GiveUp(); seg++ {
			t.segment(seg)
			t.merge(seg)
		}
		t.divide(dst, r)
	}
}

// parts returns the first segment that a single row sees, the number of them, and the length of the
// results of one segment of one kv head. Results are ordered by kv head, segment, query head.
func (s *AttendSpec) parts(pos int) (first, n, size int) {
	first = s.first(pos) / segmentTokens
	return first, pos/segmentTokens - first + 1, s.group() * (valueCols(s.Dim) + tail)
}

// split does the worker's share of the segments of a single row, in the order in which they lie in memory: those
// of all kv heads at the same positions, then the next ones. The worker that has a head's first segment merges those
// that follow it; the others leave a result a segment.
func (s *AttendSpec) split(w *Worker, q Rows, qgain []float32, c *Cache, ph Phases, partial []float32, pos int) {
	first, segs, size := s.parts(pos)
	lo, hi := w.Share(s.KVHeads * segs)
	t := s.newTile(w, c, 0, s.KVHeads, pos, 1)
	part := t.part
	for u := lo; u < hi && !w.GiveUp(); u++ {
		seg, head := u/s.KVHeads, u%s.KVHeads
		results := partial[head*segs*size:][:segs*size]
		t.turn(head)
		if u < lo+s.KVHeads {
			t.queries(q, qgain, ph, 0, t.keys(first+seg, u == lo))
		}
		if seg == 0 || head < lo { // others follow it, or, since another worker has the head's first, join merges it
			t.part = results[seg*size:][:size]
			t.segment(first + seg)
			continue
		}
		t.part, t.out = part, results[:size]
		t.segment(first + seg)
		t.merge(first + seg)
	}
}

// shareEnd is where the share of n units that holds unit u ends.
func shareEnd(w *Worker, n, u int) int {
	id := ((u+1)*w.N - 1) / n
	return (id + 1) * n / w.N
}

// join merges the parts of a single row. Workers own query heads, and merge those of a kv head together.
func (s *AttendSpec) join(w *Worker, dst Rows, partial []float32, pos int) {
	_, segs, size := s.parts(pos)
	group := s.group()
	lo, hi := w.Share(s.Heads)
	for h := lo; h < hi; {
		head, first, n := h/group, h%group, size/group
		end := min(hi-head*group, group)
		at := partial[head*segs*size:][:segs*size]
		out := at[first*n : end*n]
		merged := blocksOf(shareEnd(w, s.KVHeads*segs, head)-head, s.KVHeads)
		for seg := merged; seg < segs; seg++ {
			w.Set.MergeParts(out, at[seg*size:][first*n:end*n], n)
		}
		for ; len(out) > 0; h, out = h+1, out[n:] {
			s.dividePart(w.Set, dst.Row(0, (h+1)*s.Dim)[h*s.Dim:], out[:n])
		}
	}
}
