package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tile of quantized products with VNNI: one instruction multiplies four unsigned bytes of weights
// by four signed ones of x in each of sixteen lanes, and adds all to 32 bits. A tile is R rows and the two
// vectors of 32 columns. Registers: 2R accumulators, 2 of w, 1 of x, 1 mask of nibbles.

// quad is how many inputs such an instruction takes.
const quad = 4

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
	if g.bits == 8 {
		g.steps8(acc, x)
	} else {
		g.steps4(acc, x)
	}

	scales := []reg.VecVirtual{
		g.scales(operand.Mem{Base: g.w, Disp: g.tileBytes()}),
		g.scales(operand.Mem{Base: g.w, Disp: g.tileBytes() + halfCols}),
	}
	dst := g.copyOf(g.dst)
	for r := range acc {
		for v, n := range acc[r] {
			at := operand.Mem{Base: dst, Disp: v * g.bytes()}
			g.VCVTDQ2PS(n, n)
			g.VFMADD213PS(at, scales[v], n)
			g.VMOVUPS(n, at)
		}
		if r < len(acc)-1 {
			g.ADDQ(g.ldd, dst)
		}
	}
}

// steps8 adds the products of 128 inputs.
func (g *gemmQuant) steps8(acc [][]reg.VecVirtual, x []reg.GPVirtual) {
	const unroll = 8
	loop, left, w := g.label("steps"), g.GP64(), g.copyOf(g.w)
	g.MOVQ(operand.I32(g.inputs/quad/unroll), left)
	g.Label(loop)
	for step := range unroll {
		ws := g.vecs(2)
		for v := range ws {
			g.VMOVDQU32(operand.Mem{Base: w, Disp: (2*step + v) * g.bytes()}, ws[v])
		}
		g.dots(acc, ws, x, quad*step)
	}
	g.move(x, unroll*quad)
	g.ADDQ(operand.I32(unroll*2*g.bytes()), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
}

// steps4 adds the products of 32 inputs.
func (g *gemmQuant) steps4(acc [][]reg.VecVirtual, x []reg.GPVirtual) {
	nibble := g.inRegister(g.constant("nibble", 0x0f0f0f0f))
	for pair := range g.inputs / quad / 2 {
		low, high := g.vecs(2), g.vecs(2)
		for v := range low {
			g.VMOVDQU32(operand.Mem{Base: g.w, Disp: (2*pair + v) * g.bytes()}, high[v])
			g.VPANDD(high[v], nibble, low[v])
			g.VPSRLW(operand.Imm(4), high[v], high[v])
			g.VPANDD(high[v], nibble, high[v])
		}
		g.dots(acc, low, x, 2*quad*pair)
		g.dots(acc, high, x, 2*quad*pair+quad)
	}
	g.move(x, g.inputs)
}

// dots adds the products of four inputs, disp bytes from x.
func (g *gemmQuant) dots(acc [][]reg.VecVirtual, w []reg.VecVirtual, x []reg.GPVirtual, disp int) {
	for r := range acc {
		xr := g.vec()
		g.VPBROADCASTD(row(x, g.ldx, r, disp), xr)
		for v := range w {
			g.VPDPBUSD(xr, w[v], acc[r][v])
		}
	}
}
