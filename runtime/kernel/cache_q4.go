package kernel

// A cache of 4-bit codes: every key and every value of a head is a row of codes and one float32 scale. Code u stands for
// the level q4Levels[u] times the scale. A segment of T = 512 positions of a head is
//
//	keys     8 blocks of  [ceil(Dim/8)][64][4] bytes   of eight elements, i in the low half of byte i and i+4 in the high
//	                      [64] float32                 scales
//	values   [T] float32                               scales
//	         [panels][T/8][width][4]                   of eight tokens, i in the low half of byte i and i+4 in the high
//
// so that the low halves of four bytes, looked up, are four bytes of a cache in q8, and the high halves the next four.
//
// One scale a row is too coarse for rows of which a few elements are far larger than the others, as some channels of
// trained keys are. Rows are therefore turned by Hadamard's matrix H first, which spreads what is large over all
// elements (Ashkboos et al. 2024, "QuaRot", arXiv 2404.00456), in blocks where Dim is no power of two. H is symmetric
// and H·H is n, the block's size: keys become H·k/n and queries H·q, whose product is q·k; values become H·v/n, and H
// times the sum of weighted ones is that of the values. n is a power of two, so that H's additions alone round.
//
// Elements of turned rows are distributed almost normally. The levels are the best ones for that (Max 1960), in
// proportion to the largest of a row. Then the scale is the one that makes the squares of errors the least.
const q4Codes = 16

// q4Levels are the levels, in ascending order and in steps of which the largest magnitude of a row is 127.
var q4Levels = [q4Codes]int8{-121, -92, -72, -56, -42, -29, -17, -6, 6, 17, 29, 42, 56, 72, 92, 121}

// q4Code is, for each integer q as a byte, the code of the nearest level c, the lower one of two, in bits 60 to 63, q*c
// from bit 32 on and c*c from bit 0: sums of up to 1024 of them are sums of each of both products.
var q4Code = func() (table [256]uint64) {
	for q := -127; q <= 127; q++ {
		best := 0
		for u, c := range q4Levels {
			if distance(q, c) < distance(q, q4Levels[best]) {
				best = u
			}
		}
		c := int(q4Levels[best])
		table[byte(q)] = uint64(best)<<60 | uint64(q*c)<<32 | uint64(c*c)
	}
	return table
}()

func distance(q int, level int8) int { return max(q-int(level), int(level)-q) }

// turned is the size of the blocks in which keys are turned: the greatest power of two that divides Dim, or 1 for none
// if that is below a line.
func (s *CacheSpec) turned() int {
	if n := s.Dim & -s.Dim; n >= line {
		return n
	}
	return 1
}

// hadamard turns a head's row in place.
func (s *CacheSpec) hadamard(set Set, x []float32) {
	if n := s.turned(); n > 1 {
		set.Hadamard(x, n)
	}
}

// queriesQ4 multiplies queries by a factor and turns them, in place, with zeros for the elements that keys have more.
func (s *CacheSpec) queriesQ4(set Set, x []float32, factor float32) {
	for n := s.keyRows(); len(x) > 0; x = x[n:] {
		set.Scale(x[:s.Dim], x[:s.Dim], factor)
		s.hadamard(set, x[:s.Dim])
		clear(x[s.Dim:n])
	}
}

// codesOf makes codes of the integers of a turned row, in place, and a code's scale of an integer's.
func (s *CacheSpec) codesOf(row []byte, scale float32) float32 {
	var sums uint64
	for len(row) >= 4 {
		four := row[:4:4]
		a, b, c, d := q4Code[four[0]], q4Code[four[1]], q4Code[four[2]], q4Code[four[3]]
		four[0], four[1], four[2], four[3] = byte(a>>60), byte(b>>60), byte(c>>60), byte(d>>60)
		sums += a + b + (c + d)
		row = row[4:]
	}
	for i, q := range row {
		c := q4Code[q]
		sums += c
		row[i] = byte(c >> 60)
	}
	const bits = 1<<28 - 1
	return scale / float32(s.turned()) * (float32(sums>>32&bits) / float32(sums&bits))
}

// appendQ4 appends the key and the value of token j of a segment to k and v.
func (s *CacheSpec) appendQ4(k, v []float32, x segmentQ, j int) (keys, values []float32) {
	kn, vn, at, cols := len(k), len(v), j%blockTokens, valueCols(s.Dim)
	block := x.keys[j/blockTokens*s.keyBytes():][:s.keyBytes()]
	scale := f32At(block[blockTokens*s.keyRows()/2:], at)
	for d := range s.Dim {
		k = append(k, levelAt(block, d, at, blockTokens)*scale)
		c, width := panelOf(d, cols)
		v = append(v, levelAt(x.values[c*segmentTokens/2:], j, d-c, width)*f32At(x.scales, j))
	}
	s.hadamard(Portable{}, k[kn:])
	s.hadamard(Portable{}, v[vn:])
	return k, v
}

// levelAt is the level of input i of column c of a panel of codes.
func levelAt(panel []byte, i, c, width int) float32 {
	return float32(q4Levels[panel[quadAt(i/8*4+i%4, c, width)]>>(i%8/4*4)&(q4Codes-1)])
}
