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
//
// Weights of a large model are asked for as what is read once, so that the shared cache, which every layer of the
// cross-decoder reads, is not pushed out of the last cache by them.

// aheadRow is how far behind what it reads a row asks. 12 KB were 2 to 4 % slower, and 4 KB 10 %. Without AVX-512 it asks nearer,
// see gemm.stream: on a Zen 3 rows of 8 and 4 bits were read at 0.91 and 0.93 of a plain loop's rate with one thread instead
// of 0.80 and 0.85, with two at 0.93 and 0.91 instead of 0.81; with 4 KB and more there was no gain.
const (
	aheadRow     = 7 << 10
	aheadRowNear = 1536
)

func gemvQ8(e *emitter) {
	g := &gemmQuant{emitter: e}
	g.quantFormat = quantFormat{stored: q8Bytes, size: q8Bytes, lines: 2, sumsEach: 1, once: e.streamed, block: g.blockWords}
	if e.masked() {
		g.keep, g.block = true, g.blockVNNI
	}
	g.halves()
}

func gemvQ4(e *emitter) {
	g := &gemmQuant{emitter: e}
	g.quantFormat = quantFormat{stored: q4Bytes, size: q4Bytes, lines: 1, sumsEach: 1 + q4Parts, once: e.streamed, block: g.nibblesWords}
	if e.masked() {
		g.block = g.nibblesRow()
	}
	g.halves()
}

// nibblesRow is what writes one block of a row of nibbles with VNNI. It is nibblesVNNI with all parts written out, and
// with high nibbles where they are: their sums, sixteen times as large, are shifted down once a part. A vector of nibbles is
// loaded for each of its halves, which was faster than to load it once.
func (g *gemmQuant) nibblesRow() func(x []reg.GPVirtual, rows int) {
	low, high := g.inRegister(g.constant("nibble", 0x0f0f0f0f)), g.inRegister(g.constant("highNibble", 0xf0f0f0f0))
	lowWord := g.inRegister(g.constant("lowWord", 0xffff))
	return func(x []reg.GPVirtual, _ int) {
		words, all := g.vecs(2), g.vecs(2)
		for v := range words {
			g.VMOVDQU32(operand.Mem{Base: g.w, Disp: v * g.bytes()}, words[v])
		}
		g.zero(all...)
		line := 0
		fetch := func(n int) {
			for range n {
				g.ask(operand.Mem{Base: g.w, Disp: aheadRow + line*cacheLine})
				line++
			}
		}
		for part := range q4Parts {
			even, odd := g.vecs(2), g.vecs(2)
			for v := range even {
				g.VPBROADCASTD(operand.Mem{Base: g.sums, Disp: 4 + 4*part}, even[v])
			}
			g.zero(odd...)
			for step := part * q4Part / quad; step < (part+1)*q4Part/quad; step += 2 {
				lows, highs := g.vecs(2), g.vecs(2)
				for v := range lows {
					at := operand.Mem{Base: g.w, Disp: q4Nibbles + (step+v)*g.bytes()}
					g.VPANDD(at, low, lows[v])
					g.VPANDD(at, high, highs[v])
				}
				g.dots([][]reg.VecVirtual{even}, lows, x, step)
				g.dots([][]reg.VecVirtual{odd}, highs, x, step+1)
				fetch(2 * g.lines)
			}
			for v, word := range words {
				factor := g.vec()
				g.VPSRAD(operand.Imm(4), odd[v], odd[v])
				g.VPADDD(odd[v], even[v], even[v])
				g.VPSLLD(operand.Imm(uint64(32-q4Field*(part+1))), word, factor)
				g.VPSRAD(operand.Imm(32-q4Field), factor, factor)
				g.VPANDD(lowWord, factor, factor)
				g.VPDPWSSD(factor, even[v], all[v])
			}
		}
		fetch(g.stored/cacheLine - line)
		g.move(x, quantBlock)
		for v, n := range all {
			scale, at := words[v], operand.Mem{Base: g.dst, Disp: v * g.bytes()}
			g.VPSRLD(operand.Imm(q4Parts*q4Field), scale, scale)
			g.VPSLLD(operand.Imm(q4Parts*q4Field-1), scale, scale)
			g.VCVTDQ2PS(n, n)
			g.VFMADD213PS(at, scale, n)
			g.VMOVUPS(n, at)
		}
	}
}

// halves writes the loop nest.
func (g *gemmQuant) halves() {
	g.dst, g.w, g.stride = g.ptr("dst"), g.ptr("w"), g.literal(cacheLine)
	g.ldd, g.ldx, g.lds = g.stride, g.stride, g.stride // to a second row, which there is not
	g.ahead, g.x, g.sums = g.GP64(), g.GP64(), g.GP64()
	ahead := aheadRow
	if !g.masked() {
		ahead = aheadRowNear
	}
	g.LEAQ(operand.Mem{Base: g.w, Disp: ahead}, g.ahead)
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
