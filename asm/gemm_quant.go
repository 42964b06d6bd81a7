package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Products of quantized rows and half a panel of quantized blocks, 32 columns.
//
//	dst[r][c] = fma(float32(sums[r][b] + Σ_(i in b) x[r][i]*u[i][c]), s[b][c], …), b ascending
//
// u being the bytes of q8, or what those of q4 come to when they are unpacked.
//
// Loop nest:
//
//	for segments of blocks:                    16 KB of weights, which stay in the first cache
//	    [many rows, where it pays: the segment is unpacked]
//	    for rows, a tile of them at a time:
//	        for blocks:
//	            for inputs, four at a time:    the bytes of four inputs of a row fill a register
//	            the tile's integers are exact: they become float32, times the scales, plus dst
//
// So the weights are read once and in order, whatever the number of rows. Memory is no faster for that
// while several tiles pass over a segment, unless the next one is asked for: all tiles together ask for
// each of its lines, at even intervals. dst, in memory, holds sums from segment to segment.
//
// The tile of kernels with VNNI is in gemm_quant_vnni.go, those of 16-bit sums in gemm_quant_words.go and, for many rows,
// gemm_quant_signs.go; those of q4 in gemm_nibbles.go and the two files named after it.

// Layout of a block, as kernel/quant.go defines it.
const (
	halfCols   = tileCols / 2
	quantBlock = 128 // inputs
	q8Scales   = quantBlock * halfCols
	q8Bytes    = q8Scales + 2*halfCols
)

const (
	segmentBytes = 16 << 10 // about the size of a segment
	aheadQuant   = 8 << 10  // how far behind a block a single tile asks: memory's answer takes about as long
	aheadFew     = 11 << 10 // and a tile of nibbles of more rows than near
)

// cacheLine is what a prefetch fetches.
const cacheLine = 64

// A quantFormat is how weights lie in memory, and how a tile reads them.
type quantFormat struct {
	stored   int                               // bytes of a block in memory
	size     int                               // and as a tile reads it
	lines    int                               // of memory that a step's weights take
	sumsEach int                               // sums a block of activations
	most     int                               // rows of a tile
	near     int                               // up to how many a single tile asks no further than aheadQuant, if not any
	once     bool                              // no line is read again before memory has been read through: none need be kept
	keep     bool                              // a tile's rows of dst stay in registers, or blocks are a pipeline
	block    func(x []reg.GPVirtual, rows int) // writes a block of a tile; x moves over it, sums and w do not
	unpack   func()                            // unpacks a segment from w and points w there, if tiles read unpacked weights
}

// A gemmQuant is one such product being written.
type gemmQuant struct {
	*emitter
	quantFormat

	dst, ldd  reg.GPVirtual // the tile's first row, and the bytes between rows
	x, ldx    reg.GPVirtual
	sums, lds reg.GPVirtual // lds in words
	w         reg.GPVirtual // the block
	rows      reg.GPVirtual
	left      operand.Mem // rows to do
	blocks    operand.Mem // of the segment
	todo      operand.Mem // blocks that the tile has to do
	fresh     operand.Mem // whether dst is to be written, not added to
	next      operand.Mem // what the caller will write to for the tile's rows, if it is time to ask for it

	ahead, stride reg.GPVirtual      // the next prefetch, and the bytes to the one after
	sparse        operand.Mem        // whether full tiles ask only once in sparseSteps steps; not for formats without pipeline
	out           [][]reg.VecVirtual // the tile's rows of dst
}

func gemmQ8(e *emitter) {
	g := newGemmQuant(e)
	stored := quantFormat{stored: q8Bytes, size: q8Bytes, lines: 2, sumsEach: 1, most: 8, block: g.blockWords}
	if e.masked() {
		stored.most, stored.keep, stored.block = 6, true, g.blockVNNI
		g.quantFormat = stored
		g.segments()
		return
	}
	unpacked := stored
	unpacked.size, unpacked.unpack = signsBytes, g.unpackSigns
	unpacked.most, unpacked.block = signsRows, g.blockSigns
	g.either(fewSigns, stored, unpacked)
}

// either writes the product in one format for up to few rows, in another one for more.
func (g *gemmQuant) either(few int, stored, unpacked quantFormat) {
	many, done := g.label("many"), g.label("done")
	g.CMPQ(g.arg("rows"), operand.Imm(uint64(few)))
	g.JG(operand.LabelRef(many))
	g.quantFormat = stored
	g.segments()
	g.JMP(operand.LabelRef(done))
	g.Label(many)
	g.quantFormat = unpacked
	g.segments()
	g.Label(done)
}

// newGemmQuant loads the arguments, and clears dst if it is to be written and there is no block that would.
func newGemmQuant(e *emitter) *gemmQuant {
	g := &gemmQuant{emitter: e, dst: e.ptr("dst"), rows: e.integer("rows")}
	g.ldd = e.integer("ldd")
	e.SHLQ(operand.Imm(2), g.ldd)
	g.begin()
	g.x, g.sums, g.w = e.ptr("x"), e.ptr("sums"), e.ptr("w")
	g.ldx, g.lds = e.integer("ldx"), e.integer("lds")
	return g
}

// segments writes the loop nest.
func (g *gemmQuant) segments() {
	e := g.emitter
	g.spread()

	// Segments are equal but for the last, since one asks for as much as it is itself. A single tile reads all
	// blocks in one go.
	n, equal, single := e.integer("blocks"), e.AllocLocal(8), e.label("single")
	if g.unpack == nil {
		e.MOVQ(n, equal)
		e.CMPQ(e.arg("rows"), operand.Imm(uint64(g.most)))
		e.JLE(operand.LabelRef(single))
	}
	segments := g.shares(n, g.literal((segmentBytes+g.size/2)/g.size))
	e.MOVQ(g.shares(n, segments), equal)
	e.Label(single)

	loop, whole, asked, done := e.label("segment"), e.label("whole"), e.label("asked"), e.label("done")
	g.blocks, g.left, g.todo, g.next = e.AllocLocal(8), e.AllocLocal(8), e.AllocLocal(8), e.AllocLocal(8)
	left := e.AllocLocal(8)
	e.MOVQ(n, left)
	e.Label(loop)
	e.TESTQ(n, n)
	e.JLE(operand.LabelRef(done))
	e.CMPQ(n, equal)
	e.JLE(operand.LabelRef(whole))
	e.MOVQ(equal, n)
	e.Label(whole)
	e.MOVQ(n, g.blocks)
	e.SUBQ(n, left)
	if g.unpack == nil {
		e.MOVQ(operand.I32(aheadQuant), g.ahead)
		if g.near > 0 {
			e.CMPQ(e.arg("rows"), operand.Imm(uint64(g.near)))
			e.JLE(operand.LabelRef(asked))
			e.MOVQ(operand.I32(aheadFew), g.ahead)
		}
		e.CMPQ(e.arg("rows"), operand.Imm(uint64(g.most)))
		e.JLE(operand.LabelRef(asked))
	}
	e.IMUL3Q(operand.I32(g.stored), n, g.ahead)
	e.Label(asked)
	e.ADDQ(g.w, g.ahead)

	var saved []operand.Mem
	moving := []reg.GPVirtual{g.x, g.sums, g.w}
	for _, r := range moving {
		m := e.AllocLocal(8)
		e.MOVQ(r, m)
		saved = append(saved, m)
	}
	if g.unpack != nil {
		g.unpack()
	}
	e.Load(e.Param("dst").Base(), g.dst)
	g.setNext(left)
	rows := e.integer("rows")
	e.MOVQ(rows, g.left)
	g.tiles()

	for i, bytes := range []int{quantBlock, 4 * g.sumsEach, g.stored} {
		e.IMUL3Q(operand.I32(bytes), g.blocks, moving[i])
		e.ADDQ(saved[i], moving[i])
	}
	e.MOVQ(operand.I32(0), g.fresh)
	e.MOVQ(left, n)
	e.JMP(operand.LabelRef(loop))
	e.Label(done)
}

// begin finds out whether dst is to be written, and clears it if there are no blocks.
func (g *gemmQuant) begin() {
	keep := g.label("keep")
	acc := g.GP64()
	g.MOVBQZX(g.arg("acc"), acc)
	g.XORQ(operand.Imm(1), acc)
	g.fresh = g.AllocLocal(8)
	g.MOVQ(acc, g.fresh)
	g.CMPQ(g.arg("blocks"), operand.Imm(0))
	g.JG(operand.LabelRef(keep))
	g.TESTQ(acc, acc)
	g.JE(operand.LabelRef(keep))
	g.clear(g.copyOf(g.rows))
	g.Label(keep)
}

// clear zeroes some rows of dst.
func (g *gemmQuant) clear(rows reg.GPVirtual) {
	zero, dst := g.vec(), g.copyOf(g.dst)
	g.zero(zero)
	g.times(rows, func() {
		for at := 0; at < 4*halfCols; at += g.bytes() {
			g.VMOVUPS(zero, operand.Mem{Base: dst, Disp: at})
		}
		g.ADDQ(g.ldd, dst)
	})
}

// spread sets the stride of prefetches: that of a line by the number of tiles, rounded up, since each
// tile asks for as many as the segment has lines. Of many tiles each asks less often, for more than that.
func (g *gemmQuant) spread() {
	tiles := g.shares(g.integer("rows"), g.literal(g.most))
	g.stride = g.shares(g.literal(cacheLine), tiles)
	g.ahead = g.GP64()
	if !g.keep {
		return
	}
	g.sparse = g.AllocLocal(8)
	share, few := g.stored/(quantBlock/quad/sparseSteps), g.label("few")
	g.MOVQ(operand.I32(0), g.sparse)
	g.CMPQ(tiles, operand.Imm(uint64((share+cacheLine-1)/cacheLine)))
	g.JL(operand.LabelRef(few))
	g.MOVQ(operand.I32(1), g.sparse)
	g.MOVQ(g.shares(g.literal(share), tiles), g.stride)
	g.Label(few)
}

// ask asks for a line of weights.
func (g *gemmQuant) ask(line operand.Mem) {
	if g.once {
		g.PREFETCHNTA(line)
		return
	}
	g.PREFETCHT0(line)
}

// prefetch asks for the next n lines of the segment to come.
func (g *gemmQuant) prefetch(n int) {
	for range n {
		g.ask(operand.Mem{Base: g.ahead})
		g.ADDQ(g.stride, g.ahead)
	}
}

// setNext lets tiles of the last segment ask for what the caller will write next.
func (g *gemmQuant) setNext(left operand.Mem) {
	next, none := g.GP64(), g.label("none")
	g.XORL(next.As32(), next.As32())
	g.CMPQ(left, operand.Imm(0))
	g.JNE(operand.LabelRef(none))
	g.CMPQ(g.length("next"), operand.Imm(0))
	g.JE(operand.LabelRef(none))
	g.Load(g.Param("next").Base(), next)
	g.Label(none)
	g.MOVQ(next, g.next)
}

// askNext asks for it, the rows of a tile.
func (g *gemmQuant) askNext(rows int) {
	none := g.label("asked")
	g.CMPQ(g.next, operand.Imm(0))
	g.JE(operand.LabelRef(none))
	next, ldn := g.GP64(), g.integer("ldn")
	g.MOVQ(g.next, next)
	for range rows {
		for at := 0; at < 4*halfCols; at += cacheLine {
			g.PREFETCHT0(operand.Mem{Base: next, Disp: at})
		}
		g.LEAQ(operand.Mem{Base: next, Index: ldn, Scale: 4}, next)
	}
	g.MOVQ(next, g.next)
	g.Label(none)
}

// tiles writes the product of all rows and a segment.
func (g *gemmQuant) tiles() {
	loop, one, two, done := g.label("tiles"), g.label("one"), g.label("two"), g.label("done")
	g.Label(loop)
	n := g.GP64()
	g.MOVQ(g.left, n)
	g.TESTQ(n, n)
	g.JLE(operand.LabelRef(done))
	g.CMPQ(n, operand.Imm(uint64(g.most)))
	g.JLE(operand.LabelRef(one))
	g.CMPQ(n, operand.Imm(uint64(2*g.most)))
	g.JLE(operand.LabelRef(two))
	g.MOVQ(operand.I32(g.most), n)
	g.JMP(operand.LabelRef(one))
	g.Label(two) // halves, not a full tile and a small one
	g.INCQ(n)
	g.SHRQ(operand.Imm(1), n)

	g.Label(one)
	least := 1
	if g.unpack != nil { // there are more rows than a tile has
		least = (g.most + 1) / 2
	}
	for rows := g.most; rows >= least; rows-- {
		next := g.label("rows")
		g.CMPQ(n, operand.I32(rows))
		g.JNE(operand.LabelRef(next))
		if g.keep && rows == g.most {
			dense := g.label("dense")
			g.CMPQ(g.sparse, operand.Imm(0))
			g.JE(operand.LabelRef(dense))
			g.Commentf("Tile of %d rows, one of many.", rows)
			g.rowTile(rows, sparseSteps)
			g.JMP(operand.LabelRef(loop))
			g.Label(dense)
		}
		g.Commentf("Tile of %d rows.", rows)
		g.rowTile(rows, 1)
		g.JMP(operand.LabelRef(loop))
		g.Label(next)
	}
	g.Label(done)
}

// rowTile writes the product of some rows and a segment, and steps to the rows below. It asks for memory
// once in so many steps.
func (g *gemmQuant) rowTile(rows, every int) {
	x, left, back := g.pointers(g.x, g.ldx, rows), g.GP64(), g.GP64()
	g.MOVQ(g.blocks, left)
	g.MOVQ(left, g.todo)
	added := g.label("added")
	g.CMPQ(g.fresh, operand.Imm(0))
	g.JE(operand.LabelRef(added))
	g.clear(g.literal(rows)) // where it is used next, in the nearest cache
	g.Label(added)
	g.askNext(rows)
	switch {
	case g.keep && rows > splitRows:
		g.pipeline(x, rows, every)
	default:
		if g.keep {
			g.loadOut(rows)
		}
		loop := g.label("block")
		g.Label(loop)
		g.block(x, rows)
		g.ADDQ(operand.I32(g.size), g.w)
		g.ADDQ(operand.Imm(uint64(4*g.sumsEach)), g.sums)
		g.DECQ(g.todo)
		g.JNE(operand.LabelRef(loop))
		if g.keep {
			g.storeOut()
		}
		g.IMUL3Q(operand.I32(g.size), g.blocks, back)
		g.SUBQ(back, g.w)
	}

	// What has moved along the blocks goes back, and down.
	g.IMUL3Q(operand.I32(quantBlock), g.blocks, back)
	g.SUBQ(back, g.x)
	g.IMUL3Q(operand.I32(4*g.sumsEach), g.blocks, back)
	g.SUBQ(back, g.sums)
	for range rows {
		g.ADDQ(g.ldx, g.x)
		g.ADDQ(g.ldd, g.dst)
		g.LEAQ(operand.Mem{Base: g.sums, Index: g.lds, Scale: 4}, g.sums)
	}
	g.SUBQ(operand.Imm(uint64(rows)), g.left)
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

// rest asks for those lines of a block that its steps have not asked for.
func (g *gemmQuant) rest() { g.prefetch(g.stored/cacheLine - quantBlock/quad*g.lines) }

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

// literal is a fresh register with a number.
func (e *emitter) literal(n int) reg.GPVirtual {
	r := e.GP64()
	e.MOVQ(operand.I32(n), r)
	return r
}
