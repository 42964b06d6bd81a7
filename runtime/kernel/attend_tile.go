package kernel

// tile is the work of one worker on rows of a chunk and the query heads of one kv head. Between
// rows it has no order: only what a row sees decides its result. It may have room for the queries of
// several kv heads that take turns.
type tile struct {
	*AttendSpec
	w         *Worker
	c         *Cache
	head      int       // kv head
	pos, rows int       // position of row 0; number of rows
	group     int       // q rows a row
	size      int       // floats of a result: [cols | m l]
	x, y      []float32 // [group][Dim] of queries in work, those of y as long as keys; x later a token's values, [cols]
	of        []float32 // [heads][rows*group][Dim]: room for q of all kv heads
	scales    []float32 // [heads][rows*group]: likewise for scale
	sumsOf    []int32   // likewise for sums
	q         []float32 // [rows*group][Dim], or split queries in its place
	scale     []float32 // [rows*group] of split queries
	sums      []int32   // likewise
	p         []float32 // [rows*group][scoreStride] of one segment, or split weights in its place
	part, out []float32 // [rows*group][size] of one segment; merged
}

// newTile is a tile at the first of some kv heads.
func (s *AttendSpec) newTile(w *Worker, c *Cache, head, heads, pos, rows int) tile {
	free := pieces(w.Scratch)
	group, size := s.group(), valueCols(s.Dim)+tail
	n := rows * group
	t := tile{
		AttendSpec: s, w: w, c: c, pos: pos, rows: rows, group: group, size: size,
		x: free.take(max(group*s.Dim, valueCols(s.Dim))), y: free.take(group * roundUp(s.Dim, 8)), of: free.take(heads * n * roundUp(s.Dim, 4)),
		scales: free.take(heads * n), sumsOf: wordsOf(free.take(heads * n)), p: free.take(n * scoreStride),
		part: free.take(n * size), out: free.take(n * size),
	}
	t.turn(0)
	t.head = head
	return t
}

// turn makes it the turn of a kv head whose queries the tile has room for.
func (t *tile) turn(head int) {
	n := t.rows * t.group
	t.head = head
	t.q, t.scale, t.sums = t.of[head*n*roundUp(t.Dim, 4):][:n*roundUp(t.Dim, 4)], t.scales[head*n:][:n], t.sumsOf[head*n:][:n]
}

// last is the position of the last row.
func (t *tile) last() int { return t.pos + t.rows - 1 }

// queries prepares q of the tile's rows, the first of which is row r of the chunk. Over a cache of integers ahead is fetched
// meanwhile.
func (t *tile) queries(q Rows, gain []float32, ph Phases, r int, ahead []byte) {
	set, cols := t.w.Set, t.group*t.Dim
	q = q.Cols(t.head * cols)
	for i := range t.rows {
		x := q.Row(r+i, cols)
		if t.QNormEps > 0 {
			for h := 0; h < cols; h += t.Dim {
				set.RMSNorm(t.x[h:][:t.Dim], x[h:][:t.Dim], gain, t.QNormEps)
			}
			x = t.x[:cols]
		}
		if t.Cache.integers() {
			t.splitQueries(x, ph, r, i, ahead)
			continue
		}
		dst := t.q[i*cols:][:cols]
		t.Rope.applyHeads(set, dst, t.Dim, x, ph, r+i, t.Dim)
		set.Scale(dst, dst, float32(t.Scale*log2E))
	}
}

// splitQueries rotates and splits the queries x of row i of the tile.
func (t *tile) splitQueries(x []float32, ph Phases, r, i int, ahead []byte) {
	set, n, ldx, at, size := t.w.Set, t.Dim, t.Dim, i*t.group, t.Cache.queryBytes()
	factor := float32(t.Scale * log2E)
	if t.Rope != nil || t.Cache.Format == Q4 {
		ldx = t.Cache.keyRows()
		t.Rope.applyHeads(set, t.y, ldx, x, ph, r+i, n)
		x = t.y
	}
	if t.Cache.Format == Q4 {
		t.Cache.queriesQ4(set, x[:t.group*ldx], factor)
		n, factor = ldx, 1
	}
	set.SplitQueries(bytesOf(t.q)[at*size:], size, x, ldx, n, t.group, factor, t.scale[at:], t.sums[at:], ahead)
}

// keys are the bytes of a segment's keys that a single row waits for, nil if they are floats. Of the first segment that a
// worker reads nothing has been fetched; of another one it has the start.
func (t *tile) keys(seg int, first bool) []byte {
	if !t.Cache.integers() {
		return nil
	}
	keys := t.Cache.segmentQ(t.c, t.head, seg*(segmentTokens/blockTokens)).keys
	if !first {
		keys = keys[min(t.Cache.fetchedQ(), len(keys)):]
	}
	return keys
}

// see returns the rows [a, b) that see any of the positions [from, to).
func (t *tile) see(from, to int) (a, b int) {
	a, b = max(0, from-t.pos), t.rows
	if t.Window > 0 {
		b = min(b, to+t.Window-1-t.pos)
	}
	return a, max(a, b)
}

// alike returns the number of rows from r to below end that see the same positions [from, to) of a segment,
// counted from its start: all rows see the whole of one that lies behind them and within their windows.
func (t *tile) alike(seg, r, end int) (n, from, to int) {
	sees := func(r int) (from, to int) {
		start := seg * segmentTokens
		return max(start, t.first(t.pos+r)) - start, min(start+segmentTokens, t.pos+r+1) - start
	}
	from, to = sees(r)
	for n = 1; r+n < end; n++ {
		if a, b := sees(r + n); a != from || b != to {
			break
		}
	}
	return n, from, to
}

// blocks returns the blocks [first, end) of a segment that any row sees.
func (t *tile) blocks(seg int) (first, end int) {
	const n = segmentTokens / blockTokens
	return max(seg*n, t.first(t.pos)/blockTokens), min((seg+1)*n, t.last()/blockTokens+1)
}

// run returns the number of blocks from b to below end, of one segment of the cache, that the same rows
// [lo, hi) see.
func (t *tile) run(b, end int) (n, lo, hi int) {
	lo, hi = t.see(b*blockTokens, (b+1)*blockTokens)
	for n = 1; b+n < end && !t.Cache.isRing(); n++ {
		if l, h := t.see((b+n)*blockTokens, (b+n+1)*blockTokens); l != lo || h != hi {
			break
		}
	}
	return n, lo, hi
}

// segment computes part, the results of a segment, for the rows that see it. Blocks that a row does
// not see are left out for it: they would add zeros.
func (t *tile) segment(seg int) {
	start := seg * segmentTokens
	if t.Cache.integers() {
		t.segmentQ(seg)
		return
	}
	firstBlock, endBlock := t.blocks(seg)
	for b, n := firstBlock, 0; b < endBlock; b += n {
		var lo, hi int
		n, lo, hi = t.run(b, endBlock)
		t.scores(b, n, lo*t.group, hi*t.group, b*blockTokens-start)
	}
	lo, hi := t.see(start, start+segmentTokens)
	clear(t.part[lo*t.group*t.size : hi*t.group*t.size])
	for r, n := lo, 0; r < hi; r += n {
		var from, to int
		n, from, to = t.alike(seg, r, hi)
		p, stats := t.p[r*t.group*scoreStride:], t.part[(r*t.group+1)*t.size-tail:]
		base := from / blockTokens * blockTokens
		ahead := t.Cache.ahead(t.c, t.head, (start+from)/blockTokens, t.rows)
		t.w.Set.Softmax(p[base:], scoreStride, n*t.group, blocksOf(to-base, blockTokens), from-base, to-base, stats, t.size, ahead)
	}
	for b, n := firstBlock, 0; b < endBlock; b += n {
		var lo, hi int
		n, lo, hi = t.run(b, endBlock)
		t.weigh(b, n, lo, hi, b*blockTokens-start)
	}
}

// segmentQ is segment over a cache of integers. All rows that see any of the segment go over it from its
// start to the last block that any of them sees: weights of other positions are zero, and sums are exact.
func (t *tile) segmentQ(seg int) {
	start := seg * segmentTokens
	_, endBlock := t.blocks(seg)
	x, blocks := t.Cache.segmentQ(t.c, t.head, start/blockTokens), endBlock-start/blockTokens
	lo, hi := t.see(start, start+segmentTokens)
	first, rows := lo*t.group, (hi-lo)*t.group
	p, part, n := t.p[first*scoreStride:], t.part[first*t.size:], t.Cache.queryBytes()
	t.Cache.scoreQ(t.w.Set, p, bytesOf(t.q)[first*n:], t.scale[first:], t.sums[first:], x, blocks, rows)
	var ahead []byte
	if t.rows == 1 {
		ahead = t.Cache.aheadQ(x)
	}
	for r, n := lo, 0; r < hi; r += n {
		var from, to int
		n, from, to = t.alike(seg, r, hi)
		p, stats := t.p[r*t.group*scoreStride:], t.part[(r*t.group+1)*t.size-tail:]
		t.w.Set.SoftmaxQ8(bytesOf(p), p, scoreStride, n*t.group, blocks, from, to, stats, t.size, x.scales, ahead)
	}
	t.Cache.weighQ(t.w.Set, part, t.size, bytesOf(p), x, blocks, rows)
}

// scores computes the scores of q rows [lo, hi) for n blocks from b on, the first at position at of
// the segment.
func (t *tile) scores(b, n, lo, hi, at int) {
	set, p := t.w.Set, t.p[lo*scoreStride+at:]
	for i := range n {
		t.Cache.scores(set, t.c, t.head, b+i, p[i*blockTokens:], scoreStride, t.q[lo*t.Dim:], hi-lo)
	}
}

// weigh adds what n blocks from b on, the first at position at of the segment, give to rows [lo, hi).
func (t *tile) weigh(b, n, lo, hi, at int) {
	set, part, p := t.w.Set, t.part[lo*t.group*t.size:], t.p[lo*t.group*scoreStride+at:]
	from, to := t.first(t.pos+hi-1), t.pos+lo+1 // which all of the rows see
	for i := range n {
		if start := (b + i) * blockTokens; from <= start && start+blockTokens <= to {
			t.Cache.weigh(set, t.c, t.head, b+i, 0, blockTokens, part, t.size, p[i*blockTokens:], scoreStride, (hi-lo)*t.group)
		} else {
			t.weighSeen(b+i, lo, hi, at+i*blockTokens)
		}
	}
}

// weighSeen is weigh for a block of which rows do not see the same.
func (t *tile) weighSeen(b, lo, hi, at int) {
	for n := 0; lo < hi; lo += n {
		var from, to int
		n, from, to = t.together(b, lo, hi)
		q, rows := lo*t.group, n*t.group
		part, p := t.part[q*t.size:], t.p[q*scoreStride+at:]
		if t.Cache.Format == BF16 && from%2 == 1 {
			t.Cache.weighOdd(t.w.Set, t.x, t.c, t.head, b, from, part, t.size, p, scoreStride, rows)
			from++
		}
		t.Cache.weigh(t.w.Set, t.c, t.head, b, from, to, part, t.size, p, scoreStride, rows)
	}
}

// together returns how many rows from r to below end are multiplied by a block's values together, and the tokens [from, to)
// of it that any of them sees. What some of them do not see has weights of zero there, but zero times what is not finite
// is no zero: then it is one row.
func (t *tile) together(b, r, end int) (n, from, to int) {
	start := b * blockTokens
	first, last := t.pos+r-start, t.pos+end-1-start // rows' own tokens
	from, to = max(t.first(start+first)-start, 0), min(last+1, blockTokens)
	all, seen := t.first(start+last)-start, first+1 // which the last row sees from, and the first one to
	if end-r > 1 && (all > from && !t.finite(b, from, min(all, to)) || seen < to && !t.finite(b, max(seen, from), to)) {
		return 1, from, min(seen, to)
	}
	return end - r, from, to
}

// finite reports whether what tokens [from, to) of a block hold is.
func (t *tile) finite(b, from, to int) bool {
	return t.Cache.finite(t.w.Set, t.x, t.c, t.head, b, from, to)
}

// merge adds a segment's results to those of the segments before it.
func (t *tile) merge(seg int) {
	lo, hi := t.see(seg*segmentTokens, (seg+1)*segmentTokens)
	n := t.group * t.size
	seen := lo // rows before it have seen a segment
	for seen < hi && t.first(t.pos+seen)/segmentTokens < seg {
		seen++
	}
	t.w.Set.MergeParts(t.out[lo*n:seen*n], t.part[lo*n:seen*n], t.size)
	copy(t.out[seen*n:hi*n], t.part[seen*n:hi*n])
}

// divide writes the tile's outputs to dst, from row r on.
func (t *tile) divide(dst Rows, r int) {
	cols := t.group * t.Dim
	dst = dst.Cols(t.head * cols)
	for i := range t.rows * t.group {
		row := dst.Row(r+i/t.group, cols)[i%t.group*t.Dim:][:t.Dim]
		t.dividePart(t.w.Set, row, t.out[i*t.size:][:t.size])
	}
}

// dividePart writes the finished result o, [cols | m l], to dst, over values as they are not turned.
func (s *AttendSpec) dividePart(set Set, dst, o []float32) {
	n := len(o) - tail
	set.Div(dst, o[:n], o[n+1])
	if s.Cache.Format == Q4 {
		s.Cache.hadamard(set, dst)
	}
}
