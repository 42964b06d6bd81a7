package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tile of nibbles without VNNI: VPMADDUBSW multiplies nibbles, with their zero point, by x, and products gather in
// 16 bits over a part: 8*2*15*127 < 2^15. VPMADDWD multiplies a part's sums by its factor and adds neighbours to
// 32 bits. The zero point is taken out by the parts' sums of x, 16 bits too (32 inputs of 127 by -8): times the factors,
// two parts at a time, they are what the sums over the parts start from. Parts are added in the scratch:
//
//	[4][32] words: factors, twice each    [32] float32: scales    [2][32] words: factors of two parts
//	[rows][32] int32: sums over the parts
//
// of which the first three follow each block's nibbles if those are unpacked, one a byte.
//
// A tile is R rows and two or four vectors of columns; a block, which stays in the first cache, is passed over
// until all 32 columns are done. Registers: R*V accumulators, two of w, x, a product; for fewer rows the nibbles of w apart,
// the mask of nibbles, the sums over the parts.

const (
	fewWords  = 6 // how many rows a tile of nibbles may have, above which weights are unpacked
	keepBytes = 5 // up to how many rows what both halves of bytes are taken from stays in registers
	keepMask  = 4 // and the mask of nibbles
	keepSums  = 4 // up to how many vectors of a tile sums over the parts do
)

const (
	wordsScales = 4 * halfCols * q4Parts // in what comes with a block
	wordsPairs  = wordsScales + 4*halfCols
	wordsParts  = wordsPairs + 4*halfCols*q4Parts/2
	wordsBytes  = quantBlock*halfCols + wordsParts // of an unpacked block
	wordsSums   = 19 << 10                         // in the scratch
)

// scaleWords writes a block's factors and scales, from the words at w.
func (g *gemmQuant) scaleWords(w, to reg.GPVirtual, disp int) {
	for v := range halfCols / g.level.Lanes {
		word := g.vec()
		g.VMOVDQU(operand.Mem{Base: w, Disp: v * g.bytes()}, word)
		var even reg.VecVirtual
		for part := range q4Parts {
			f := g.vec()
			g.VPSLLD(operand.Imm(uint64(32-q4Field*(part+1))), word, f)
			g.VPSRAD(operand.Imm(32-q4Field), f, f)
			g.VPSHUFB(g.twice(), f, f)
			g.VMOVDQU(f, operand.Mem{Base: to, Disp: disp + 4*halfCols*part + v*g.bytes()})
			if part%2 > 0 {
				g.VPBLENDW(operand.Imm(0b10101010), f, even, even)
				g.VMOVDQU(even, operand.Mem{Base: to, Disp: disp + wordsPairs + 4*halfCols*(part/2) + v*g.bytes()})
			}
			even = f
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
	if rows == 1 {
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

// stripWords writes some vectors of columns of a block. The sums over its parts stay in registers for as many rows as
// leave them.
func (g *gemmQuant) stripWords(x []reg.GPVirtual, rows, vectors int, strip operand.Mem) {
	tmp := g.ptr("tmp")
	sum := func(r, v int) operand.Mem { // the same memory for each strip
		return operand.Mem{Base: tmp, Disp: wordsSums + (r*vectors+v)*g.bytes()}
	}
	all := g.startSums(rows, vectors, strip, sum)

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
	if g.unpack == nil {
		g.partNibbles(acc, x, w)
	} else {
		g.partBytes(acc, x, w)
	}
	if all == nil {
		tmp = g.ptr("tmp")
	}
	for r := range acc {
		for v, n := range acc[r] {
			g.VPMADDWD(operand.Mem{Base: factors, Disp: v * g.bytes()}, n, n)
			if all != nil {
				g.VPADDD(n, all[r][v], all[r][v])
				continue
			}
			g.VPADDD(sum(r, v), n, n)
			g.VMOVDQU(n, sum(r, v))
		}
	}
	g.ADDQ(operand.I32(4*halfCols), factors)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	g.move(x, -quantBlock)

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
			if all != nil {
				g.VCVTDQ2PS(all[r][v], n)
			} else {
				g.VCVTDQ2PS(sum(r, v), n)
			}
			g.VFMADD213PS(at, scales[v], n)
			g.VMOVUPS(n, at)
		}
		if r < rows-1 {
			g.ADDQ(g.ldd, dst)
		}
	}
}

// startSums starts the sums over the parts with what takes out the zero point: the parts' factors times the row's sums. They are in
// registers for as few rows as leave them, else where sum says.
func (g *gemmQuant) startSums(rows, vectors int, strip operand.Mem, sum func(r, v int) operand.Mem) (all [][]reg.VecVirtual) {
	row, at := g.copyOf(g.sums), g.GP64()
	g.MOVQ(strip, at)
	for r := range rows {
		even, odd, sums := g.vec(), g.vec(), g.vecs(vectors)
		g.VMOVDQU(operand.Mem{Base: row, Disp: 4}, even.AsX())
		g.VPACKSSDW(even.AsX(), even.AsX(), even.AsX())
		g.VPSRLQ(operand.Imm(32), even.AsX(), odd.AsX())
		g.VPBROADCASTD(even.AsX(), even)
		g.VPBROADCASTD(odd.AsX(), odd)
		for v, n := range sums {
			second := g.vec()
			g.VPMADDWD(g.beside(at, wordsPairs+v*g.bytes()), even, n)
			g.VPMADDWD(g.beside(at, wordsPairs+4*halfCols+v*g.bytes()), odd, second)
			g.VPADDD(second, n, n)
			if rows*vectors > keepSums {
				g.VMOVDQU(n, sum(r, v))
			}
		}
		if rows*vectors <= keepSums {
			all = append(all, sums)
		}
		if r < rows-1 {
			g.LEAQ(operand.Mem{Base: row, Index: g.lds, Scale: 4}, row)
		}
	}
	return all
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

// partNibbles adds the products of a part's nibbles; x and w move. Loads would limit few rows: bytes, of which the low
// halves are multiplied first, and x of all vectors are loaded once, where registers are left.
func (g *gemmQuant) partNibbles(acc [][]reg.VecVirtual, x []reg.GPVirtual, w reg.GPVirtual) {
	rows, vectors := len(acc), len(acc[0])
	nibble := g.constant("nibble", 0x0f0f0f0f)
	if rows <= keepMask {
		nibble = g.inRegister(nibble)
	}
	lowOf := func(v reg.VecVirtual) reg.VecVirtual {
		low := g.vec()
		g.VPAND(nibble, v, low)
		return low
	}
	for step := 0; step < q4Part/quad; step += 2 {
		at := func(v int) operand.Mem {
			return operand.Mem{Base: w, Disp: step/2*quad*halfCols + v*g.bytes()}
		}
		g.prefetch(2 * vectors * g.level.Lanes / halfCols)
		if rows == 1 {
			x0, x1 := g.quadOf(x, 0, step), g.quadOf(x, 0, step+1)
			for v := range vectors {
				high := g.vec()
				g.VMOVDQU(at(v), high)
				low := lowOf(high)
				g.addNibbles(acc[0][v:v+1], x0, []reg.VecVirtual{low}, []reg.VecVirtual{low}, step == 0)
				g.VPSRLW(operand.Imm(4), high, high)
				g.VPAND(nibble, high, high)
				g.addNibbles(acc[0][v:v+1], x1, []reg.VecVirtual{high}, []reg.VecVirtual{high}, false)
			}
			continue
		}
		both := g.vecs(vectors)
		for half := range 2 {
			ws := make([]reg.VecVirtual, vectors)
			for v := range ws {
				if half == 0 || rows > keepBytes {
					g.VMOVDQU(at(v), both[v])
				}
				if half == 1 {
					g.VPSRLW(operand.Imm(4), both[v], both[v])
				}
				if half == 1 || rows > keepBytes {
					ws[v] = both[v]
					g.VPAND(nibble, both[v], both[v])
				} else {
					ws[v] = lowOf(both[v])
				}
			}
			for r := range acc {
				xr := g.quadOf(x, r, step+half)
				g.addNibbles(acc[r], xr, ws, append(g.vecs(vectors-1), xr), step+half == 0)
			}
		}
	}
	g.move(x, q4Part)
	g.ADDQ(operand.I32(q4Part*halfCols/2), w)
}

// addNibbles adds the products of x and nibbles to a row, or makes it them if they are the first. Products, in registers that may be theirs
// of w or x, are made before any is added: for many rows that gained 1 to 2 %.
func (g *gemmQuant) addNibbles(acc []reg.VecVirtual, x reg.VecVirtual, w, products []reg.VecVirtual, first bool) {
	if first {
		products = acc
	}
	for v, p := range products {
		g.VPMADDUBSW(x, w[v], p)
	}
	if first {
		return
	}
	for v, p := range products {
		g.VPADDW(p, acc[v], acc[v])
	}
}

// partBytes adds the products of a part's nibbles, unpacked one a byte; x and w move. Behind the first steps, two turns take the rest.
func (g *gemmQuant) partBytes(acc [][]reg.VecVirtual, x []reg.GPVirtual, w reg.GPVirtual) {
	const first, turns, each = 2, 2, 3
	vectors := len(acc[0])
	asks := 2 * vectors * g.level.Lanes / halfCols // in two steps
	step := func(n int, begins bool) {
		ws := g.vecs(vectors)
		for v := range ws {
			g.VMOVDQU(operand.Mem{Base: w, Disp: n*quad*halfCols + v*g.bytes()}, ws[v])
		}
		for r := range acc {
			xr := g.quadOf(x, r, n)
			g.addNibbles(acc[r], xr, ws, append(g.vecs(vectors-1), xr), begins)
		}
	}
	for n := range first {
		g.prefetch(asks)
		step(n, n == 0)
	}
	loop, left := g.label("steps"), g.literal(turns)
	g.Label(loop)
	g.prefetch(asks)
	for n := range each {
		step(first+n, false)
	}
	g.move(x, each*quad)
	g.ADDQ(operand.I32(each*quad*halfCols), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	g.move(x, first*quad)
	g.ADDQ(operand.I32(first*quad*halfCols), w)
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
