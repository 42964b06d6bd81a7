package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tile of quantized products with VNNI: one instruction multiplies four unsigned bytes of weights
// by four signed ones of x in each of sixteen lanes, and adds all to 32 bits. A tile is R rows and the two
// vectors of 32 columns. Registers: 2R sums of integers, 2R of dst, 2 of w, then of scales, the mask of
// nibbles, and the rest of x.

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

// blockVNNI writes one block of a tile. x moves over the block, sums and w do not.
func (g *gemmQuant) blockVNNI(x []reg.GPVirtual, rows int) {
	acc := make([][]reg.VecVirtual, rows)
	sums := g.copyOf(g.sums)
	for r := range acc {
		acc[r] = g.vecs(2)
		g.VPBROADCASTD(operand.Mem{Base: sums}, acc[r][0])
		g.VMOVDQA32(acc[r][0], acc[r][1])
		g.LEAQ(operand.Mem{Base: sums, Index: g.lds, Scale: 4}, sums)
	}
	odd := acc // sums of the odd steps
	if rows <= splitRows {
		odd = make([][]reg.VecVirtual, rows)
		for r := range odd {
			odd[r] = g.vecs(2)
			g.zero(odd[r]...)
		}
	}
	if g.bits == 8 {
		g.steps8(acc, odd, x)
	} else {
		g.steps4(acc, odd, x)
	}
	if rows <= splitRows {
		for r := range acc {
			for v := range acc[r] {
				g.VPADDD(odd[r][v], acc[r][v], acc[r][v])
			}
		}
	}

	scales := []reg.VecVirtual{
		g.scales(operand.Mem{Base: g.w, Disp: g.tileBytes()}),
		g.scales(operand.Mem{Base: g.w, Disp: g.tileBytes() + halfCols}),
	}
	for r := range acc {
		for v, n := range acc[r] {
			g.VCVTDQ2PS(n, n)
			g.VFMADD231PS(scales[v], n, g.out[r][v])
		}
	}
}

// steps8 adds the products of 128 inputs.
func (g *gemmQuant) steps8(acc, odd [][]reg.VecVirtual, x []reg.GPVirtual) {
	const unroll = 8
	loop, left, w := g.label("steps"), g.GP64(), g.copyOf(g.w)
	g.MOVQ(operand.I32(g.inputs/quad/unroll), left)
	g.Label(loop)
	for step := range unroll {
		ws := g.vecs(2)
		for v := range ws {
			g.VMOVDQU32(operand.Mem{Base: w, Disp: (2*step + v) * g.bytes()}, ws[v])
		}
		g.prefetch(2)
		g.dots(acc, ws, x, step)
		acc, odd = odd, acc
	}
	g.move(x, unroll*quad)
	g.ADDQ(operand.I32(unroll*2*g.bytes()), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
}

// steps4 adds the products of 32 inputs.
func (g *gemmQuant) steps4(acc, odd [][]reg.VecVirtual, x []reg.GPVirtual) {
	nibble := g.inRegister(g.constant("nibble", 0x0f0f0f0f))
	for step := range g.inputs / quad {
		ws := g.vecs(2)
		for v := range ws {
			at := operand.Mem{Base: g.w, Disp: (step/2*2 + v) * g.bytes()}
			if step%2 == 0 {
				g.VPANDD(at, nibble, ws[v])
				continue
			}
			g.VPSRLW(operand.Imm(4), at, ws[v])
			g.VPANDD(ws[v], nibble, ws[v])
		}
		g.prefetch(1)
		g.dots(acc, ws, x, step)
		acc, odd = odd, acc
	}
	g.move(x, g.inputs)
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
