package kernel

import (
	"fmt"
	"unsafe"
)

// A CacheSpec describes a key/value cache of one layer, or the one shared cache: Blocks blocks of 64
// positions for each kv head, eight blocks a segment. Attention reads the keys of a segment, then its
// values, and memory in one sweep. In a Ring a segment has one block, block b is at slot b%Blocks and
// replaces block b-Blocks; RingBlocks is the size that a window needs.
//
//	┌──────────────────────────────┬──────────────────────────────┬─ …
//	│ kv head 0                    │ kv head 1                    │
//	├─────────┬─────────┬─ … ──────┼─────────┬─────────┬─ … ──────┼─ …         0   1       7   0   1       7
//	│segment 0│segment 1│          │segment 0│segment 1│          │      each ┌───┬───┬───┬───┬───┬───┬───┬───┐
//	└─────────┴─────────┴─ … ──────┴─────────┴─────────┴─ … ──────┴─ …        │ K │ K │ … │ K │ V │ V │ … │ V │
//	                                                                          └───┴───┴───┴───┴───┴───┴───┴───┘
//	K block  [Dim][64]            rotated keys are columns: a Gemm panel that queries multiply
//	V block  [panels][64][width]  values are rows (see values.go): a Gemm panel that weights multiply
//	BF16     [ceil(Dim/2)][64][2] and [panels][32][width][2], rounded to nearest even
//	Q8       see cache_q8.go
type CacheSpec struct {
	KVHeads, Dim int
	Format       Format
	Blocks       int
	Ring         bool
	Window       int // Ring: positions that stay visible
}

// A Format is how the numbers of a cache are kept.
type Format uint8

// The formats.
const (
	F32 Format = iota
	BF16
	Q8
)

// A Cache is the memory of a cache: the one of the slices that its format uses.
type Cache struct {
	F32  []float32
	BF16 []uint16
	Q8   []byte
}

// CacheBlocks is the number of blocks for a context of so many tokens.
func CacheBlocks(context int) int { return (context + blockTokens - 1) / blockTokens }

// RingBlocks is the number of blocks for a window: from the first to the last position that the
// rows of one block see.
func RingBlocks(window int) int { return CacheBlocks(window-1) + 1 }

// keyRows is the number of rows of a K block.
func (s *CacheSpec) keyRows() int {
	return roundUp(s.Dim, [...]int{F32: 1, BF16: 2, Q8: 4}[s.Format])
}

// keyUnits is the number of elements, float32, uint16 or byte, of a K block.
func (s *CacheSpec) keyUnits() int {
	if s.Format == Q8 {
		return blockTokens*s.keyRows() + scaleBytes
	}
	return blockTokens * s.keyRows()
}

// valueUnits is the number of elements of a V block.
func (s *CacheSpec) valueUnits() int {
	if s.Format == Q8 {
		return blockTokens*valueCols(s.Dim) + scaleBytes
	}
	return blockTokens * valueCols(s.Dim)
}

// segmentBlocks is the number of blocks of a segment.
func (s *CacheSpec) segmentBlocks() int {
	if s.Ring {
		return 1
	}
	return segmentTokens / blockTokens
}

// headUnits is the number of elements of a kv head: of whole segments.
func (s *CacheSpec) headUnits() int {
	return roundUp(s.Blocks, s.segmentBlocks()) * (s.keyUnits() + s.valueUnits())
}

// Bytes is the size of the cache's memory.
func (s *CacheSpec) Bytes() int64 {
	size := [...]int64{F32: 4, BF16: 2, Q8: 1}[s.Format]
	return size * int64(s.KVHeads) * int64(s.headUnits())
}

// View returns the cache kept in buf: zeroed memory of Bytes bytes that starts on a cache line.
func (s *CacheSpec) View(buf []byte) Cache {
	n := s.KVHeads * s.headUnits()
	if int64(len(buf)) < s.Bytes() {
		panic(fmt.Sprintf("BUG: cache has %d bytes, want %d", len(buf), s.Bytes()))
	}
	at := unsafe.Pointer(unsafe.SliceData(buf))
	if uintptr(at)%64 != 0 {
		panic("BUG: cache is not aligned to 64 bytes")
	}
	switch s.Format {
	case BF16:
		return Cache{BF16: unsafe.Slice((*uint16)(at), n)}
	case Q8:
		return Cache{Q8: unsafe.Slice((*byte)(at), n)}
	}
	return Cache{F32: unsafe.Slice((*float32)(at), n)}
}

// unit returns the offset of the K block and of the V block of a head's block b.
func (s *CacheSpec) unit(head, b int) (k, v int) {
	if s.Ring {
		b %= s.Blocks
	} else if b >= s.Blocks {
		panic(fmt.Sprintf("BUG: cache block %d of %d", b, s.Blocks))
	}
	n := s.segmentBlocks()
	segment := head*s.headUnits() + b/n*n*(s.keyUnits()+s.valueUnits())
	return segment + b%n*s.keyUnits(), segment + n*s.keyUnits() + b%n*s.valueUnits()
}

// fetched is how many bytes behind what it reads a kernel asks for: so much of a segment's values has been
// fetched when the scores of its keys are done.
const fetched = 4 << 10

// ahead are the bytes of the values from a head's block b on that are to be fetched next, if a single row waits
// for them: those behind what is on its way already. Chunks find blocks in the caches.
func (s *CacheSpec) ahead(c *Cache, head, b, rows int) []byte {
	if rows > 1 || s.Ring {
		return nil
	}
	_, v := s.unit(head, b)
	if s.Format == BF16 {
		rest := c.BF16[min(v+fetched/2, len(c.BF16)):]
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(rest))), 2*len(rest))
	}
	rest := c.F32[min(v+fetched/4, len(c.F32)):]
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(rest))), 4*len(rest))
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
	free := pieces(w.Scratch)
	key, spare, col := free.take(s.Dim), free.take(spareFloats(s.Dim)), head*s.Dim
	k, v = k.Cols(col), v.Cols(col)
	ku, vu := s.unit(head, pos/blockTokens)
	for j := pos % blockTokens; n > 0; j, row, n = j+1, row+1, n-1 {
		r.apply(w.Set, key, k.Row(row, s.Dim), ph, row)
		value := v.Row(row, s.Dim)
		switch s.Format {
		case Q8:
			s.putQ8(w.Set, s.segmentQ8(c, head, pos/blockTokens), key, value, (pos/blockTokens*blockTokens+j)%segmentTokens, spare)
		case BF16:
			for d, x := range key {
				c.BF16[ku+pair(d, j, blockTokens)] = Float32ToBF16(x)
			}
			s.putValuesBF16(c.BF16[vu:], value, j)
		default:
			for d, x := range key {
				c.F32[ku+d*blockTokens+j] = x
			}
			putValues(c.F32[vu:], value, j, valueCols(s.Dim))
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
	k, _ := s.unit(head, b)
	if s.Format == BF16 {
		set.GemmBF16(dst, ldd, q, s.Dim, c.BF16[k:][:s.keyUnits()], blockTokens, s.Dim, rows, false)
	} else {
		set.GemmF32(dst, ldd, q, s.Dim, c.F32[k:][:s.keyUnits()], blockTokens, s.Dim, rows, false)
	}
}

// weigh adds rows of p, ldp apart, times the first n tokens of a V block of floats to dst, rows ldd
// apart.
func (s *CacheSpec) weigh(set Set, c *Cache, head, b, n int, dst []float32, ldd int, p []float32, ldp, rows int) {
	_, v := s.unit(head, b)
	cols := valueCols(s.Dim)
	for col, width := 0, 0; col < cols; col += width {
		width = panelWidth(cols - col)
		from, to := v+col*blockTokens, v+(col+width)*blockTokens
		if s.Format == BF16 {
			set.GemmBF16(dst[col:], ldd, p, ldp, c.BF16[from:to], width, n, rows, true)
		} else {
			set.GemmF32(dst[col:], ldd, p, ldp, c.F32[from:to], width, n, rows, true)
		}
	}
}

// Export returns k and v, [tokens KVHeads Dim], of all pos tokens, or of the last Window in a ring.
func (s *CacheSpec) Export(c *Cache, pos int) []Tensor {
	from := 0
	if s.Ring {
		from = max(0, pos-s.Window)
	}
	k, v := s.values(c, from, pos)
	shape := []int{pos - from, s.KVHeads, s.Dim}
	return []Tensor{{"k", shape, k}, {"v", shape, v}}
}

// values returns the keys, as rotated, and values of positions [from, to), [to-from][KVHeads][Dim].
func (s *CacheSpec) values(c *Cache, from, to int) (k, v []float32) {
	for pos := from; pos < to; pos++ {
		for head := range s.KVHeads {
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
	ku, vu := s.unit(head, pos/blockTokens)
	j, cols := pos%blockTokens, valueCols(s.Dim)
	col, width := panelOf(d, cols)
	switch s.Format {
	case Q8:
		return s.atQ8(s.segmentQ8(c, head, pos/blockTokens), pos%segmentTokens, d)
	case BF16:
		k = BF16ToFloat32(c.BF16[ku+pair(d, j, blockTokens)])
		v = BF16ToFloat32(c.BF16[vu+col*blockTokens+pair(j, d-col, width)])
	default:
		k, v = c.F32[ku+d*blockTokens+j], c.F32[vu+col*blockTokens+j*width+d-col]
	}
	return k, v
}
