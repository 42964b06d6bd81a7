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
	fewWide     = 4 // the rows of a tile that is narrower than its registers allow
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
	high     operand.Op    // the mask of high halves
	fetching
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
// few enough that a strip of w stays in the first cache. Four rows by three vectors were no faster than by two, and those of bfloat16
// slower.
func (g *gemm) vectors(rows int) int {
	n := 4
	switch {
	case g.masked():
	case rows == 1:
		n = 8
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
			g.loads = g.format == floats
			g.strips(g.vectors(n), func(v, lines int) {
				if g.next == nil {
					lines = g.stream(lines)
				}
				g.tile(n, v, lines)
			})
			g.loads = false
		}
		g.JMP(operand.LabelRef(done))
		g.Label(next)
	}
	if !g.masked() {
		g.spread(rows)
	}
	g.strips(g.vectors(rowsPerTile), func(n, lines int) { g.tiles(rows, n, lines) })
	g.pace = nil // which the next width's few rows have not
	g.JMP(operand.LabelRef(done))
}

// tiles writes the tiles of a strip of n vectors, more than fewRows in all. Less than two full ones are made
// equal, so that none of them is low. A step of all tiles together fetches so many lines.
func (g *gemm) tiles(rows reg.GPVirtual, n, lines int) {
	loop, end := g.label("tiles"), g.label("tile")
	labels := map[int]string{}
	for height := lowestTile; height <= rowsPerTile; height++ {
		labels[height] = g.label(fmt.Sprintf("rows%dof", height))
	}
	strip, height := g.copyOf(g.dst), g.GP64()
	g.Load(g.Param("rows"), rows)
	g.Load(g.Param("x").Base(), g.x)
	each := g.fetchFirst(lines)

	g.Label(loop)
	g.CMPQ(rows, operand.Imm(uint64(2*rowsPerTile)))
	g.JGE(operand.LabelRef(labels[rowsPerTile]))
	g.MOVQ(rows, height)
	g.CMPQ(rows, operand.Imm(uint64(rowsPerTile)))
	g.JLE(operand.LabelRef(end + "Height"))
	g.INCQ(height)
	g.SHRQ(operand.Imm(1), height)
	g.Label(end + "Height")
	for h := lowestTile; h < rowsPerTile; h++ {
		g.CMPQ(height, operand.I32(h))
		g.JEQ(operand.LabelRef(labels[h]))
	}
	for h := rowsPerTile; h >= lowestTile; h-- {
		g.Label(labels[h])
		g.tile(h, n, each)
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
	g.fetchOther(lines, each)
	g.TESTQ(rows, rows)
	g.JNE(operand.LabelRef(loop))
	g.MOVQ(strip, g.dst)
}

// strips writes body for each strip of n vectors, and for the columns that are left; dst and w move from strip to strip. In
// lines is how many a step of the strip has to fetch, of the cache lines that a step of the panel takes.
func (g *gemm) strips(n int, body func(n, lines int)) {
	all, columns, lines := g.width/g.level.Lanes, n*g.level.Lanes, 4*g.width/cacheLine
	if n == all {
		body(n, lines)
		return
	}
	g.follow()
	loop, left := g.label("strip"), g.GP64()
	g.MOVQ(operand.I32(all/n), left)
	g.Label(loop)
	each := 4 * columns / cacheLine
	body(n, each)
	g.ADDQ(operand.I32(4*columns), g.dst)
	g.ADDQ(operand.I32(4*columns), g.w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	if all%n > 0 {
		body(all%n, lines-all/n*each)
	}
	g.next = nil
}

// tile writes the product of rows of x and the strip of w, n vectors wide, each step of which fetches so many lines.
func (g *gemm) tile(rows, n, lines int) {
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
	turn, words := g.turn()
	if turn > 1 {
		g.SHRQ(operand.Imm(1), k)
	} else {
		g.TESTQ(k, k)
	}
	g.JE(operand.LabelRef(last))

	g.Label(steps)
	at := operand.Mem{Base: w}
	switch {
	case g.format == floats:
		for i := range turn {
			g.step(acc, offset(in, 4*i), at.Offset(i*4*g.width), whole)
		}
	case g.format == wide:
		g.step(acc, in, at, lowHalf)
		g.step(acc, offset(in, 4), at, highHalf)
	case g.dots():
		g.step(acc, in, at, bothHalves)
	default:
		g.step(acc, in, at, highHalf)
		g.step(acc, in, at, lowHalf)
	}
	g.fetch(w, lines*words)
	for _, p := range moving {
		g.ADDQ(operand.I32(4*turn), p)
	}
	g.ADDQ(operand.I32(4*g.width*words), w)
	g.DECQ(k)
	g.JNE(operand.LabelRef(steps))

	g.Label(last)
	if turn > 1 {
		g.TESTQ(operand.I32(1), g.arg("k"))
		g.JE(operand.LabelRef(store))
		h := whole
		if g.format == wide {
			h = lowHalf
		}
		g.step(acc, in, at, h)
		g.Label(store)
	}
	for r := range acc {
		for v := range acc[r] {
			g.VMOVUPS(acc[r][v], out[r].Offset(v*g.bytes()))
		}
	}
}

// turn is how many inputs a turn of a tile's loop takes, two at most, and how many words of a column of w they are. Without AVX-512 one of
// float32 is so few FMAs that the rest of a turn holds them up: 512 rows by 8,192 inputs went from 0.81 to 0.89 of the FMAs' peak with one
// thread, and from 0.85 to 0.87 with two, five rounds in turns on a Zen 3.
func (g *gemm) turn() (inputs, words int) {
	switch {
	case g.format == wide:
		return 2, 1
	case g.format == floats && !g.masked():
		return 2, 2
	}
	return 1, 1
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
