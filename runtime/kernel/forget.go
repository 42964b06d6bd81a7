package kernel

// Forget makes zero what a state holds and no token from position pos on will ever look at: what tokens
// behind pos left, if the state has been taken back to it, and what older ones did. It changes no result;
// states after the same tokens are equal bytes after it, however they came about.

// Forget does so with the open block.
func (s *RetainSpec) Forget(st *Retention, pos int) {
	for h := range s.Heads {
		head := st.head(h, s.Dim)
		forgetBlock(head.k, head.v, s.Dim, valueCols(s.Dim), pos)
		clear(head.g[pos%blockTokens:])
	}
}

// Forget does so with the open block.
func (s *DeltaSpec) Forget(st *DeltaState, pos int) {
	for h := range s.ValueHeads {
		head := st.head(h, s.Dim, s.ValueDim)
		forgetBlock(head.k, head.u, s.Dim, valueCols(s.ValueDim), pos)
		clear(head.g[pos%blockTokens:])
		clear(head.r[pos%blockTokens:])
	}
}

// Forget leaves all: every row is looked at.
func (s *ConvSpec) Forget(*ConvState, int) {}

// Forget leaves all: the next token looks at every state.
func (s *ScanSpec) Forget(*Scanned, int) {}

// forgetBlock clears keys, [dim][64], and value panels, [64][width], of an open block from pos on.
func forgetBlock(k, v []float32, dim, cols, pos int) {
	i := pos % blockTokens
	for e := range dim {
		clear(k[e*blockTokens+i : (e+1)*blockTokens])
	}
	for c, width := 0, 0; c < cols; c += width {
		width = panelWidth(cols - c)
		clear(v[c*blockTokens+i*width : (c+width)*blockTokens])
	}
}

// Forget does so with a ring, and with the span in which pos lies of a cache that grows.
func (s *CacheSpec) Forget(c *Cache, pos int) {
	first, seen := pos/blockTokens, 0
	end := first/s.segmentBlocks()*s.segmentBlocks() + s.segmentBlocks()
	if s.isRing() { // its slots hold the blocks up to that of the last token
		end = blocksOf(pos, blockTokens)
		first, seen = end-s.ringBlocks(), max(0, pos-s.Window+1)
	} else if pos/segmentTokens >= len(*c.spans) {
		return
	}
	in := func(pos, b int) int { return min(max(pos-b*blockTokens, 0), blockTokens) }
	for head := range s.KVHeads {
		for b := first; b < end; b++ {
			slot := b
			if b < 0 {
				slot += s.ringBlocks()
			}
			s.forgetTokens(c, head, slot, 0, in(seen, b))
			s.forgetTokens(c, head, slot, in(pos, b), blockTokens)
		}
	}
}

// forgetTokens clears tokens [from, to) of a head's block b.
func (s *CacheSpec) forgetTokens(c *Cache, head, b, from, to int) {
	if from == to {
		return
	}
	const row = 4 * blockTokens // a block of keys is rows of four bytes a token, scales among them
	for keys := s.key(c, head, b); len(keys) > 0; keys = keys[row:] {
		clear(keys[4*from : 4*to])
	}
	values, tokens := s.values(c, head, b), blockTokens
	if s.integers() {
		segment := s.segmentQ(c, head, b)
		tokens, from, to = segmentTokens, b*blockTokens%segmentTokens+from, b*blockTokens%segmentTokens+to
		clear(segment.scales[4*from : 4*to])
		values = segment.values
	}
	bits, cols := s.elemBits(), valueCols(s.Dim)
	for col, width := 0, 0; col < cols; col += width {
		width = panelWidth(cols - col)
		forgetRows(values[bits*tokens*col/8:][:bits*tokens*width/8], width, bits, from, to)
	}
}

// forgetRows clears rows [from, to) of a panel, so many columns wide, whose elements have so many bits: those of as
// many rows as make four bytes lie side by side.
func forgetRows(panel []byte, width, bits, from, to int) {
	group := 32 / bits
	for r := from; r < to; {
		rows := panel[r/group*4*width:][:4*width]
		if r%group == 0 && r+group <= to {
			clear(rows)
			r += group
			continue
		}
		for i := range width {
			if bits == 4 {
				rows[4*i+r%4] &^= 0xf << (r % group / 4 * 4)
				continue
			}
			clear(rows[4*i+r%group*bits/8:][:bits/8])
		}
		r++
	}
}
