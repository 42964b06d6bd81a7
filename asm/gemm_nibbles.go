package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Products of quantized rows and blocks of 4 bits: see gemm_quant.go. Few rows read nibbles as they lie in memory, each
// tile for itself; for more than that a segment is unpacked once, to memory that stays in the first cache.

// Layout of a block, as kernel/quant.go defines it.
const (
	q4Nibbles = 4 * halfCols // before them, a word a column: scale and factors
	q4Bytes   = q4Nibbles + quantBlock*halfCols/2
	q4Part    = 32 // inputs that share a factor
	q4Parts   = quantBlock / q4Part
	q4Field   = 5          // bits of a factor
	q4Scale   = 0x7ff80000 // the scale's bits, when the word is shifted right by one
)

func gemmQ4(e *emitter) {
	g := newGemmQuant(e)
	packed := quantFormat{stored: q4Bytes, size: q4Bytes, lines: 1, sumsEach: 1 + q4Parts}
	unpacked, few := packed, 0
	if e.masked() {
		packed.most, packed.near, packed.block, few = fewTile, fewNear, g.nibblesVNNI, fewVNNI
		unpacked.size, unpacked.unpack = q8Bytes, g.unpackVNNI
		unpacked.most, unpacked.keep, unpacked.block = 6, true, g.blockVNNI
	} else {
		packed.most, packed.near, packed.block, few = fewWords, 1, g.nibblesWords, fewWords
		unpacked.most, unpacked.block = packed.most, packed.block
		unpacked.size, unpacked.unpack = wordsBytes, g.unpackWords
	}
	g.either(few, packed, unpacked)
}

// unpackBlocks writes body for each block of a segment, from w to the scratch, and points w to that.
func (g *gemmQuant) unpackBlocks(body func(from, to reg.GPVirtual)) {
	to, from := g.ptr("tmp"), g.copyOf(g.w)
	n := g.GP64()
	g.MOVQ(g.blocks, n)
	g.times(n, func() {
		body(from, to)
		g.ADDQ(operand.I32(g.stored), from)
		g.ADDQ(operand.I32(g.size), to)
	})
	g.Load(g.Param("tmp").Base(), g.w)
}
