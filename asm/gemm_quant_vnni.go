package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tile of quantized products with VNNI: one instruction multiplies four unsigned bytes of weights
// by four signed ones of x in each of sixteen lanes, and adds all to 32 bits. A tile is R rows and the two
// vectors of 32 columns. Registers: 2R sums of integers, 2R of dst, 2 of w, then of scales, and the rest of x.

// splitRows is up to how many rows the odd steps of a tile have sums of their own: the chain of few sums would
// take longer than the instructions.
const splitRows = 4

// quad is how many inputs such an instruction takes.
const quad = 4

// loadOut loads the tile's rows of dst.
func (g *gemmQuant) loadOut(rows int) {
	g.out = make([][]reg.VecVirtual, rows)
	dst := g.copyOf(g.dst)
	for r := range g.out {
		g.out[r] = g.vecs(2)
		for v := range g.out[r] {
			g.VMOVUPS(operand.Mem{Base: dst, Disp: v * g.bytes()}, g.out[r][v])
		}
		g.ADDQ(g.ldd, dst)
	}
}

// storeOut stores them.
func (g *gemmQuant) storeOut() {
	dst := g.copyOf(g.dst)
	for r := range g.out {
		for v := range g.out[r] {
			g.VMOVUPS(g.out[r][v], operand.Mem{Base: dst, Disp: v * g.bytes()})
		}
		g.ADDQ(g.ldd, dst)
	}
}

// blockVNNI writes one block of a tile of bytes.
func (g *gemmQuant) blockVNNI(x []reg.GPVirtual, rows int) {
	acc, odd := g.loadSums(rows)
	g.steps8(acc, odd, x)
	g.joinSums(acc, odd)

	scales := []reg.VecVirtual{
		g.scales(operand.Mem{Base: g.w, Disp: q8Scales}),
		g.scales(operand.Mem{Base: g.w, Disp: q8Scales + halfCols}),
	}
	for r := range acc {
		for v, n := range acc[r] {
			g.VCVTDQ2PS(n, n)
			g.VFMADD231PS(scales[v], n, g.out[r][v])
		}
	}
}

// loadSums are the integers of a tile as they are before its steps, and those of its odd steps, which are the same if
// there are many.
func (g *gemmQuant) loadSums(rows int) (acc, odd [][]reg.VecVirtual) {
	acc = make([][]reg.VecVirtual, rows)
	sums := g.copyOf(g.sums)
	for r := range acc {
		acc[r] = g.vecs(2)
		g.VPBROADCASTD(operand.Mem{Base: sums}, acc[r][0])
		g.VMOVDQA32(acc[r][0], acc[r][1])
		g.LEAQ(operand.Mem{Base: sums, Index: g.lds, Scale: 4}, sums)
	}
	if odd = acc; rows <= splitRows {
		odd = make([][]reg.VecVirtual, rows)
		for r := range odd {
			odd[r] = g.vecs(2)
			g.zero(odd[r]...)
		}
	}
	return acc, odd
}

// joinSums adds the integers of odd steps to the others.
func (g *gemmQuant) joinSums(acc, odd [][]reg.VecVirtual) {
	if len(acc) > splitRows {
		return
	}
	for r := range acc {
		for v := range acc[r] {
			g.VPADDD(odd[r][v], acc[r][v], acc[r][v])
		}
	}
}

// steps8 adds the products of 128 inputs.
func (g *gemmQuant) steps8(acc, odd [][]reg.VecVirtual, x []reg.GPVirtual) {
	const unroll = 8
	loop, left, w := g.label("steps"), g.GP64(), g.copyOf(g.w)
	g.MOVQ(operand.I32(quantBlock/quad/unroll), left)
	g.Label(loop)
	for step := range unroll {
		ws := g.vecs(2)
		for v := range ws {
			g.VMOVDQU32(operand.Mem{Base: w, Disp: (2*step + v) * g.bytes()}, ws[v])
		}
		g.prefetch(g.lines)
		g.dots(acc, ws, x, step)
		acc, odd = odd, acc
	}
	g.move(x, unroll*quad)
	g.ADDQ(operand.I32(unroll*2*g.bytes()), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	g.rest()
}

// dots adds the products of the four inputs of a step.
func (g *gemmQuant) dots(acc [][]reg.VecVirtual, w []reg.VecVirtual, x []reg.GPVirtual, step int) {
	for r := range acc {
		xr := g.quadOf(x, r, step)
		for v := range w {
			g.VPDPBUSD(xr, w[v], acc[r][v])
		}
	}
}
