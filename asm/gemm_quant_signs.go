package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Many rows of bytes without VNNI: gemm_quant_words.go says how signs are taken out. An unpacked block is
//
//	[32][32][4] bytes: |w|    [32][32][4] bytes: 255 where w is negative, else 0    [32] int32: sums of those |w|
//	[32] bfloat16: scales

const (
	fewSigns    = 8 // up to how many rows are read as they lie, in one tile; of 12 and 16 unpacking gained 7 and 9 %
	signsRows   = 5 // of a tile
	signsCols   = 2 // its vectors of columns
	signsMasks  = quantBlock * halfCols
	signsStarts = 2 * signsMasks
	signsScales = signsStarts + 4*halfCols
	signsBytes  = signsScales + 2*halfCols
)

// unpackSigns unpacks a segment's bytes.
func (g *gemmQuant) unpackSigns() {
	g.unpackBlocks(func(from, to reg.GPVirtual) {
		zero, one, none := g.inRegister(g.constant("q8Zero", 0x80808080)), g.inRegister(g.constant("byteOnes", 0x01010101)), g.vec()
		vectors := halfCols / g.level.Lanes
		starts := g.vecs(vectors) // in words: at most 32*2*127
		g.zero(none)
		g.zero(starts...)
		w, out, n := g.copyOf(from), g.copyOf(to), g.GP64()
		g.MOVQ(operand.I32(quantBlock/quad), n)
		g.times(n, func() {
			for v := range vectors {
				signed, size := g.vec(), g.vec()
				g.VPXOR(operand.Mem{Base: w, Disp: v * g.bytes()}, zero, signed)
				g.VPABSB(signed, size)
				g.VPCMPGTB(signed, none, signed)
				g.VMOVDQU(size, operand.Mem{Base: out, Disp: v * g.bytes()})
				g.VMOVDQU(signed, operand.Mem{Base: out, Disp: signsMasks + v*g.bytes()})
				g.VPAND(signed, size, size)
				g.VPMADDUBSW(one, size, size)
				g.VPADDW(size, starts[v], starts[v])
			}
			g.ADDQ(operand.I32(quad*halfCols), w)
			g.ADDQ(operand.I32(quad*halfCols), out)
		})
		words := g.constant("wordOnes", 0x00010001)
		for v, s := range starts {
			g.VPMADDWD(words, s, s)
			g.VMOVDQU(s, operand.Mem{Base: to, Disp: signsStarts + v*g.bytes()})
		}
		for at := 0; at < 2*halfCols; at += g.bytes() {
			s := g.vec()
			g.VMOVDQU(operand.Mem{Base: from, Disp: q8Scales + at}, s)
			g.VMOVDQU(s, operand.Mem{Base: to, Disp: signsScales + at})
		}
	})
}

// blockSigns writes one block of a tile of unpacked bytes.
func (g *gemmQuant) blockSigns(x []reg.GPVirtual, rows int) {
	g.stripsOfBytes(x, signsCols, func(strip reg.GPVirtual) {
		acc := make([][]reg.VecVirtual, rows)
		for r := range acc {
			acc[r] = g.vecs(signsCols)
			for v, n := range acc[r] {
				if r > 0 {
					g.VMOVDQA(acc[0][v], n)
					continue
				}
				g.VMOVDQU(operand.Mem{Base: g.w, Index: strip, Scale: 2, Disp: signsStarts + v*g.bytes()}, n)
			}
		}
		g.signs8(acc, x, strip)
		g.addWords(acc, strip, signsScales)
	})
}

// signs8 adds the products of 128 inputs.
func (g *gemmQuant) signs8(acc [][]reg.VecVirtual, x []reg.GPVirtual, strip reg.GPVirtual) {
	ones, w := g.inRegister(g.constant("wordOnes", 0x00010001)), g.GP64()
	g.LEAQ(operand.Mem{Base: g.w, Index: strip, Scale: 2}, w)
	g.steps(x, w, signsCols, quantBlock, 2, quad*halfCols, func(step int) {
		size := g.vecs(signsCols)
		for v := range size {
			g.VMOVDQU(operand.Mem{Base: w, Disp: step*quad*halfCols + v*g.bytes()}, size[v])
		}
		for r := range acc {
			xr := g.quadOf(x, r, step)
			products := append(g.vecs(signsCols-1), xr)
			for v, p := range products {
				g.VPXOR(operand.Mem{Base: w, Disp: signsMasks + step*quad*halfCols + v*g.bytes()}, xr, p)
			}
			for v, p := range products {
				g.VPMADDUBSW(p, size[v], p)
			}
			for _, p := range products {
				g.VPMADDWD(ones, p, p)
			}
			for v, p := range products {
				g.VPADDD(p, acc[r][v], acc[r][v])
			}
		}
	})
	g.move(x, -quantBlock)
}
