package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tile of quantized products with VNNI: one instruction multiplies four unsigned bytes of weights
// by four signed ones of x in each of sixteen lanes, and adds all to 32 bits. A tile is R rows and the two
// vectors of 32 columns.
//
// Up to four rows a block ends before the next begins. Registers: 2R sums of integers, as many for odd steps, 2R of
// dst, 2 of w, then of scales, and x. With five or six the chain of a block's end, conversion and FMA, would delay
// the next block's sums: what a block came to waits in registers of its own and is brought to dst among the first
// steps of the next. Registers: 2R sums, 2R sums of the block before, 2 of its scales, 2 of w, and x.

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
		g.spreadSum(sums, acc[r], r < rows-1)
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

// spreadSum fills two vectors with a row's sum, and moves to the next row's if there is one.
func (g *gemmQuant) spreadSum(sums reg.GPVirtual, acc []reg.VecVirtual, more bool) {
	g.VPBROADCASTD(operand.Mem{Base: sums}, acc[0])
	g.VMOVDQA32(acc[0], acc[1])
	if more {
		g.LEAQ(operand.Mem{Base: sums, Index: g.lds, Scale: 4}, sums)
	}
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

// unroll is how many steps are written out.
const unroll = 8

// sparseSteps is once in how many steps one of many tiles asks for memory.
const sparseSteps = 4

// steps8 adds the products of 128 inputs.
func (g *gemmQuant) steps8(acc, odd [][]reg.VecVirtual, x []reg.GPVirtual) {
	loop, left, w := g.label("steps"), g.GP64(), g.copyOf(g.w)
	g.MOVQ(operand.I32(quantBlock/quad/unroll), left)
	g.Label(loop)
	g.unrolled(x, w, func(step int, ws []reg.VecVirtual) {
		g.prefetch(g.lines)
		g.dots(acc, ws, x, step)
		acc, odd = odd, acc
	})
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	g.rest()
}

// unrolled writes body for a few steps, with the weights of each, and moves behind them.
func (g *gemmQuant) unrolled(x []reg.GPVirtual, w reg.GPVirtual, body func(step int, ws []reg.VecVirtual)) {
	for step := range unroll {
		ws := g.vecs(2)
		for v := range ws {
			g.VMOVDQU32(operand.Mem{Base: w, Disp: (2*step + v) * g.bytes()}, ws[v])
		}
		body(step, ws)
	}
	g.move(x, unroll*quad)
	g.ADDQ(operand.I32(unroll*2*g.bytes()), w)
}

// pipeline writes all blocks of a tile of bytes. x and sums move over them, w does not.
func (g *gemmQuant) pipeline(x []reg.GPVirtual, rows, every int) {
	acc, _ := g.loadSums(rows)
	left, w := g.GP64(), g.copyOf(g.w)
	steps := func(step int, ws []reg.VecVirtual) {
		if every == 1 {
			g.prefetch(g.lines)
		} else if step%every == 0 {
			g.prefetch(1)
		}
		g.dots(acc, ws, x, step)
	}
	loop, last := g.label("steps"), g.label("last")
	g.MOVQ(operand.I32(quantBlock/quad/unroll), left)
	g.Label(loop)
	g.unrolled(x, w, steps)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	if every == 1 {
		g.rest()
	}
	g.ADDQ(operand.Imm(uint64(4*g.sumsEach)), g.sums)
	g.DECQ(g.todo)
	g.JE(operand.LabelRef(last))

	sums := g.copyOf(g.sums)
	done := make([][]reg.VecVirtual, rows)
	for r := range done {
		done[r] = g.vecs(2)
		for v := range done[r] {
			g.VMOVDQA32(acc[r][v], done[r][v])
		}
		g.spreadSum(sums, acc[r], r < rows-1)
	}
	end := g.blockEnd(w)
	g.unrolled(x, w, func(step int, ws []reg.VecVirtual) {
		steps(step, ws)
		if step > 0 && step <= rows {
			end(done[step-1])
		}
	})
	g.MOVQ(operand.I32(quantBlock/quad/unroll-1), left)
	g.JMP(operand.LabelRef(loop))

	g.Label(last)
	end = g.blockEnd(w)
	for r := range acc {
		end(acc[r])
	}
}

// blockEnd loads the scales of the block whose steps w is behind, moves w to the next one, and is what brings the rows
// of a tile to dst, one after the other.
func (g *gemmQuant) blockEnd(w reg.GPVirtual) (end func(sums []reg.VecVirtual)) {
	scales := []reg.VecVirtual{
		g.scales(operand.Mem{Base: w}),
		g.scales(operand.Mem{Base: w, Disp: halfCols}),
	}
	g.ADDQ(operand.Imm(2*halfCols), w)
	dst := g.copyOf(g.dst)
	return func(sums []reg.VecVirtual) {
		for v, n := range sums {
			at := operand.Mem{Base: dst, Disp: v * g.bytes()}
			g.VCVTDQ2PS(n, n)
			g.VFMADD213PS(at, scales[v], n)
			g.VMOVUPS(n, at)
		}
		g.ADDQ(g.ldd, dst)
	}
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
