package asm

import (
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
//	    for six rows at a time:        a tile
//	        for i:                     x[r][i] fills a register, one FMA a row and vector
//	for the one to five rows left:     strips again, by an exact tile
//
// Each element is one chain of FMAs; the chains of a tile hide the latency, so a tile has 8
// accumulators and more where the panel has the columns. Registers of a tile of R rows and V
// vectors: R*V accumulators, V of w and one of x, or, for few rows, R of x and one of w.
// Bytes a step: 4*R of x, the strip's columns of w.
//
// bfloat16 pairs are widened in registers, low half by a shift, high half by a mask, so that a
// step is two: 2k and 2k+1. An odd last step uses the low half alone.

// rowsPerTile is the height of the main tile.
const rowsPerTile = 6

// A gemm is one matrix product being written.
type gemm struct {
	*emitter
	pairs bool // w holds bfloat16 pairs, else float32
	width int  // columns of the panel

	dst, ldd reg.GPVirtual // the tile's first row and the bytes between rows
	x, ldx   reg.GPVirtual
	w        reg.GPVirtual // the strip
	high     reg.VecVirtual
}

func gemmF32(e *emitter)  { writeGemm(e, false) }
func gemmBF16(e *emitter) { writeGemm(e, true) }

func writeGemm(e *emitter, pairs bool) {
	g := gemm{emitter: e, pairs: pairs, dst: e.ptr("dst"), x: e.ptr("x"), w: e.ptr("w")}
	g.ldd, g.ldx = e.integer("ldd"), e.integer("ldx")
	e.SHLQ(operand.Imm(2), g.ldd)
	e.SHLQ(operand.Imm(2), g.ldx)
	if pairs {
		g.high = e.inRegister(e.constant("highHalf", 0xffff0000))
	}
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

// vectors is how many vectors wide a tile of rows is: all registers can hold, and for six rows
// few enough that a strip of w stays in the first cache.
func (g *gemm) vectors(rows int) int {
	n := 4
	if !g.masked() {
		n = [...]int{1: 8, 2: 4, 3: 4, 4: 2, 5: 2, 6: 2}[rows]
		if g.pairs && rows == 3 {
			n = 2
		}
	}
	return min(n, g.width/g.level.Lanes)
}

// panel writes the loops over strips and rows, and ends in a jump to done.
func (g *gemm) panel(done string) {
	rows := g.integer("rows")
	rest := g.label("rest")
	g.CMPQ(rows, operand.Imm(rowsPerTile))
	g.JLT(operand.LabelRef(rest))

	dst, x, w := g.copyOf(g.dst), g.copyOf(g.x), g.copyOf(g.w)
	g.strips(g.vectors(rowsPerTile), func() {
		loop := g.label("rows")
		g.Load(g.Param("rows"), rows)
		strip := g.copyOf(g.dst)
		g.MOVQ(x, g.x)

		g.Label(loop)
		g.tile(rowsPerTile)
		for range rowsPerTile {
			g.ADDQ(g.ldd, g.dst)
			g.ADDQ(g.ldx, g.x)
		}
		g.SUBQ(operand.Imm(rowsPerTile), rows)
		g.CMPQ(rows, operand.Imm(rowsPerTile))
		g.JGE(operand.LabelRef(loop))

		g.MOVQ(g.dst, dst) // below the tiles of this strip
		g.MOVQ(strip, g.dst)
	})
	// The rows left begin below the last strip's tiles, in the panel's first column.
	g.MOVQ(dst, g.dst)
	g.SUBQ(operand.I32(4*g.width-4*g.level.Lanes*g.vectors(rowsPerTile)), g.dst)
	g.MOVQ(w, g.w)

	g.Label(rest)
	for n := 1; n < rowsPerTile; n++ {
		next := g.label("rest")
		g.CMPQ(rows, operand.I32(n))
		g.JNE(operand.LabelRef(next))
		g.strips(g.vectors(n), func() { g.tile(n) })
		g.JMP(operand.LabelRef(done))
		g.Label(next)
	}
	g.JMP(operand.LabelRef(done))
}

// strips writes body for each strip of n vectors; dst and w move from strip to strip.
func (g *gemm) strips(n int, body func()) {
	columns := n * g.level.Lanes
	if columns == g.width {
		body()
		return
	}
	loop, left := g.label("strip"), g.GP64()
	g.MOVQ(operand.I32(g.width/columns), left)
	g.Label(loop)
	body()
	g.ADDQ(operand.I32(4*columns), g.dst)
	g.ADDQ(operand.I32(4*columns), g.w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
}

// tile writes the product of rows of x and the strip of w.
func (g *gemm) tile(rows int) {
	n := g.vectors(rows)
	g.Commentf("Tile of %d rows, %d columns.", rows, n*g.level.Lanes)
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		acc[r] = g.vecs(n)
	}
	out := g.rows(g.dst, g.ldd, rows)
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
	x, w, k := g.copyOf(g.x), g.copyOf(g.w), g.integer("k")
	in, moving := g.rowsMoving(x, g.ldx, rows)
	perStep := 1
	if g.pairs {
		perStep = 2
		g.SHRQ(operand.Imm(1), k)
	} else {
		g.TESTQ(k, k)
	}
	g.JE(operand.LabelRef(last))

	g.Label(steps)
	g.step(acc, in, w, lowHalf)
	if g.pairs {
		g.step(acc, offset(in, 4), w, highHalf)
	}
	for _, p := range moving {
		g.ADDQ(operand.I32(4*perStep), p)
	}
	g.ADDQ(operand.I32(4*g.width), w)
	g.DECQ(k)
	g.JNE(operand.LabelRef(steps))

	g.Label(last)
	if g.pairs {
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

// The halves of bfloat16 pairs; a float32 is its own low half.
const (
	lowHalf = iota
	highHalf
)

// step writes one FMA for each accumulator. Few rows keep their x in registers and take w
// vector by vector; more rows keep w.
func (g *gemm) step(acc [][]reg.VecVirtual, x []operand.Mem, w reg.GPVirtual, half int) {
	n := len(acc[0])
	if len(acc) < 4 {
		xs := g.vecs(len(acc))
		for r := range xs {
			g.VBROADCASTSS(x[r], xs[r])
		}
		for v := range n {
			wv := g.weights(w, v, half, len(acc) == 1)
			for r := range acc {
				g.VFMADD231PS(wv, xs[r], acc[r][v])
			}
		}
		return
	}
	ws := make([]operand.Op, n)
	for v := range ws {
		ws[v] = g.weights(w, v, half, false)
	}
	for r := range acc {
		xr := g.vec()
		g.VBROADCASTSS(x[r], xr)
		for v := range ws {
			g.VFMADD231PS(ws[v], xr, acc[r][v])
		}
	}
}

// weights are the v-th vector of one half of w as float32, in memory if that is enough.
func (g *gemm) weights(w reg.GPVirtual, v, half int, once bool) operand.Op {
	at := operand.Mem{Base: w, Disp: v * g.bytes()}
	if once && !g.pairs {
		return at
	}
	wv := g.vec()
	switch {
	case !g.pairs:
		g.VMOVUPS(at, wv)
	case half == highHalf:
		g.VANDPS(at, g.high, wv)
	case g.masked():
		g.VPSLLD(operand.Imm(16), at, wv)
	default:
		g.VMOVUPS(at, wv)
		g.VPSLLD(operand.Imm(16), wv, wv)
	}
	return wv
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
