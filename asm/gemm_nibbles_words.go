package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tile of nibbles without VNNI: VPMADDUBSW multiplies nibbles, with their zero point, by x, and products gather in
// 16 bits over a part: 8*2*15*127 < 2^15. VPMADDWD multiplies a part's sums by its factor and adds neighbours to
// 32 bits. The zero point is taken out by the part's sum of x: it starts one of the two neighbours, which stays
// above -2^15 (16 inputs of 127 by -8, and as many more that the other has). Parts are added in the scratch:
//
//	[4][32] words: factors, twice each    [32] float32: scales    [rows][32] int32: sums over the parts
//
// of which the first two follow each block's nibbles if those are unpacked, one a byte.
//
// A tile is R rows and two or four vectors of columns; a block, which stays in the first cache, is passed over
// until all 32 columns are done. Registers: R*V accumulators, two of w, x, a product.

// fewWords is how many rows a tile of nibbles may have, above which weights are unpacked.
const fewWords = 6

const (
	wordsScales = 4 * halfCols * q4Parts // in what comes with a block
	wordsParts  = wordsScales + 4*halfCols
	wordsBytes  = quantBlock*halfCols + wordsParts // of an unpacked block
	wordsSums   = 19 << 10                         // in the scratch
)

// scaleWords writes a block's factors and scales, from the words at w.
func (g *gemmQuant) scaleWords(w, to reg.GPVirtual, disp int) {
	for v := range halfCols / g.level.Lanes {
		word := g.vec()
		g.VMOVDQU(operand.Mem{Base: w, Disp: v * g.bytes()}, word)
		for part := range q4Parts {
			f := g.vec()
			g.VPSLLD(operand.Imm(uint64(32-q4Field*(part+1))), word, f)
			g.VPSRAD(operand.Imm(32-q4Field), f, f)
			g.VPSHUFB(g.twice(), f, f)
			g.VMOVDQU(f, operand.Mem{Base: to, Disp: disp + 4*halfCols*part + v*g.bytes()})
		}
		g.VPSRLD(operand.Imm(1), word, word)
		g.VPAND(g.constant("q4Scale", q4Scale), word, word)
		g.VMOVDQU(word, operand.Mem{Base: to, Disp: disp + wordsScales + v*g.bytes()})
	}
}

// twice are the indices that repeat the low half of each word.
func (g *gemmQuant) twice() operand.Mem {
	words := make([]uint32, g.level.Lanes)
	for i := range words {
		words[i] = 0x01000100 + uint32(i%4)*0x04040404
	}
	return g.data("twice", words...)
}

// nibblesWords writes one block of a tile, packed or not.
func (g *gemmQuant) nibblesWords(x []reg.GPVirtual, rows int) {
	vectors := 2
	if rows <= 3 {
		vectors = 4
	}
	if g.unpack == nil {
		g.scaleWords(g.w, g.ptr("tmp"), 0)
	}
	strip, loop := g.AllocLocal(8), g.label("strip") // bytes of a row of 32-bit words before the strip
	g.MOVQ(operand.I32(0), strip)
	g.Label(loop)
	g.stripWords(x, rows, vectors, strip)
	g.ADDQ(operand.I32(4*vectors*g.level.Lanes), strip)
	g.CMPQ(strip, operand.I32(4*halfCols))
	g.JLT(operand.LabelRef(loop))
	g.move(x, quantBlock)
	g.rest()
}

// stripWords writes some vectors of columns of a block.
func (g *gemmQuant) stripWords(x []reg.GPVirtual, rows, vectors int, strip operand.Mem) {
	sum := func(tmp reg.GPVirtual, r, v int) operand.Mem { // the same memory for each strip
		return operand.Mem{Base: tmp, Disp: wordsSums + (r*vectors+v)*g.bytes()}
	}
	tmp, none := g.ptr("tmp"), g.vec()
	g.zero(none)
	for r := range rows {
		for v := range vectors {
			g.VMOVDQU(none, sum(tmp, r, v))
		}
	}

	w, factors, at := g.GP64(), g.GP64(), g.GP64()
	g.MOVQ(strip, at)
	g.LEAQ(operand.Mem{Base: g.w, Index: at, Scale: 1, Disp: g.first()}, w)
	g.LEAQ(g.beside(at, 0), factors)
	loop, left := g.label("part"), g.AllocLocal(8)
	g.MOVQ(operand.I32(q4Parts), left)
	g.Label(loop)
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		acc[r] = g.vecs(vectors)
	}
	row := g.copyOf(g.sums)
	for r := range acc {
		g.VPBROADCASTD(operand.Mem{Base: row, Disp: 4}, acc[r][0])
		g.VPSLLD(operand.Imm(16), acc[r][0], acc[r][0])
		for _, v := range acc[r][1:] {
			g.VMOVDQA(acc[r][0], v)
		}
		if r < rows-1 {
			g.LEAQ(operand.Mem{Base: row, Index: g.lds, Scale: 4}, row)
		}
	}
	g.words4(acc, x, w)
	tmp = g.ptr("tmp")
	for r := range acc {
		for v, n := range acc[r] {
			g.VPMADDWD(operand.Mem{Base: factors, Disp: v * g.bytes()}, n, n)
			g.VPADDD(sum(tmp, r, v), n, n)
			g.VMOVDQU(n, sum(tmp, r, v))
		}
	}
	g.ADDQ(operand.I32(4*halfCols), factors)
	g.ADDQ(operand.Imm(4), g.sums)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	g.move(x, -quantBlock)
	g.SUBQ(operand.Imm(4*q4Parts), g.sums)

	dst := g.GP64()
	tmp, at = g.ptr("tmp"), g.GP64()
	g.MOVQ(strip, at)
	g.LEAQ(operand.Mem{Base: g.dst, Index: at, Scale: 1}, dst)
	scales := g.vecs(vectors)
	for v := range scales {
		g.VMOVUPS(g.beside(at, wordsScales+v*g.bytes()), scales[v])
	}
	for r := range rows {
		for v := range vectors {
			n, at := g.vec(), operand.Mem{Base: dst, Disp: v * g.bytes()}
			g.VCVTDQ2PS(sum(tmp, r, v), n)
			g.VFMADD213PS(at, scales[v], n)
			g.VMOVUPS(n, at)
		}
		if r < rows-1 {
			g.ADDQ(g.ldd, dst)
		}
	}
}

// beside is where a block's factors and scales lie, from a strip on.
func (g *gemmQuant) beside(strip reg.GPVirtual, disp int) operand.Mem {
	m := operand.Mem{Base: g.w, Index: strip, Scale: 1, Disp: quantBlock*halfCols + disp}
	if g.unpack == nil {
		m.Base, m.Disp = g.ptr("tmp"), disp
	}
	return m
}

// first is where the weights of a block begin.
func (g *gemmQuant) first() int {
	if g.unpack == nil {
		return q4Nibbles
	}
	return 0
}

// words4 adds the products of a part. x and w move.
func (g *gemmQuant) words4(acc [][]reg.VecVirtual, x []reg.GPVirtual, w reg.GPVirtual) {
	bytes := quad * halfCols
	if g.unpack == nil {
		bytes /= 2
	}
	load := func(step, v int) reg.VecVirtual {
		wv := g.vec()
		if g.unpack != nil {
			g.VMOVDQU(operand.Mem{Base: w, Disp: step*bytes + v*g.bytes()}, wv)
			return wv
		}
		g.VMOVDQU(operand.Mem{Base: w, Disp: step/2*2*bytes + v*g.bytes()}, wv)
		if step%2 == 1 {
			g.VPSRLW(operand.Imm(4), wv, wv)
		}
		g.VPAND(g.constant("nibble", 0x0f0f0f0f), wv, wv)
		return wv
	}
	product := func(r, v int, x, w reg.VecVirtual) {
		p := g.vec()
		g.VPMADDUBSW(x, w, p)
		g.VPADDW(p, acc[r][v], acc[r][v])
	}
	unroll := 2
	if g.unpack != nil {
		unroll = 4
	}
	g.steps(x, w, len(acc[0]), q4Part, unroll, bytes, func(step int) {
		if len(acc[0]) == 4 { // one register is all there is for w
			for v := range acc[0] {
				wv := load(step, v)
				for r := range acc {
					product(r, v, g.quadOf(x, r, step), wv)
				}
			}
			return
		}
		ws := []reg.VecVirtual{load(step, 0), load(step, 1)}
		for r := range acc {
			xr := g.quadOf(x, r, step)
			for v := range ws {
				product(r, v, xr, ws[v])
			}
		}
	})
}

// unpackWords unpacks a segment's nibbles to bytes.
func (g *gemmQuant) unpackWords() {
	g.unpackBlocks(func(from, to reg.GPVirtual) {
		g.scaleWords(from, to, quantBlock*halfCols)
		w, out, nibble, n := g.copyOf(from), g.copyOf(to), g.inRegister(g.constant("nibble", 0x0f0f0f0f)), g.GP64()
		g.MOVQ(operand.I32(quantBlock/quad/2), n)
		g.times(n, func() {
			for v := range halfCols / g.level.Lanes {
				low, high := g.vec(), g.vec()
				g.VMOVDQU(operand.Mem{Base: w, Disp: q4Nibbles + v*g.bytes()}, low)
				g.VPSRLW(operand.Imm(4), low, high)
				g.VPAND(nibble, low, low)
				g.VPAND(nibble, high, high)
				g.VMOVDQU(low, operand.Mem{Base: out, Disp: v * g.bytes()})
				g.VMOVDQU(high, operand.Mem{Base: out, Disp: quad*halfCols + v*g.bytes()})
			}
			g.ADDQ(operand.I32(quad*halfCols), w)
			g.ADDQ(operand.I32(2*quad*halfCols), out)
		})
	})
}
