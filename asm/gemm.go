package asm

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Matrix products over one panel of columns.
//
//	dst[r][c] = fma(x[r][i], w[i][c], …), i ascending, from dst[r][c] or +0
//
// Loop nest, for each width of panel:
//
//	for strip of the panel:            as many columns as a tile has vectors
//	    for three to six rows:         a tile
//	        for i:                     x[r][i] fills a register, one FMA a row and vector
//
// Few rows are one tile a strip.
//
// Each element is one chain of FMAs; the chains of a tile hide the latency, so a tile has 8
// accumulators and more where the panel has the columns. Registers of a tile of R rows and V
// vectors: R*V accumulators, V of w and one of x, or, for few rows, R of x and one of w.
// Bytes a step: 4*R of x, the strip's columns of w.
//
// bfloat16 pairs are widened in registers, low half by a shift, high half by a mask, so that a
// step is two: 2k and 2k+1. An odd last step uses the low half alone. Where x are pairs too
// (bf16.go), a step is a pair, as long as a float32 in both.

const (
	rowsPerTile = 6 // the height of the main tile
	lowestTile  = 3 // of more than one tile
	fewWide     = 4 // the rows of a tile that is narrower than its registers allow if it has a neighbour

	// How far ahead w is fetched: a block of runtime/kernel's linear layers of few rows, or, where one
	// tile reads the panel as a stream, what memory needs to answer.
	aheadBlock  = 16 << 10
	aheadStream = 8 << 10
	aheadNear   = 768
)

// A format is what the factors of a product are.
type format uint8

const (
	floats format = iota // x and w are float32
	wide                 // w holds bfloat16 pairs, x the float32 of each half
	pairs                // w and x hold bfloat16 pairs
)

// A gemm is one matrix product being written.
type gemm struct {
	*emitter
	format format
	width  int // columns of the panel

	dst, ldd reg.GPVirtual // the tile's first row and the bytes between rows
	x, ldx   reg.GPVirtual
	w        reg.GPVirtual // the strip
	ahead    reg.GPVirtual // how many bytes behind it to fetch
	high     operand.Op    // the mask of high halves
}

func gemmF32(e *emitter)  { newGemm(e, floats, 4).panels() }
func gemmBF16(e *emitter) { newGemm(e, wide, 4).panels() }

// newGemm loads the arguments; an element of x is size bytes.
func newGemm(e *emitter, f format, size int) *gemm {
	g := &gemm{emitter: e, format: f, width: 64, dst: e.ptr("dst"), x: e.ptr("x"), w: e.ptr("w")}
	g.ldd, g.ldx = e.integer("ldd"), e.integer("ldx")
	e.SHLQ(operand.Imm(2), g.ldd)
	e.SHLQ(operand.Imm(uint64(size/2)), g.ldx)
	if f == wide || f == pairs && !g.dots() {
		g.high = e.constant("highHalf", 0xffff0000)
	}
	return g
}

// panels writes the product for each width that a panel may have.
func (g *gemm) panels() {
	e := g.emitter
	done := e.label("done")
	widths := []int{64, 32, 16}
	for i, width := range widths {
		next := e.label("width")
		if i < len(widths)-1 {
			e.CMPQ(e.arg("width"), operand.I32(width))
			e.JNE(operand.LabelRef(next))
		}
		e.Commentf("Panels of %d columns.", width)
		g.width = width
		g.panel(done)
		e.Label(next)
	}
	e.Label(done)
}

// vectors is how many vectors wide a tile of rows is: all registers can hold, and for four rows and more
// few enough that a strip of w stays in the first cache. Eight chains would just hide the latency of an FMA if nothing
// came between; twelve do.
func (g *gemm) vectors(rows int) int {
	n := 4
	switch {
	case g.masked():
	case rows == 1:
		n = 8
	case rows == fewWide && g.width == 64:
		n = 3
	case rows >= fewWide:
		n = 2
	}
	return min(n, g.width/g.level.Lanes)
}

// fewRows is how many rows are one tile, with strips of its own width.
func (g *gemm) fewRows() int {
	if g.masked() {
		return rowsPerTile
	}
	return fewWide
}

// panel writes the loops over strips and rows, and ends in a jump to done.
func (g *gemm) panel(done string) {
	rows := g.integer("rows")
	g.ahead = g.GP64()
	for n := 0; n <= g.fewRows(); n++ {
		next := g.label("few")
		g.CMPQ(rows, operand.I32(n))
		g.JNE(operand.LabelRef(next))
		if n > 0 {
			ahead, v, fetch := aheadBlock, g.vectors(n), g.lines
			if g.lines(v) == g.width/16 {
				ahead = g.stream()
			}
			if ahead == 0 {
				fetch = func(int) int { return 0 }
			}
			g.MOVQ(operand.I32(ahead), g.ahead)
			g.strips(v, func(v int) { g.tile(n, v, fetch(v)) })
		}
		g.JMP(operand.LabelRef(done))
		g.Label(next)
	}
	if n := g.vectors(fewWide); n > g.vectors(rowsPerTile) {
		next := g.label("low")
		g.CMPQ(rows, operand.Imm(2*fewWide))
		g.JG(operand.LabelRef(next))
		g.CMPQ(rows, operand.Imm(2*fewWide-1))
		g.JLT(operand.LabelRef(next))
		g.strips(n, func(n int) { g.tiles(rows, n, fewWide) })
		g.JMP(operand.LabelRef(done))
		g.Label(next)
	}
	g.strips(g.vectors(rowsPerTile), func(n int) { g.tiles(rows, n, rowsPerTile) })
	g.JMP(operand.LabelRef(done))
}

// tiles writes the tiles of a strip of n vectors, more than fewRows in all and none higher than highest. Less than two
// full ones are made equal, so that none of them is low.
func (g *gemm) tiles(rows reg.GPVirtual, n, highest int) {
	loop, end := g.label("tiles"), g.label("tile")
	labels := map[int]string{}
	for height := lowestTile; height <= highest; height++ {
		labels[height] = g.label(fmt.Sprintf("rows%dof", height))
	}
	strip, height := g.copyOf(g.dst), g.GP64()
	g.Load(g.Param("rows"), rows)
	g.Load(g.Param("x").Base(), g.x)
	g.MOVQ(operand.I32(aheadBlock), g.ahead)

	g.Label(loop)
	g.CMPQ(rows, operand.Imm(uint64(2*highest)))
	g.JGE(operand.LabelRef(labels[highest]))
	g.MOVQ(rows, height)
	g.CMPQ(rows, operand.Imm(uint64(highest)))
	g.JLE(operand.LabelRef(end + "Height"))
	g.INCQ(height)
	g.SHRQ(operand.Imm(1), height)
	g.Label(end + "Height")
	for h := lowestTile; h < highest; h++ {
		g.CMPQ(height, operand.I32(h))
		g.JEQ(operand.LabelRef(labels[h]))
	}
	for h := highest; h >= lowestTile; h-- {
		g.Label(labels[h])
		g.tile(h, n, g.shared(n))
		for range h {
			g.ADDQ(g.ldd, g.dst)
			g.ADDQ(g.ldx, g.x)
		}
		g.SUBQ(operand.I32(h), rows)
		if h > lowestTile {
			g.JMP(operand.LabelRef(end))
		}
	}
	g.Label(end)
	g.fetchOther(n)
	g.TESTQ(rows, rows)
	g.JNE(operand.LabelRef(loop))
	g.MOVQ(strip, g.dst)
}

// Fetching ahead: the lines of w that lie a block behind those of a step, which are the next block's or the
// next panel's. Without it, memory would wait while tiles pass over a strip that is in a cache already. A
// strip that is the whole panel is fetched by two tiles, half of a step's lines each; a narrower one by one.

// stream is how far ahead a single tile fetches a panel that it reads in order, 0 if not at all. Levels without AVX-512 are
// tuned on a Zen 3. It fetches a stream by itself, and asking for what lies pages further on gets in the way of that: one row of
// float32 was read at 0.80 to 0.85 of a plain loop's rate 8 KB ahead and at 0.95 to 1.03 so, one of bfloat16, by one thread,
// at 0.81 and 0.89.
func (g *gemm) stream() int {
	switch {
	case g.masked():
		return aheadStream
	case g.format == floats:
		return 0
	}
	return aheadNear
}

// lines is how many cache lines of w are a step of n vectors, which begin at half a line at worst.
func (g *gemm) lines(n int) int { return (n*g.bytes() + cacheLine - 1) / cacheLine }

// shared is how many lines a step of one of many tiles of a strip fetches.
func (g *gemm) shared(n int) int {
	if n := g.lines(n); n < g.width/16 {
		return n
	}
	return (g.lines(n) + 1) / 2
}

// fetchOther makes the next tile fetch the lines that are left, or none.
func (g *gemm) fetchOther(n int) {
	if g.shared(n) == g.lines(n) {
		g.XORL(g.ahead.As32(), g.ahead.As32())
		return
	}
	second, done := g.label("second"), g.label("fetched")
	g.CMPQ(g.ahead, operand.I32(aheadBlock))
	g.JEQ(operand.LabelRef(second))
	g.XORL(g.ahead.As32(), g.ahead.As32())
	g.JMP(operand.LabelRef(done))
	g.Label(second)
	g.ADDQ(operand.I32(64*g.shared(n)), g.ahead)
	g.Label(done)
}

// strips writes body for each strip of n vectors, and for the columns that are left; dst and w move from strip to strip.
func (g *gemm) strips(n int, body func(n int)) {
	all, columns := g.width/g.level.Lanes, n*g.level.Lanes
	if n == all {
		body(n)
		return
	}
	loop, left := g.label("strip"), g.GP64()
	g.MOVQ(operand.I32(all/n), left)
	g.Label(loop)
	body(n)
	g.ADDQ(operand.I32(4*columns), g.dst)
	g.ADDQ(operand.I32(4*columns), g.w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	if all%n > 0 {
		body(all % n)
	}
}

// tile writes the product of rows of x and the strip of w, n vectors wide, and fetches so many lines of
// a step ahead.
func (g *gemm) tile(rows, n, fetch int) {
	g.Commentf("Tile of %d rows, %d columns.", rows, n*g.level.Lanes)
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		acc[r] = g.vecs(n)
	}
	out := g.rows(g.dst, g.ldd, rows)
	if used := rows*n + min(rows, n) + 1; g.high != nil && used < 16 { // a register is left
		high := g.high
		g.high = g.inRegister(high)
		defer func() { g.high = high }()
	}
	steps, start, last, store := g.label("steps"), g.label("start"), g.label("last"), g.label("store")

	for r := range acc {
		g.zero(acc[r]...)
	}
	g.CMPB(g.arg("acc"), operand.Imm(0))
	g.JE(operand.LabelRef(start))
	for r := range acc {
		for v := range acc[r] {
			g.VMOVUPS(out[r].Offset(v*g.bytes()), acc[r][v])
		}
	}

	g.Label(start)
	x, w, k := g.copyOf(g.x), g.copyOf(g.w), g.steps()
	in, moving := g.rowsMoving(x, g.ldx, rows)
	perStep := 1
	if g.format == wide {
		perStep = 2
		g.SHRQ(operand.Imm(1), k)
	} else {
		g.TESTQ(k, k)
	}
	g.JE(operand.LabelRef(last))

	g.Label(steps)
	switch {
	case g.format == floats:
		g.step(acc, in, w, whole)
	case g.format == wide:
		g.step(acc, in, w, lowHalf)
		g.step(acc, offset(in, 4), w, highHalf)
	case g.dots():
		g.step(acc, in, w, bothHalves)
	default:
		g.step(acc, in, w, highHalf)
		g.step(acc, in, w, lowHalf)
	}
	for i := range fetch {
		g.PREFETCHT0(operand.Mem{Base: w, Index: g.ahead, Scale: 1, Disp: 64 * i})
	}
	for _, p := range moving {
		g.ADDQ(operand.I32(4*perStep), p)
	}
	g.ADDQ(operand.I32(4*g.width), w)
	g.DECQ(k)
	g.JNE(operand.LabelRef(steps))

	g.Label(last)
	if g.format == wide {
		g.TESTQ(operand.I32(1), g.arg("k"))
		g.JE(operand.LabelRef(store))
		g.step(acc, in, w, lowHalf)
		g.Label(store)
	}
	for r := range acc {
		for v := range acc[r] {
			g.VMOVUPS(acc[r][v], out[r].Offset(v*g.bytes()))
		}
	}
}

// rows are the addresses of rows, base and stride apart: three from base, three from a register
// that is three rows on.
func (g *gemm) rows(base, stride reg.GPVirtual, n int) []operand.Mem {
	ms, _ := g.rowsMoving(base, stride, n)
	return ms
}

// rowsMoving is rows and the registers to move when all rows move along.
func (g *gemm) rowsMoving(base, stride reg.GPVirtual, n int) ([]operand.Mem, []reg.GPVirtual) {
	bases := []reg.GPVirtual{base}
	if n > 3 {
		third := g.GP64()
		g.LEAQ(operand.Mem{Base: base, Index: stride, Scale: 2}, third)
		g.ADDQ(stride, third)
		bases = append(bases, third)
	}
	var ms []operand.Mem
	for r := range n {
		m := operand.Mem{Base: bases[r/3]}
		if r%3 > 0 {
			m.Index, m.Scale = stride, uint8(r%3)
		}
		ms = append(ms, m)
	}
	return ms, bases
}

// offset are addresses some bytes on.
func offset(ms []operand.Mem, bytes int) []operand.Mem {
	moved := make([]operand.Mem, len(ms))
	for i, m := range ms {
		moved[i] = m.Offset(bytes)
	}
	return moved
}
