package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Products of one quantized row and several halves of panels, which follow one another in memory.
//
// Loop nest:
//
//	for halves, 32 columns each:               the row and its sums begin again
//	    for blocks:                            those of gemm_quant.go, as a tile of one row
//
// It is the same as a product of each half, but for what lies between two calls: while a call ends and the next one begins
// nobody asks memory for anything, and a half of a small matrix is read in half a microsecond.

// aheadRow is how far behind what it reads a row asks: it does little else, and memory that is busy takes longer to answer.
const aheadRow = 12 << 10

func gemvQ8(e *emitter) {
	g := &gemmQuant{emitter: e}
	g.quantFormat = quantFormat{stored: q8Bytes, size: q8Bytes, lines: 2, sumsEach: 1, block: g.blockWords}
	if e.masked() {
		g.keep, g.block = true, g.blockVNNI
	}
	g.halves()
}

func gemvQ4(e *emitter) {
	g := &gemmQuant{emitter: e}
	g.quantFormat = quantFormat{stored: q4Bytes, size: q4Bytes, lines: 1, sumsEach: 1 + q4Parts, block: g.nibblesWords}
	if e.masked() {
		g.block = g.nibblesVNNI
	}
	g.halves()
}

// halves writes the loop nest.
func (g *gemmQuant) halves() {
	g.dst, g.w, g.stride = g.ptr("dst"), g.ptr("w"), g.literal(cacheLine)
	g.ldd, g.ldx, g.lds = g.stride, g.stride, g.stride // to a second row, which there is not
	g.ahead, g.x, g.sums = g.GP64(), g.GP64(), g.GP64()
	g.LEAQ(operand.Mem{Base: g.w, Disp: aheadRow}, g.ahead)
	g.blocks, g.todo = g.arg("blocks"), g.AllocLocal(8)
	left, n := g.AllocLocal(8), g.length("dst")
	g.SHRQ(operand.Imm(5), n) // by 32 columns
	g.MOVQ(n, left)

	half, block, ended, done := g.label("half"), g.label("block"), g.label("ended"), g.label("done")
	g.TESTQ(n, n)
	g.JE(operand.LabelRef(done))
	g.Label(half)
	g.Load(g.Param("x").Base(), g.x)
	g.Load(g.Param("sums").Base(), g.sums)
	zero, blocks := g.vec(), g.GP64()
	g.zero(zero)
	for at := 0; at < 4*halfCols; at += g.bytes() {
		g.VMOVUPS(zero, operand.Mem{Base: g.dst, Disp: at})
	}
	g.MOVQ(g.blocks, blocks)
	g.TESTQ(blocks, blocks)
	g.JLE(operand.LabelRef(ended))
	g.MOVQ(blocks, g.todo)
	if g.keep {
		g.out = [][]reg.VecVirtual{g.vecs(halfCols / g.level.Lanes)}
		g.zero(g.out[0]...)
	}
	g.Label(block)
	g.block([]reg.GPVirtual{g.x}, 1)
	g.ADDQ(operand.I32(g.size), g.w)
	g.ADDQ(operand.Imm(uint64(4*g.sumsEach)), g.sums)
	g.DECQ(g.todo)
	g.JNE(operand.LabelRef(block))
	if g.keep {
		g.storeOut()
	}
	g.Label(ended)
	g.ADDQ(operand.I32(4*halfCols), g.dst)
	g.DECQ(left)
	g.JNE(operand.LabelRef(half))
	g.Label(done)
}
