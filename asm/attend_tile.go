package asm

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A splitGemm is one such product being written.
type splitGemm struct {
	*emitter
	signed bool   // w are signed, and so x unsigned
	width  int    // columns of the panel
	codes  *codes // that w are, if not bytes

	dst, ldd reg.GPVirtual // the tile's first row, and the bytes between rows
	x, ldx   reg.GPVirtual
	w        reg.GPVirtual // the panel
	rows     reg.GPVirtual // left to do
	next     reg.GPVirtual // without dots: what steps fetch next
	pace     operand.Mem   // and the bytes from a step's line to the next step's
}

// highest is the number of rows of the highest tile.
func (g *splitGemm) highest() int {
	if g.masked() {
		return 6
	}
	return 3
}

// sparse reports whether x has low bytes and sparse high ones: weights do, where dots multiply bytes.
func (g *splitGemm) sparse() bool { return g.masked() && g.signed }

// quad is how many bytes of x are four inputs.
func (g *splitGemm) quad() int {
	if g.masked() && !g.sparse() {
		return quadBytes / 2
	}
	return quadBytes
}

// vectors is how many vectors wide a tile is.
func (g *splitGemm) vectors(rows int) int {
	n := []int{1: 8, 2: 4, 3: 2}
	if g.masked() {
		n = []int{1: 4, 2: 4, 3: 4, 4: 4, 5: 4, 6: 4}
	}
	return min(n[rows], g.width/g.level.Lanes)
}

// panel writes the loop over rows: tiles of the highest, and less than two of them made equal. finish brings
// the tile's sums to dst, strip by strip; next moves what else belongs to the rows.
func (g *splitGemm) panel(steps func(left reg.GPVirtual), start func(r, col int, acc []reg.VecVirtual), finish func(rows, col int, sums [][]reg.VecVirtual), next func(rows int)) {
	loop, done, choose := g.label("rows"), g.label("done"), g.label("choose")
	most, height := g.highest(), g.GP64()
	labels := map[int]string{}
	for rows := 1; rows <= most; rows++ {
		labels[rows] = g.label(fmt.Sprintf("rows%dof", rows))
	}
	g.TESTQ(g.rows, g.rows)
	g.JE(operand.LabelRef(done))
	g.Label(loop)
	g.CMPQ(g.rows, operand.Imm(uint64(2*most)))
	g.JGE(operand.LabelRef(labels[most]))
	g.MOVQ(g.rows, height)
	g.CMPQ(g.rows, operand.Imm(uint64(most)))
	g.JLE(operand.LabelRef(choose))
	g.INCQ(height)
	g.SHRQ(operand.Imm(1), height)
	g.Label(choose)
	for rows := 1; rows < most; rows++ {
		g.CMPQ(height, operand.Imm(uint64(rows)))
		g.JEQ(operand.LabelRef(labels[rows]))
	}
	for rows := most; rows > 0; rows-- {
		g.Label(labels[rows])
		g.Commentf("Tile of %d rows, panel of %d columns.", rows, g.width)
		for col := 0; col < g.width; col += g.vectors(rows) * g.level.Lanes {
			finish(rows, col, g.tile(rows, col, steps, start))
		}
		for range rows {
			g.ADDQ(g.ldd, g.dst)
			g.ADDQ(g.ldx, g.x)
		}
		next(rows)
		g.SUBQ(operand.Imm(uint64(rows)), g.rows)
		g.JNE(operand.LabelRef(loop))
		g.JMP(operand.LabelRef(done))
	}
	g.Label(done)
}

// tile writes the sums of a strip. steps loads their number; start writes what a row's sum begins with.
func (g *splitGemm) tile(rows, col int, steps func(reg.GPVirtual), start func(r, col int, acc []reg.VecVirtual)) [][]reg.VecVirtual {
	n := g.vectors(rows)
	var acc [][]reg.VecVirtual
	for r := range rows {
		acc = append(acc, g.vecs(n))
		start(r, col, acc[r])
	}
	loop, even, done := g.label("steps"), g.label("even"), g.label("stepped")
	w, left, x := g.copyOf(g.w), g.GP64(), g.copyOf(g.x)
	steps(left)
	in, moving := g.rowsFrom(x, g.ldx, rows)
	take := func(n int) {
		for i := range n {
			g.step(operand.Mem{Base: w, Disp: 4 * (i*g.width + col)}, in, i*g.quads()*g.quad(), acc)
		}
		for _, p := range moving {
			g.ADDQ(operand.Imm(uint64(n*g.quads()*g.quad())), p)
		}
		g.ADDQ(operand.I32(n*4*g.width), w)
		g.SUBQ(operand.Imm(uint64(n)), left)
	}

	turns := g.turns()
	if turns > 1 && !g.sparse() { // of weights there are whole blocks
		g.TESTQ(operand.U32(1), left)
		g.JE(operand.LabelRef(even))
		take(1)
		g.JE(operand.LabelRef(done))
		g.Label(even)
	}
	g.Label(loop)
	take(turns)
	g.JNE(operand.LabelRef(loop))
	g.Label(done)
	return acc
}

// reach is how many bytes behind what it reads a step fetches. Dots of bytes are fast enough for less: from the last
// cache they read 1 % faster, from memory as fast; 3 KB were 1 % more and lost some points there. With 3 KB words read
// memory at 0.75 of their rate, codes at 0.86.
func (g *splitGemm) reach() int {
	if g.short() {
		return 4 << 10
	}
	return 8 << 10
}

// turns is how many steps a turn of the loop takes: two if they are short. From the last cache one row's attention took
// 1 to 2 % less so; four steps gained no more, eight took longer.
func (g *splitGemm) turns() int {
	if g.short() {
		return 2
	}
	return 1
}

// short reports whether a step is few instructions: dots of one four of inputs.
func (g *splitGemm) short() bool { return g.masked() && g.codes == nil }

// step adds the products of the inputs at w and, disp bytes further, at x.
func (g *splitGemm) step(w operand.Mem, x []operand.Mem, disp int, acc [][]reg.VecVirtual) {
	g.fetch(w, len(acc[0])*g.bytes()/cacheLine)
	for half := range g.quads() {
		at := make([]operand.Mem, len(x))
		for r := range x {
			at[r] = x[r].Offset(disp + half*g.quad())
		}
		if g.masked() {
			g.dots(w, half, at, acc)
		} else {
			g.words(w, half, at, acc)
		}
	}
}

// fetch fetches as many lines as a step reads.
func (g *splitGemm) fetch(w operand.Mem, lines int) {
	if g.masked() {
		for i := range lines {
			g.PREFETCHT0(w.Offset(g.reach() + cacheLine*i))
		}
		return
	}
	pace := g.GP64()
	for i := range lines {
		g.PREFETCHT0(operand.Mem{Base: g.next, Disp: cacheLine * i})
	}
	g.MOVQ(g.pace, pace)
	g.LEAQ(operand.Mem{Base: g.next, Index: pace, Scale: uint8(lines)}, g.next)
}

// spread lets the tiles of all rows fetch lines together, at even intervals: each asks for each of them.
func (g *splitGemm) spread() {
	if g.masked() {
		return
	}
	g.next, g.pace = g.GP64(), g.AllocLocal(8)
	g.MOVQ(g.evenly(cacheLine, g.integer("rows"), g.highest()), g.pace)
}

// follow makes steps fetch what follows so many bytes at w, or what lies reach behind it if that is more, in memory's order, whatever
// the order in which strips read.
func (g *splitGemm) follow(bytes func() reg.GPVirtual) {
	if g.masked() {
		return
	}
	size, far := bytes(), g.label("far")
	g.LEAQ(operand.Mem{Base: g.w, Index: size, Scale: 1}, g.next)
	g.CMPQ(size, operand.I32(g.reach()))
	g.JGE(operand.LabelRef(far))
	g.LEAQ(operand.Mem{Base: g.w, Disp: g.reach()}, g.next)
	g.Label(far)
}

// rowsFrom are the addresses of rows, and the registers to move when all rows move along.
func (g *splitGemm) rowsFrom(base, stride reg.GPVirtual, rows int) ([]operand.Mem, []reg.GPVirtual) {
	return (&gemm{emitter: g.emitter}).rowsMoving(base, stride, rows)
}

// dots adds the products of four inputs by VNNI, of weights with their low bytes.
func (g *splitGemm) dots(w operand.Mem, half int, x []operand.Mem, acc [][]reg.VecVirtual) {
	at := 0
	if g.sparse() {
		at = masksSize + 4
	}
	var ws []reg.VecVirtual
	for v := range acc[0] {
		ws = append(ws, g.load(w.Offset(v*g.bytes()), half))
	}
	for r := range x {
		xs := g.vec()
		g.VPBROADCASTD(x[r].Offset(at), xs)
		for v := range ws {
			if g.signed {
				g.VPDPBUSD(ws[v], xs, acc[r][v])
			} else {
				g.VPDPBUSD(xs, ws[v], acc[r][v])
			}
		}
	}
}

// words adds the products of four inputs in words.
func (g *splitGemm) words(w operand.Mem, half int, x []operand.Mem, acc [][]reg.VecVirtual) {
	evenBytes := g.constant("evenBytes", 0x00ff00ff)
	xs := make([][]reg.VecVirtual, len(acc))
	for r := range xs {
		xs[r] = g.vecs(2)
		for odd, v := range xs[r] {
			g.VPBROADCASTD(x[r].Offset(4*odd), v)
		}
	}
	for v := range acc[0] {
		even, odd := g.load(w.Offset(v*g.bytes()), half), g.vec()
		if g.signed {
			g.VPSRAW(operand.Imm(8), even, odd)
			g.VPSLLW(operand.Imm(8), even, even)
			g.VPSRAW(operand.Imm(8), even, even)
		} else {
			g.VPSRLW(operand.Imm(8), even, odd)
			g.VPAND(evenBytes, even, even)
		}
		for r := range acc {
			for i, wv := range []reg.VecVirtual{even, odd} {
				products := g.vec()
				g.VPMADDWD(xs[r][i], wv, products)
				g.VPADDD(products, acc[r][v], acc[r][v])
			}
		}
	}
}

// load loads a vector of fours, which with codes are those in the low or the high halves.
func (g *splitGemm) load(at operand.Mem, half int) reg.VecVirtual {
	v := g.vec()
	switch {
	case g.codes != nil:
		g.codes.load(at, half, v)
	case g.masked():
		g.VMOVDQU32(at, v)
	default:
		g.VMOVDQU(at, v)
	}
	return v
}

// quads is how many fours of inputs a step takes, of which the panel's bytes are as many in either format.
func (g *splitGemm) quads() int {
	if g.codes != nil {
		return 2
	}
	return 1
}
