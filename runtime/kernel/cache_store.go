package kernel

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// storeTokens is how many tokens of a cache of integers are stored together: those whose values share bytes in q4, and
// four-byte words in both. Fewer of them are put among those that are there.
const storeTokens = 8

// storeFloats is the scratch of store.
func storeFloats(dim int) int {
	return roundUp(storeTokens*dim, line) + line + storeTokens*roundUp(dim, 32)/4
}

// store rounds rows row … row+n-1 of a kv head to integers and writes them as tokens j … of a segment, which lie in one
// block.
func (s *CacheSpec) store(w *Worker, to segmentQ, k, v Rows, r *Rope, ph Phases, row, j, n int) {
	free, size := pieces(w.Scratch), roundUp(s.Dim, 32)
	x := Rows{free.take(storeTokens * s.Dim), s.Dim}
	q := integers{sum: wordsOf(free.take(1)), size: size, all: rawBytes(free.take(storeTokens * size / 4))}
	for m := 0; n > 0; row, j, n = row+m, j+m, n-m {
		m = min(n, storeTokens-j%storeTokens)
		if r != nil {
			r.rotate(w.Set, x.Data, s.Dim, k.From(row), ph.From(row), s.Dim, m)
		} else {
			copyRows(w.Set, x.Data, x.Stride, k.From(row), s.Dim, m)
		}
		s.round(w.Set, &q, x, m)
		for i := range m {
			s.putKey(to, q.token(i), q.scales[i], j+i)
		}
		values := v.From(row)
		if s.Format == Q4 {
			copyRows(w.Set, x.Data, x.Stride, values, s.Dim, m)
			values = x // which rounding overwrites
		}
		s.round(w.Set, &q, values, m)
		for i, scale := range q.scales[:m] {
			binary.LittleEndian.PutUint32(to.scales[4*(j+i):], math.Float32bits(scale))
		}
		if m == storeTokens {
			s.putValues(to, &q, j)
		} else {
			for i := range m {
				s.putValue(to, q.token(i), j+i)
			}
		}
	}
}

// integers are rows of a head, rounded, at the beginning of size bytes each, which are zeros behind them.
type integers struct {
	all    []byte
	size   int
	sum    []int32 // is not looked at
	scales [storeTokens]float32
}

func (q *integers) token(i int) []byte { return q.all[i*q.size:][:q.size] }

// round rounds rows of x to integers. In a cache in q4 x is [rows][Dim], and is turned; the steps of all rows are taken
// together, since one of a row waits for the one before.
func (s *CacheSpec) round(set Set, q *integers, x Rows, rows int) {
	if s.Format == Q4 {
		s.hadamard(set, x.Data[:rows*s.Dim])
	}
	for i := range rows {
		q.scales[i] = set.QuantizeRow(signed(q.token(i)), q.sum, x.Row(i, s.Dim), q.size, 0)
	}
	if s.Format == Q4 {
		for i := range rows {
			q.scales[i] = s.codesOf(q.token(i)[:s.Dim], q.scales[i])
		}
	}
}

// signed are bytes as signed ones.
func signed(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

// putKey writes a key's integers as token j of a segment.
func (s *CacheSpec) putKey(to segmentQ, q []byte, scale float32, j int) {
	rows, at := s.keyRows(), j%blockTokens
	block := to.keys[j/blockTokens*s.keyBytes():][:s.keyBytes()]
	words := block[4*at:]
	if s.Format == Q4 {
		for ; rows > 0; rows -= 8 {
			eight := binary.LittleEndian.Uint64(q)
			binary.LittleEndian.PutUint32(words, uint32(eight|eight>>28))
			q, words = q[8:], words[4*blockTokens:]
		}
	} else {
		for ; rows > 0; rows -= 4 {
			binary.LittleEndian.PutUint32(words, binary.LittleEndian.Uint32(q)^(q8Zero*0x01010101))
			q, words = q[4:], words[4*blockTokens:]
		}
	}
	binary.LittleEndian.PutUint32(words, math.Float32bits(scale))
}

// putValue writes a value's integers as token j of a segment.
func (s *CacheSpec) putValue(to segmentQ, q []byte, j int) {
	cols, shift := valueCols(s.Dim), j%8/4*4
	for c, width := 0, 0; c < s.Dim; c += width {
		width = panelWidth(cols - c)
		if x := q[c:min(c+width, s.Dim)]; s.Format == Q4 {
			eight := to.values[c*segmentTokens/2+j/8*4*width:][:4*width]
			for i, x := range x {
				out := &eight[4*i+j%4]
				*out = *out&^(0xf<<shift) | x<<shift
			}
		} else {
			four := to.values[c*segmentTokens+j/4*4*width:][:4*width]
			for i, x := range x {
				four[4*i+j%4] = x
			}
		}
	}
}

// putValues is putValue for tokens j … j+7, whose integers it overwrites.
func (s *CacheSpec) putValues(to segmentQ, q *integers, j int) {
	all, size := q.all, q.size
	words := storeTokens / 4 // of a column
	if s.Format == Q4 {
		words = 1
		low, high := all[:4*size], all[4*size:][:4*size]
		for i := 0; i+8 <= len(low); i += 8 {
			both := binary.LittleEndian.Uint64(low[i:]) | binary.LittleEndian.Uint64(high[i:])<<4
			binary.LittleEndian.PutUint64(low[i:], both)
		}
	}
	cols := valueCols(s.Dim)
	for c, width := 0, 0; c < s.Dim; c += width {
		width = panelWidth(cols - c)
		n := min(width, roundUp(s.Dim-c, 8))
		out := to.values[4*words*(c*segmentTokens+j*width)/storeTokens:]
		for i := range words {
			x := all[4*i*size+c:]
			weave(out[4*i*width:][:4*n], x[:n], x[size:], x[2*size:], x[3*size:])
		}
	}
}

// weave writes four rows of bytes, a multiple of eight each, as columns: a[0] b[0] c[0] d[0] a[1] ….
func weave(out, a, b, c, d []byte) {
	const bytes, words = 0x00ff00ff00ff00ff, 0x0000ffff0000ffff
	b, c, d = b[:len(a)], c[:len(a)], d[:len(a)]
	for i := 0; i+8 <= len(a); i += 8 {
		a, b, c, d := binary.LittleEndian.Uint64(a[i:]), binary.LittleEndian.Uint64(b[i:]), binary.LittleEndian.Uint64(c[i:]), binary.LittleEndian.Uint64(d[i:])
		ab0, ab1 := a&bytes|b&bytes<<8, a>>8&bytes|b&^bytes // of columns 0 2 4 6, and 1 3 5 7
		cd0, cd1 := c&bytes|d&bytes<<8, c>>8&bytes|d&^bytes
		w04, w26 := ab0&words|cd0&words<<16, ab0>>16&words|cd0&^words
		w15, w37 := ab1&words|cd1&words<<16, ab1>>16&words|cd1&^words
		eight := out[4*i:][:32]
		binary.LittleEndian.PutUint64(eight, w04&(1<<32-1)|w15<<32)
		binary.LittleEndian.PutUint64(eight[8:], w26&(1<<32-1)|w37<<32)
		binary.LittleEndian.PutUint64(eight[16:], w04>>32|w15&^(1<<32-1))
		binary.LittleEndian.PutUint64(eight[24:], w26>>32|w37&^(1<<32-1))
	}
}
