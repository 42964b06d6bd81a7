package kernel

import "unsafe"

// A CacheSpec describes a key/value cache of one layer, or the one shared cache: blocks of 64 positions for each
// kv head, eight blocks a segment. Attention reads the keys of a segment, then its values, and memory in one
// sweep.
//
// A cache that grows has the segments of 512 positions in the span of these positions, a head's beside the
// other's. A Window makes it a ring, of fixed size, in which a segment has one block: there are as many as a window
// needs, and block b is at slot b mod their number, where it replaces an older one.
//
//	span 0                           span 1                          ring
//	┌───────────────┬────────────┬─…  ┌───────────────┬─…             ┌───────────┬─ … ─┬───────────┬─ …
//	│ cache 0       │ cache 1    │    │ cache 0       │               │ kv head 0 │     │ kv head 1 │
//	├───────┬───────┼───────┬──… │    ├───────┬───────┼─…             ├─────┬─────┼─ … ─┼─────┬─────┼─ …
//	│kv head│kv head│kv head│    │    │kv head│kv head│               │slot │slot │     │slot │slot │
//	│   0   │   1   │   0   │    │    │   0   │   1   │               │  0  │  1  │     │  0  │  1  │
//	└───────┴───────┴───────┴──… ┘    └───────┴───────┴─…             └─────┴─────┴─ … ─┴─────┴─────┴─ …
//
//	           0   1       7   0   1       7
//	segment  ┌───┬───┬───┬───┬───┬───┬───┬───┐
//	         │ K │ K │ … │ K │ V │ V │ … │ V │
//	         └───┴───┴───┴───┴───┴───┴───┴───┘
//	K block  [Dim][64]            rotated keys are columns: a Gemm panel that queries multiply
//	V block  [panels][64][width]  values are rows (see values.go): a Gemm panel that weights multiply
//	BF16     [ceil(Dim/2)][64][2] and [panels][32][width][2], rounded to nearest even
//	Q8, Q4   see cache_q8.go and cache_q4.go
type CacheSpec struct {
	KVHeads, Dim int
	Format       Format
	Window       int // of a ring: positions that stay visible
}

// A Format is how the numbers of a cache are kept.
type Format uint8

// The formats, each of half the bits of the one before.
const (
	F32 Format = iota
	BF16
	Q8
	Q4
)

// A Cache is where a cache lies: a ring's own memory, or the table of a session's spans and the place in each.
type Cache struct {
	ring   []byte
	spans  *Spans
	offset int
}

// ringBlocks is the number of blocks of a ring: from the first to the last position that the rows of one block
// see.
func (s *CacheSpec) ringBlocks() int { return blocksOf(s.Window-1, blockTokens) + 1 }

// isRing reports whether the cache is one.
func (s *CacheSpec) isRing() bool { return s.Window > 0 }

// keyRows is the number of rows of a K block: whole words of elements.
func (s *CacheSpec) keyRows() int {
	perWord := 1 << s.Format
	return (s.Dim + perWord - 1) &^ (perWord - 1)
}

// elemBits is the size of an element. Routines ask for sizes in every segment, so none of them divides.
func (s *CacheSpec) elemBits() int { return 32 >> s.Format }

// integers reports whether elements are integers, which share a scale.
func (s *CacheSpec) integers() bool { return s.Format >= Q8 }

// keyBytes is the size of a K block.
func (s *CacheSpec) keyBytes() int {
	n := s.elemBits() * blockTokens * s.keyRows() / 8
	if s.integers() {
		n += scaleBytes
	}
	return n
}

// valueBytes is the size of a V block.
func (s *CacheSpec) valueBytes() int {
	n := s.elemBits() * blockTokens * valueCols(s.Dim) / 8
	if s.integers() {
		n += scaleBytes
	}
	return n
}

// segmentBlocks is the number of blocks of a segment.
func (s *CacheSpec) segmentBlocks() int {
	if s.isRing() {
		return 1
	}
	return segmentTokens / blockTokens
}

// segmentBytes is the size of a segment of a kv head.
func (s *CacheSpec) segmentBytes() int { return s.segmentBlocks() * (s.keyBytes() + s.valueBytes()) }

// A Section is a piece of a segment: of keys or values of so many tokens, or of the scales of values.
type Section struct {
	Name          string
	Tokens, Bytes int
}

// Sections are what a segment of a kv head consists of, in order: all of them make segmentBytes.
func (s *CacheSpec) Sections() (list []Section) {
	n := s.segmentBlocks()
	for range n {
		list = append(list, Section{"keys", blockTokens, s.keyBytes()})
	}
	if s.integers() {
		return append(list, Section{"scales", n * blockTokens, n * scaleBytes}, Section{"values", n * blockTokens, n * (s.valueBytes() - scaleBytes)})
	}
	for range n {
		list = append(list, Section{"values", blockTokens, s.valueBytes()})
	}
	return list
}

// Bytes is the size of a ring, or what a cache that grows takes of a span. It is whole cache lines.
func (s *CacheSpec) Bytes() int {
	n := s.KVHeads * s.segmentBytes()
	if s.isRing() {
		n *= s.ringBlocks()
	}
	return n
}

// View returns the next cache of a session's states.
func (s *CacheSpec) View(at *States) Cache {
	if s.isRing() {
		return Cache{ring: at.take(s.Bytes())}
	}
	spans, offset := at.grow(s.Bytes())
	return Cache{spans: spans, offset: offset}
}

// Rewindable: every position has a place of its own, in a ring until the position comes that replaces it. The last
// Window positions must be there.
func (s *CacheSpec) Rewindable(from, to int) bool {
	return !s.isRing() || to == 0 || from <= max(0, to-s.Window)+s.ringBlocks()*blockTokens
}

// segment is the segment in which a head's block b lies.
func (s *CacheSpec) segment(c *Cache, head, b int) []byte {
	n := s.segmentBytes()
	if s.isRing() {
		slots := s.ringBlocks()
		return c.ring[(head*slots+b%slots)*n:][:n]
	}
	return (*c.spans)[b/(segmentTokens/blockTokens)][c.offset+head*n:][:n]
}

// key is a head's K block b.
func (s *CacheSpec) key(c *Cache, head, b int) []byte {
	n := s.keyBytes()
	return s.segment(c, head, b)[b%s.segmentBlocks()*n:][:n]
}

// values are a head's V blocks from b to the end of its segment.
func (s *CacheSpec) values(c *Cache, head, b int) []byte {
	n := s.segmentBlocks()
	return s.segment(c, head, b)[n*s.keyBytes()+b%n*s.valueBytes():]
}

// floatsOf are bytes as floats, of which they are whole ones.
func floatsOf(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// halvesOf are bytes as bfloat16 numbers.
func halvesOf(b []byte) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// fetched is how many bytes behind what it reads a kernel asks for: so much of a segment's values has been
// fetched when the scores of its keys are done.
const fetched = 4 << 10

// ahead are the bytes of the values from a head's block b on that are to be fetched next, if a single row waits
// for them: those behind what is on its way already. Chunks find blocks in the caches.
func (s *CacheSpec) ahead(c *Cache, head, b, rows int) []byte {
	if rows > 1 || s.isRing() {
		return nil
	}
	values := s.values(c, head, b)
	return values[min(fetched, len(values)):]
}

// Append writes the keys, rotated, and values of rows tokens from position pos on. k and v are
// [KVHeads*Dim] a row. Workers own pairs of kv head and block.
func Append(w *Worker, s *CacheSpec, c *Cache, k, v Rows, r *Rope, ph Phases, pos, rows int) {
	first, last := pos/blockTokens, (pos+rows-1)/blockTokens
	blocks := last - first + 1
	lo, hi := w.Share(s.KVHeads * blocks)
	for u := lo; u < hi; u++ {
		b := first + u%blocks
		from, to := max(pos, b*blockTokens), min(pos+rows, (b+1)*blockTokens)
		s.put(w, c, u/blocks, k, v, r, ph, from-pos, from, to-from)
	}
}

// put writes rows row … row+n-1 of a kv head at positions pos …, which lie in one block.
func (s *CacheSpec) put(w *Worker, c *Cache, head int, k, v Rows, r *Rope, ph Phases, row, pos, n int) {
	col := head * s.Dim
	k, v = k.Cols(col), v.Cols(col)
	if s.integers() {
		s.store(w, s.segmentQ(c, head, pos/blockTokens), k, v, r, ph, row, pos%segmentTokens, n)
		return
	}
	free := pieces(w.Scratch)
	key := free.take(s.Dim)
	keys, values := s.key(c, head, pos/blockTokens), s.values(c, head, pos/blockTokens)
	for j := pos % blockTokens; n > 0; j, row, n = j+1, row+1, n-1 {
		r.apply(w.Set, key, k.Row(row, s.Dim), ph, row)
		value := v.Row(row, s.Dim)
		switch s.Format {
		case BF16:
			for d, x := range key {
				halvesOf(keys)[pair(d, j, blockTokens)] = Float32ToBF16(x)
			}
			s.putValuesBF16(halvesOf(values), value, j)
		default:
			for d, x := range key {
				floatsOf(keys)[d*blockTokens+j] = x
			}
			putValues(floatsOf(values), value, j, valueCols(s.Dim))
		}
	}
}

// putValuesBF16 is putValues, rounded.
func (s *CacheSpec) putValuesBF16(v []uint16, x []float32, j int) {
	cols := valueCols(s.Dim)
	for c, width := 0, 0; c < len(x); c += width {
		width = panelWidth(cols - c)
		panel := v[c*blockTokens:][:width*blockTokens]
		for i, y := range x[c:min(c+width, len(x))] {
			panel[pair(j, i, width)] = Float32ToBF16(y)
		}
	}
}

// scores multiplies rows of q, [rows][Dim], by a K block of floats: dst is [rows][64], rows ldd apart.
func (s *CacheSpec) scores(set Set, c *Cache, head, b int, dst []float32, ldd int, q []float32, rows int) {
	k := s.key(c, head, b)
	if s.Format == BF16 {
		set.GemmBF16(dst, ldd, q, s.Dim, halvesOf(k), blockTokens, s.Dim, rows, false)
	} else {
		set.GemmF32(dst, ldd, q, s.Dim, floatsOf(k), blockTokens, s.Dim, rows, false)
	}
}

// weigh adds rows of p, ldp apart, times tokens [from, to) of a V block of floats to dst, rows ldd apart. Values of other
// tokens take no part. In BF16 from is even.
func (s *CacheSpec) weigh(set Set, c *Cache, head, b, from, to int, dst []float32, ldd int, p []float32, ldp, rows int) {
	v, cols := s.values(c, head, b), valueCols(s.Dim)
	for col, width := 0, 0; col < cols; col += width {
		width = panelWidth(cols - col)
		at, end := col*blockTokens+from*width, (col+width)*blockTokens
		if s.Format == BF16 {
			set.GemmBF16(dst[col:], ldd, p[from:], ldp, halvesOf(v)[at:end], width, to-from, rows, true)
		} else {
			set.GemmF32(dst[col:], ldd, p[from:], ldp, floatsOf(v)[at:end], width, to-from, rows, true)
		}
	}
}

// weighOdd is weigh with one token in BF16, the second one of a pair, whose values it widens to tmp, [valueCols].
func (s *CacheSpec) weighOdd(set Set, tmp []float32, c *Cache, head, b, token int, dst []float32, ldd int, p []float32, ldp, rows int) {
	v, cols := halvesOf(s.values(c, head, b)), valueCols(s.Dim)
	for col, width := 0, 0; col < cols; col += width {
		width = panelWidth(cols - col)
		for i := range width {
			tmp[i] = BF16ToFloat32(v[col*blockTokens+pair(token, i, width)])
		}
		set.GemmF32(dst[col:], ldd, p[token:], ldp, tmp, width, 1, rows, true)
	}
}

// finite reports whether all values of tokens [from, to) of a V block of floats are finite; in BF16 those of another token, in
// one pair with one of these, may count too. tmp is [valueCols].
func (s *CacheSpec) finite(set Set, tmp []float32, c *Cache, head, b, from, to int) bool {
	v, cols := s.values(c, head, b), valueCols(s.Dim)
	for col, width := 0, 0; col < cols; col += width {
		width = panelWidth(cols - col)
		at, end := col*blockTokens, (col+width)*blockTokens
		if s.Format == BF16 {
			even := from &^ 1
			set.GemmBF16(tmp[col:], cols, noWeights[:], 0, halvesOf(v)[at+even*width:end], width, to+to&1-even, 1, false)
		} else {
			set.GemmF32(tmp[col:], cols, noWeights[:], 0, floatsOf(v)[at+from*width:end], width, to-from, 1, false)
		}
	}
	return zero(tmp)
}

// Export returns k and v, [tokens KVHeads Dim], of all pos tokens, or of the last Window in a ring.
func (s *CacheSpec) Export(c *Cache, pos int) []Tensor {
	from := 0
	if s.isRing() {
		from = max(0, pos-s.Window)
	}
	k, v := s.read(c, from, pos)
	shape := []int{pos - from, s.KVHeads, s.Dim}
	return []Tensor{{"k", shape, k}, {"v", shape, v}}
}

// read returns the keys, as rotated, and values of positions [from, to), [to-from][KVHeads][Dim].
func (s *CacheSpec) read(c *Cache, from, to int) (k, v []float32) {
	for pos := from; pos < to; pos++ {
		for head := range s.KVHeads {
			if s.Format == Q4 { // elements are made together
				k, v = s.appendQ4(k, v, s.segmentQ(c, head, pos/blockTokens), pos%segmentTokens)
				continue
			}
			for d := range s.Dim {
				x, y := s.at(c, head, pos, d)
				k, v = append(k, x), append(v, y)
			}
		}
	}
	return k, v
}

// at is element d of a head's key and of its value at a position.
func (s *CacheSpec) at(c *Cache, head, pos, d int) (k, v float32) {
	keys, values := s.key(c, head, pos/blockTokens), s.values(c, head, pos/blockTokens)
	j, cols := pos%blockTokens, valueCols(s.Dim)
	col, width := panelOf(d, cols)
	switch s.Format {
	case Q8:
		return s.atQ8(s.segmentQ(c, head, pos/blockTokens), pos%segmentTokens, d)
	case BF16:
		k = BF16ToFloat32(halvesOf(keys)[pair(d, j, blockTokens)])
		v = BF16ToFloat32(halvesOf(values)[col*blockTokens+pair(j, d-col, width)])
	default:
		k, v = floatsOf(keys)[d*blockTokens+j], floatsOf(values)[col*blockTokens+j*width+d-col]
	}
	return k, v
}
