package tokenizer

import (
	"hash/maphash"
	"strings"
)

// Byte-pair encoding (Sennrich et al. 2016): a piece starts as one token a byte or a character; as
// long as two neighbours have a merge, the merge of lowest rank, leftmost first, replaces them.
type bpe struct {
	bytes  [256]int32        // the token of each byte
	merges map[uint64]merged // what two neighbouring tokens become
	whole  map[string]int32  // tokens that a whole piece may be, merges or not (ignore_merges)
	chars  *chars            // a piece starts as characters; nil: as bytes
}

type merged struct{ rank, id int32 }

func pair(a, b int32) uint64 { return uint64(a)<<32 | uint64(b) }

// scratch is the working memory of one Encode, kept for the next.
type scratch struct {
	sym   []int32  // the token that starts at each byte of the piece; dead if a merge took it in
	prev  []int32  // where the token before starts, or -1
	next  []int32  // where the token after starts, or len(sym)
	heap  []uint64 // rank<<32 | start of every merge that may be possible: a binary heap
	cache [1 << 12]cached
	path  []step // of unigram
}

const dead = -1

func (b *bpe) joinsUnknown() bool { return b.chars != nil && b.chars.unknown.fuse }

// cached is a piece seen before. The cache has one place a hash; the newest piece takes it.
type cached struct {
	piece string
	ids   []int32
}

const cacheLen = 48 // longer pieces hardly come twice

var seed = maphash.MakeSeed()

// encode appends the tokens of one piece, which is not empty.
func (b *bpe) encode(s *scratch, ids []int32, piece string) []int32 {
	if len(piece) == 1 && b.chars == nil {
		return append(ids, b.bytes[piece[0]])
	}
	if len(piece) > cacheLen {
		return b.merge(s, ids, piece)
	}
	c := &s.cache[maphash.String(seed, piece)%uint64(len(s.cache))]
	if c.piece == piece {
		return append(ids, c.ids...)
	}
	from := len(ids)
	ids = b.merge(s, ids, piece)
	c.piece = strings.Clone(piece)
	c.ids = append(c.ids[:0], ids[from:]...)
	return ids
}

// merge is BPE with a linked list and a heap: O(n log n) in the length of the piece.
func (b *bpe) merge(s *scratch, ids []int32, piece string) []int32 {
	if id, ok := b.whole[piece]; ok {
		return append(ids, id)
	}
	n := int32(len(piece))
	s.sym, s.prev, s.next, s.heap = s.sym[:0], s.prev[:0], s.next[:0], s.heap[:0]
	if b.chars != nil {
		b.chars.start(s, piece)
	} else {
		for i := range n {
			s.sym = append(s.sym, b.bytes[piece[i]])
			s.prev = append(s.prev, i-1)
			s.next = append(s.next, i+1)
		}
	}
	for i := int32(0); s.next[i] < n; i = s.next[i] {
		if m, ok := b.merges[pair(s.sym[i], s.sym[s.next[i]])]; ok {
			s.heap = append(s.heap, uint64(m.rank)<<32|uint64(i))
		}
	}
	for i := len(s.heap)/2 - 1; i >= 0; i-- {
		s.down(i)
	}
	for len(s.heap) > 0 {
		top := s.pop()
		i := int32(uint32(top))
		if s.sym[i] == dead || s.next[i] == n {
			continue
		}
		j := s.next[i]
		m, ok := b.merges[pair(s.sym[i], s.sym[j])]
		if !ok || m.rank != int32(top>>32) {
			continue // one of the two has been merged since; whatever has this rank now may be merged now
		}
		s.sym[i], s.sym[j] = m.id, dead
		s.next[i] = s.next[j]
		if k := s.next[i]; k < n {
			s.prev[k] = i
			b.offer(s, i, k)
		}
		if h := s.prev[i]; h >= 0 {
			b.offer(s, h, i)
		}
	}
	if b.chars != nil {
		return b.chars.finish(s, ids, piece)
	}
	for i := int32(0); i < n; i = s.next[i] {
		ids = append(ids, s.sym[i])
	}
	return ids
}

// offer puts the merge of the neighbours at i and j, if there is one, on the heap.
func (b *bpe) offer(s *scratch, i, j int32) {
	if m, ok := b.merges[pair(s.sym[i], s.sym[j])]; ok {
		s.push(uint64(m.rank)<<32 | uint64(i))
	}
}

func (s *scratch) push(x uint64) {
	s.heap = append(s.heap, x)
	i := len(s.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if s.heap[up] <= x {
			break
		}
		s.heap[i] = s.heap[up]
		i = up
	}
	s.heap[i] = x
}

func (s *scratch) pop() uint64 {
	top, last := s.heap[0], len(s.heap)-1
	s.heap[0] = s.heap[last]
	s.heap = s.heap[:last]
	if last > 0 {
		s.down(0)
	}
	return top
}

// down moves the element at i to its place below.
func (s *scratch) down(i int) {
	h, x := s.heap, s.heap[i]
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if x <= h[c] {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = x
}
