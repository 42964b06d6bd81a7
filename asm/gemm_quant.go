package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Products of quantized rows and half a panel of quantized blocks, 32 columns.
//
//	dst[r][c] = fma(float32(sums[r][b] + Σ_(i in b) x[r][i]*u[i][c]), s[b][c], …), b ascending
//
// Loop nest:
//
//	for rows, at most a tile of them at a time:
//	    for blocks:
//	        for inputs, four at a time:    the bytes of four inputs of a row fill a register
//	        the tile's integers are exact: they become float32, times the scales, plus dst
//
// Sums are gathered in dst, in memory, so that a tile holds integers alone. The tile of kernels with
// VNNI is in gemm_quant_vnni.go, that of 16-bit sums in gemm_quant_words.go.

// Layout of a block, as kernel/quant.go defines it.
const (
	halfCols = tileCols / 2
	q8Inputs = 128
	q4Inputs = 32
)

// A gemmQuant is one such product being written.
type gemmQuant struct {
	*emitter
	bits   int // of a weight
	inputs int // of a block

	dst, ldd  reg.GPVirtual // the tile's first row, and the bytes between rows
	x, ldx    reg.GPVirtual
	sums, lds reg.GPVirtual // lds in words
	w         reg.GPVirtual // the block
	rows      reg.GPVirtual // left to do
}

func gemmQ8(e *emitter) { writeGemmQuant(e, 8, q8Inputs) }
func gemmQ4(e *emitter) { writeGemmQuant(e, 4, q4Inputs) }

// tileBytes is the size of a block's integers; its scales follow.
func (g *gemmQuant) tileBytes() int { return g.inputs * halfCols * g.bits / 8 }

// most is how many rows a tile may have.
func (g *gemmQuant) most() int {
	if g.masked() {
		return 12
	}
	if g.bits == 4 {
		return 6
	}
	return 8
}

func writeGemmQuant(e *emitter, bits, inputs int) {
	g := &gemmQuant{emitter: e, bits: bits, inputs: inputs, dst: e.ptr("dst"), x: e.ptr("x"), sums: e.ptr("sums"), rows: e.integer("rows")}
	g.ldd, g.ldx, g.lds = e.integer("ldd"), e.integer("ldx"), e.integer("lds")
	e.SHLQ(operand.Imm(2), g.ldd)
	g.clear()

	loop, one, two, done := e.label("tiles"), e.label("one"), e.label("two"), e.label("done")
	e.Label(loop)
	e.TESTQ(g.rows, g.rows)
	e.JLE(operand.LabelRef(done))
	n := e.GP64()
	e.MOVQ(g.rows, n)
	e.CMPQ(g.rows, operand.Imm(uint64(g.most())))
	e.JLE(operand.LabelRef(one))
	e.CMPQ(g.rows, operand.Imm(uint64(2*g.most())))
	e.JLE(operand.LabelRef(two))
	e.MOVQ(operand.I32(g.most()), n)
	e.JMP(operand.LabelRef(one))
	e.Label(two) // halves, not a full tile and a small one
	e.INCQ(n)
	e.SHRQ(operand.Imm(1), n)

	e.Label(one)
	for rows := g.most(); rows > 0; rows-- {
		next := e.label("rows")
		e.CMPQ(n, operand.I32(rows))
		e.JNE(operand.LabelRef(next))
		e.Commentf("Tile of %d rows.", rows)
		g.rowTile(rows)
		e.JMP(operand.LabelRef(loop))
		e.Label(next)
	}
	e.Label(done)
}

// clear zeroes the rows of dst unless they are added to.
func (g *gemmQuant) clear() {
	keep := g.label("keep")
	g.CMPB(g.arg("acc"), operand.Imm(0))
	g.JNE(operand.LabelRef(keep))
	zero, dst, rows := g.vec(), g.copyOf(g.dst), g.copyOf(g.rows)
	g.zero(zero)
	g.times(rows, func() {
		for at := 0; at < 4*halfCols; at += g.bytes() {
			g.VMOVUPS(zero, operand.Mem{Base: dst, Disp: at})
		}
		g.ADDQ(g.ldd, dst)
	})
	g.Label(keep)
}

// rowTile writes the product of some rows and all blocks, and steps to the rows below.
func (g *gemmQuant) rowTile(rows int) {
	next := g.label("next")
	blocks := g.integer("blocks")
	g.TESTQ(blocks, blocks)
	g.JLE(operand.LabelRef(next))
	g.w = g.ptr("w")
	x := g.pointers(g.x, g.ldx, rows)
	loop := g.label("block")
	g.Label(loop)
	if g.masked() {
		g.blockVNNI(x, rows)
	} else {
		g.blockWords(x, rows)
	}
	g.ADDQ(operand.I32(g.tileBytes()+2*halfCols), g.w)
	g.ADDQ(operand.Imm(4), g.sums)
	g.DECQ(blocks)
	g.JNE(operand.LabelRef(loop))

	// x and sums have moved along the blocks.
	back := g.integer("blocks")
	g.SHLQ(operand.Imm(2), back)
	g.SUBQ(back, g.sums)
	g.IMUL3Q(operand.I32(g.inputs/4), back, back)
	g.SUBQ(back, g.x)
	g.Label(next)
	for range rows {
		g.ADDQ(g.ldx, g.x)
		g.ADDQ(g.ldd, g.dst)
		g.LEAQ(operand.Mem{Base: g.sums, Index: g.lds, Scale: 4}, g.sums)
	}
	g.SUBQ(operand.Imm(uint64(rows)), g.rows)
}

// pointers are registers at every third row from base, the first of them base itself.
func (g *gemmQuant) pointers(base, stride reg.GPVirtual, rows int) []reg.GPVirtual {
	ps := []reg.GPVirtual{base}
	for r := 3; r < rows; r += 3 {
		p := g.GP64()
		g.LEAQ(operand.Mem{Base: ps[len(ps)-1], Index: stride, Scale: 2}, p)
		g.ADDQ(stride, p)
		ps = append(ps, p)
	}
	return ps
}

// row is where row r lies, by pointers to every third.
func row(ps []reg.GPVirtual, stride reg.GPVirtual, r, disp int) operand.Mem {
	m := operand.Mem{Base: ps[r/3], Disp: disp}
	if r%3 > 0 {
		m.Index, m.Scale = stride, uint8(r%3)
	}
	return m
}

// move steps pointers by some bytes.
func (g *gemmQuant) move(ps []reg.GPVirtual, bytes int) {
	for _, p := range ps {
		g.ADDQ(operand.I32(bytes), p)
	}
}

// scales are the scales of a block's columns from byte at of them, as float32.
func (g *gemmQuant) scales(at operand.Mem) reg.VecVirtual {
	s := g.vec()
	g.VPMOVZXWD(at, s)
	g.VPSLLD(operand.Imm(16), s, s)
	return s
}

// copyOf is a fresh register with the value of r.
func (e *emitter) copyOf(r reg.GPVirtual) reg.GPVirtual {
	c := e.GP64()
	e.MOVQ(r, c)
	return c
}
