package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Fetching ahead, for the tiles of gemm.go. A tile that reads a panel in order, one row's or AVX-512's, fetches what lies some
// way behind. Where strips pass over a block that is in a cache already, memory would wait meanwhile: their steps fetch what
// follows the block in memory's order, whatever the order in which the strips read.

const (
	aheadStream = 8 << 10 // what memory needs to answer
	aheadNear   = 768
	aheadBlock  = 16 << 10 // a block of runtime/kernel's linear layers of few rows
)

// A fetching is how the steps of a tile fetch.
type fetching struct {
	ahead reg.GPVirtual // how many bytes behind what a step reads
	next  reg.Register  // or, for strips, the next line
	pace  operand.Op    // by how many bytes a turn moves it, if not by as many as it fetches
	loads bool          // whether lines are loaded
}

// follow makes steps fetch what follows w. For more than four rows they are prefetches. A processor's own fetching goes by
// loads, though: on a Zen 3 two rows of float32 read 14 GB/s with prefetches and 17 with loads, of a plain loop's 22 with one thread. So few
// rows of float32 load; more rows were slower with loads than with prefetches, and so was bfloat16. What is loaded has to be there: at the
// end of w its panel is loaded again.
func (g *gemm) follow() {
	next, size := g.GP64(), g.steps()
	if g.format == wide {
		g.INCQ(size)
		g.SHRQ(operand.Imm(1), size)
	}
	g.IMUL3Q(operand.I32(4*g.width), size, size)
	g.LEAQ(operand.Mem{Base: g.w, Index: size, Scale: 1}, next)
	if g.loads {
		end, there := g.length("w"), g.label("there")
		g.SHLQ(operand.Imm(2), end)
		g.ADDQ(g.w, end)
		g.ADDQ(next, size)
		g.CMPQ(size, end)
		g.JLS(operand.LabelRef(there))
		g.MOVQ(g.w, next)
		g.Label(there)
	}
	g.next = next
}

// fetch fetches a turn's lines.
func (g *gemm) fetch(w reg.GPVirtual, lines int) {
	if g.next == nil {
		for i := range lines {
			g.PREFETCHT0(operand.Mem{Base: w, Index: g.ahead, Scale: 1, Disp: cacheLine * i})
		}
		return
	}
	for i := range lines {
		at := operand.Mem{Base: g.next, Disp: cacheLine * i}
		if g.loads {
			g.VMOVUPS(at, g.XMM())
		} else {
			g.PREFETCHT0(at)
		}
	}
	if g.pace != nil {
		g.ADDQ(g.pace, g.next)
	} else {
		g.ADDQ(operand.I32(cacheLine*lines), g.next)
	}
}

// stream is how many lines a step fetches of a panel that a single tile reads in order. Levels without AVX-512 are
// tuned on a Zen 3. It fetches a stream by itself, and asking for what lies pages further on gets in the way of that: one row of
// float32 was read at 0.80 to 0.85 of a plain loop's rate 8 KB ahead and at 0.95 to 1.03 so, one of bfloat16, by one thread,
// at 0.81 and 0.89.
func (g *gemm) stream(lines int) int {
	switch {
	case g.masked():
		g.MOVQ(operand.I32(aheadStream), g.ahead)
	case g.format == floats:
		return 0
	default:
		g.MOVQ(operand.I32(aheadNear), g.ahead)
	}
	return lines
}

// spread lets the tiles of rows fetch a strip's lines together, at even intervals: each asks for each of them.
func (g *gemm) spread(rows reg.GPVirtual) {
	g.pace = g.AllocLocal(8)
	_, words := g.turn()
	g.MOVQ(g.evenly(words*cacheLine, rows, rowsPerTile), g.pace)
}

// fetchFirst returns how many lines a step of a tile fetches. A panel that is one strip is fetched by the first two tiles, half of a
// step's lines each; of strips all tiles fetch, as spread says.
func (g *gemm) fetchFirst(lines int) int {
	if g.next != nil {
		return lines
	}
	g.MOVQ(operand.I32(aheadBlock), g.ahead)
	return (lines + 1) / 2
}

// fetchOther makes the next tile fetch those of a step's lines that are left, or what is there.
func (g *gemm) fetchOther(lines, each int) {
	switch {
	case g.next != nil:
		return
	case each == lines:
		g.XORL(g.ahead.As32(), g.ahead.As32())
		return
	}
	second, done := g.label("second"), g.label("fetched")
	g.CMPQ(g.ahead, operand.I32(aheadBlock))
	g.JEQ(operand.LabelRef(second))
	g.XORL(g.ahead.As32(), g.ahead.As32())
	g.JMP(operand.LabelRef(done))
	g.Label(second)
	g.ADDQ(operand.I32(cacheLine*each), g.ahead)
	g.Label(done)
}
