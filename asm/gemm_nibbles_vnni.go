package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Nibbles with VNNI. A tile of few rows adds the products of a part's nibbles as they are, from the part's sum of x,
// which takes the zero point out. The result fits in 16 bits, 8*32*127 < 2^15, so that VPDPWSSD multiplies it by the
// part's factor and adds the product. Registers: 2R sums of a part, as many for its odd steps if rows are few,
// 2R of a block, 2 of w, x, the words of the columns, two constants. dst stays in memory.
//
// For more rows a segment is unpacked once, to bytes as those of q8 are. Of a part's factor f and a nibble u, zero point 8,
//
//	f*(u-8) + 128 = f*u + (128-8f)             if f >= 0
//	              = |f|*(15-u) + (128-7|f|)    if f < 0
//
// and |f|*u is at most 225: a 16-bit product by |f| multiplies two bytes at once. What depends on f comes from tables.

// fewVNNI is up to how many rows tiles read nibbles, fewTile how many such a tile may have. Up to fewNear rows memory is
// what limits a tile; with more, arithmetic takes as long, and asking from farther keeps it from waiting. 16 KB were 2 %
// slower than 11.
const (
	fewVNNI = 24
	fewTile = 6
	fewNear = 2
)

// nibblesVNNI writes one block of a tile of nibbles.
func (g *gemmQuant) nibblesVNNI(x []reg.GPVirtual, rows int) {
	all := g.addParts(x, rows)
	scales, dst := g.vecs(2), g.copyOf(g.dst)
	mask := g.constant("q4Scale", q4Scale)
	for v := range scales {
		g.VPSRLD(operand.Imm(1), operand.Mem{Base: g.w, Disp: v * g.bytes()}, scales[v])
		g.VPANDD(mask, scales[v], scales[v])
	}
	for r := range all {
		for v, n := range all[r] {
			at := operand.Mem{Base: dst, Disp: v * g.bytes()}
			g.VCVTDQ2PS(n, n)
			g.VFMADD213PS(at, scales[v], n)
			g.VMOVUPS(n, at)
		}
		if r < rows-1 {
			g.ADDQ(g.ldd, dst)
		}
	}
	g.rest()
}

// addParts adds the products of a block's parts, each times its factors.
func (g *gemmQuant) addParts(x []reg.GPVirtual, rows int) (all [][]reg.VecVirtual) {
	nibble, low := g.inRegister(g.constant("nibble", 0x0f0f0f0f)), g.inRegister(g.constant("lowWord", 0xffff))
	words, w := g.vecs(2), g.copyOf(g.w)
	for v := range words {
		g.VMOVDQU32(operand.Mem{Base: w, Disp: v * g.bytes()}, words[v])
	}
	all = make([][]reg.VecVirtual, rows)
	for r := range all {
		all[r] = g.vecs(2)
		g.zero(all[r]...)
	}
	loop, left := g.label("part"), g.GP64()
	g.MOVQ(operand.I32(q4Parts), left)
	g.Label(loop)
	g.ADDQ(operand.Imm(4), g.sums)
	acc, odd := g.loadSums(rows)
	even := acc
	for step := range q4Part / quad {
		ws := g.vecs(2)
		for v := range ws {
			at := operand.Mem{Base: w, Disp: q4Nibbles + (step/2*2+v)*g.bytes()}
			if step%2 == 0 {
				g.VPANDD(at, nibble, ws[v])
				continue
			}
			g.VPSRLW(operand.Imm(4), at, ws[v])
			g.VPANDD(nibble, ws[v], ws[v])
		}
		g.prefetch(g.lines)
		g.dots(even, ws, x, step)
		even, odd = odd, even
	}
	g.joinSums(acc, odd)
	for v, word := range words {
		factor := g.vec()
		g.VPSLLD(operand.Imm(32-q4Field), word, factor)
		g.VPSRAD(operand.Imm(32-q4Field), factor, factor)
		g.VPANDD(low, factor, factor)
		g.VPSRLD(operand.Imm(q4Field), word, word)
		for r := range acc {
			g.VPDPWSSD(factor, acc[r][v], all[r][v])
		}
	}
	g.move(x, q4Part)
	g.ADDQ(operand.I32(q4Part*halfCols/2), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	g.SUBQ(operand.Imm(4*q4Parts), g.sums)
	return all
}

// unpackVNNI makes blocks of a segment those of q8.
func (g *gemmQuant) unpackVNNI() {
	nibble, mask := g.constant("nibble", 0x0f0f0f0f), g.constant("q4BF16", q4Scale>>16)
	sizes, shifts := g.vec(), g.vec()
	g.VMOVDQU32(g.sizeTable(0), sizes)
	g.VMOVDQU32(g.shiftTable(0), shifts)
	g.unpackBlocks(func(from, to reg.GPVirtual) {
		words, w, out := g.vecs(2), g.copyOf(from), g.copyOf(to)
		for v, word := range words {
			scale := g.vec()
			g.VMOVDQU32(operand.Mem{Base: from, Disp: v * g.bytes()}, word)
			g.VPSRLD(operand.Imm(17), word, scale)
			g.VPANDD(mask, scale, scale)
			g.VPMOVDW(scale, operand.Mem{Base: to, Disp: q8Scales + v*halfCols})
		}
		parts := g.GP64()
		g.MOVQ(operand.I32(q4Parts), parts)
		g.times(parts, func() {
			for v, word := range words {
				size, shift, sign := g.vec(), g.vec(), g.vec()
				g.VMOVDQA32(word, size)
				g.VPERMI2D(g.sizeTable(1), sizes, size)
				g.VMOVDQA32(word, shift)
				g.VPERMI2D(g.shiftTable(1), shifts, shift)
				g.VPSLLD(operand.Imm(32-q4Field), word, sign)
				g.VPSRAD(operand.Imm(31), sign, sign)
				g.VPSRLD(operand.Imm(q4Field), word, word)
				for step := range q4Part / quad {
					u, at := g.vec(), operand.Mem{Base: w, Disp: q4Nibbles + (step/2*2+v)*g.bytes()}
					if step%2 == 0 {
						g.VMOVDQU32(at, u)
					} else {
						g.VPSRLW(operand.Imm(4), at, u)
					}
					g.VPTERNLOGD(operand.Imm(0x28), nibble, sign, u) // (u ^ sign) & nibble
					g.VPMULLW(size, u, u)
					g.VPADDB(shift, u, u)
					g.VMOVDQU32(u, operand.Mem{Base: out, Disp: (2*step + v) * g.bytes()})
				}
			}
			g.ADDQ(operand.I32(q4Part*halfCols/2), w)
			g.ADDQ(operand.I32(q4Part*halfCols), out)
		})
	})
}

// sizeTable is half of the table of |f| in each 16 bits of a word, by the five bits of f.
func (g *gemmQuant) sizeTable(half int) operand.Mem {
	return g.factorTable("factorSize", half, func(f int) uint32 { return uint32(max(f, -f)) * 0x00010001 })
}

// shiftTable is half of the table of 128-8f or 128-7|f| in each byte.
func (g *gemmQuant) shiftTable(half int) operand.Mem {
	return g.factorTable("factorShift", half, func(f int) uint32 { return uint32(128-max(8*f, -7*f)) * 0x01010101 })
}

func (g *gemmQuant) factorTable(name string, half int, of func(f int) uint32) operand.Mem {
	words := make([]uint32, 32)
	for i := range words {
		words[i] = of(i&15 - i&16)
	}
	return g.data(name, words...).Offset(half * g.bytes())
}
