package asm

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Attention over a cache of 8-bit integers, whose layout kernel/cache_q8.go defines. The other factor
// x is integers of 8 bits, or up to 16384 and split as split.go says.
//
//	scoreQ8: dst[r][c] = (float32(sums[r] + Σ_i q[r][i]*u[i][c]) * s[c]) * scale[r]
//	weighQ8: dst[r][c] = float32(Σ_j p[r][j]*w[j][c]) * scale[r]
//
// Loop nest:
//
//	for panels of columns:               a block of keys is one
//	    for rows, up to six at a time:   a tile; up to three with vectors of eight
//	        for strips of the panel:     as many columns as a tile has vectors
//	            for inputs, four at a time: eight bytes of each row fill registers
//
// Dots wait for w in the queue that other loads would have to overtake, so that few of them are on the way
// at a time. Each step therefore fetches what lies aheadQ8 bytes further on: this brought a
// sweep over memory from 0.6 to 0.95 of a plain loop's rate.
//
// A dot multiplies bytes of which one is unsigned, the key's or the weight's. With VNNI it is one
// instruction: RV accumulators, V of w and one of x for R rows and V vectors. Of weights it multiplies the low bytes; when
// the panel is done, a second pass over the rows, one at a time, adds what the few high bytes give, four tokens for
// each bit of the row's masks. Else bytes of w are widened to words, the even ones and the odd ones of fours, and
// multiplied by words of x, which add up in pairs to 32 bits: RV accumulators, two of w and of products, 2R of x.

const (
	blockKeys     = 64 // tokens of a block
	segmentBlocks = 8
	aheadQ8       = 8 << 10
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
func (g *splitGemm) panel(steps func(left reg.GPVirtual), start func(r int, acc []reg.VecVirtual), finish func(rows, col int, sums [][]reg.VecVirtual), next func(rows int)) {
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
func (g *splitGemm) tile(rows, col int, steps func(reg.GPVirtual), start func(r int, acc []reg.VecVirtual)) [][]reg.VecVirtual {
	n := g.vectors(rows)
	var acc [][]reg.VecVirtual
	for r := range rows {
		acc = append(acc, g.vecs(n))
		start(r, acc[r])
	}
	loop, w, left, x := g.label("steps"), g.copyOf(g.w), g.GP64(), g.copyOf(g.x)
	steps(left)
	in, moving := g.rowsFrom(x, g.ldx, rows)

	g.Label(loop)
	for line := 0; line < 4*n*g.level.Lanes; line += 64 {
		g.PREFETCHT0(operand.Mem{Base: w, Disp: aheadQ8 + 4*col + line})
	}
	for half := range g.quads() {
		x := make([]operand.Mem, rows)
		for r := range x {
			x[r] = in[r].Offset(half * g.quad())
		}
		if g.masked() {
			g.dots(w, col, half, x, acc)
		} else {
			g.words(w, col, half, x, acc)
		}
	}
	for _, p := range moving {
		g.ADDQ(operand.Imm(uint64(g.quads()*g.quad())), p)
	}
	g.ADDQ(operand.I32(4*g.width), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))
	return acc
}

// rowsFrom are the addresses of rows, and the registers to move when all rows move along.
func (g *splitGemm) rowsFrom(base, stride reg.GPVirtual, rows int) ([]operand.Mem, []reg.GPVirtual) {
	return (&gemm{emitter: g.emitter}).rowsMoving(base, stride, rows)
}

// dots adds the products of four inputs by VNNI, of weights with their low bytes.
func (g *splitGemm) dots(w reg.GPVirtual, col, half int, x []operand.Mem, acc [][]reg.VecVirtual) {
	at := 0
	if g.sparse() {
		at = masksSize + 4
	}
	var ws []reg.VecVirtual
	for v := range acc[0] {
		ws = append(ws, g.load(operand.Mem{Base: w, Disp: 4*col + v*g.bytes()}, half))
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
func (g *splitGemm) words(w reg.GPVirtual, col, half int, x []operand.Mem, acc [][]reg.VecVirtual) {
	evenBytes := g.constant("evenBytes", 0x00ff00ff)
	xs := make([][]reg.VecVirtual, len(acc))
	for r := range xs {
		xs[r] = g.vecs(2)
		for odd, v := range xs[r] {
			g.VPBROADCASTD(x[r].Offset(4*odd), v)
		}
	}
	for v := range acc[0] {
		even, odd := g.load(operand.Mem{Base: w, Disp: 4*col + v*g.bytes()}, half), g.vec()
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

// scoreQ8 multiplies split queries by blocks of keys.
func scoreQ8(e *emitter) { score(e, nil) }

func score(e *emitter, c *codes) {
	g := &splitGemm{emitter: e, codes: c, width: blockKeys, dst: e.GP64(), ldd: e.integer("ldd"), x: e.GP64(), ldx: e.integer("ldq"), w: e.ptr("k"), rows: e.GP64()}
	block, blocks, row := e.ptr("dst"), e.integer("blocks"), e.GP64()
	e.SHLQ(operand.Imm(2), g.ldd)
	e.times(blocks, func() {
		e.MOVQ(block, g.dst)
		e.Load(e.Param("q").Base(), g.x)
		e.Load(e.Param("rows"), g.rows)
		e.XORQ(row, row) // bytes of sums and scale before the tile's
		g.panel(
			func(left reg.GPVirtual) {
				e.Load(e.Param("dim"), left)
				e.SHRQ(operand.Imm(uint64(1+g.quads())), left)
			},
			func(r int, acc []reg.VecVirtual) {
				sums := e.ptr("sums")
				for _, v := range acc {
					e.VPBROADCASTD(operand.Mem{Base: sums, Index: row, Scale: 1, Disp: 4 * r}, v)
				}
			},
			func(rows, col int, sums [][]reg.VecVirtual) {
				scales, scale, dst := e.integer("dim"), e.ptr("scale"), e.copyOf(g.dst)
				e.SHLQ(operand.Imm(uint64(7-g.quads())), scales)
				e.ADDQ(g.w, scales)
				e.ADDQ(row, scale)
				for r := range sums {
					factor := e.vec()
					e.VBROADCASTSS(operand.Mem{Base: scale, Disp: 4 * r}, factor)
					for v, s := range sums[r] {
						at := 4*col + v*e.bytes()
						e.VCVTDQ2PS(s, s)
						e.VMULPS(operand.Mem{Base: scales, Disp: at}, s, s)
						e.VMULPS(factor, s, s)
						e.VMOVUPS(s, operand.Mem{Base: dst, Disp: at})
					}
					if r < rows-1 {
						e.ADDQ(g.ldd, dst)
					}
				}
			},
			func(rows int) { e.ADDQ(operand.I32(4*rows), row) },
		)
		e.ADDQ(operand.I32(4*blockKeys), block)
		size := e.integer("dim")
		e.SHLQ(operand.Imm(uint64(7-g.quads())), size)
		e.ADDQ(size, g.w)
		for line := 0; line < 4*blockKeys; line += 64 { // which steps leave out
			e.PREFETCHT0(operand.Mem{Base: g.w, Disp: aheadQ8 + line})
		}
		e.ADDQ(operand.I32(4*blockKeys), g.w)
	})
}

// weighQ8 multiplies split weights by values.
func weighQ8(e *emitter) { weigh(e, nil) }

func weigh(e *emitter, c *codes) {
	g := &splitGemm{emitter: e, codes: c, signed: true, dst: e.GP64(), ldd: e.integer("ldd"), x: e.GP64(), ldx: e.integer("ldp"), w: e.ptr("v"), rows: e.GP64()}
	scale, column, left := e.GP64(), e.ptr("dst"), e.integer("cols")
	e.SHLQ(operand.Imm(2), g.ldd)
	for _, width := range []int{64, 32, 16} {
		g.width = width
		panels, next := e.label("panels"), e.label("narrower")
		e.Label(panels)
		e.CMPQ(left, operand.Imm(uint64(width)))
		e.JLT(operand.LabelRef(next))
		e.MOVQ(column, g.dst)
		e.Load(e.Param("p").Base(), g.x)
		e.Load(e.Param("scale").Base(), scale)
		e.Load(e.Param("rows"), g.rows)
		finish := func(sums []reg.VecVirtual, factors, dst reg.GPVirtual, col int) {
			factor := e.vec()
			e.VBROADCASTSS(operand.Mem{Base: factors}, factor)
			for v, s := range sums {
				e.VCVTDQ2PS(s, s)
				e.VMULPS(factor, s, s)
				e.VMOVUPS(s, operand.Mem{Base: dst, Disp: 4*col + v*e.bytes()})
			}
		}
		g.panel(
			func(left reg.GPVirtual) {
				e.Load(e.Param("blocks"), left)
				e.SHLQ(operand.Imm(uint64(5-g.quads())), left)
			},
			func(_ int, acc []reg.VecVirtual) { e.zero(acc...) },
			func(rows, col int, sums [][]reg.VecVirtual) {
				dst := e.copyOf(g.dst)
				if g.sparse() { // the integers, for the pass over high bytes
					for r := range sums {
						for v, s := range sums[r] {
							e.VMOVDQU32(s, operand.Mem{Base: dst, Disp: 4*col + v*e.bytes()})
						}
						if r < rows-1 {
							e.ADDQ(g.ldd, dst)
						}
					}
					return
				}
				factors, lds := e.copyOf(scale), e.integer("lds")
				for r := range sums {
					finish(sums[r], factors, dst, col)
					if r < rows-1 {
						e.ADDQ(g.ldd, dst)
						e.LEAQ(operand.Mem{Base: factors, Index: lds, Scale: 4}, factors)
					}
				}
			},
			func(rows int) {
				if g.sparse() {
					return
				}
				lds := e.integer("lds")
				for range rows {
					e.LEAQ(operand.Mem{Base: scale, Index: lds, Scale: 4}, scale)
				}
			},
		)
		if g.sparse() {
			e.MOVQ(column, g.dst)
			e.Load(e.Param("p").Base(), g.x)
			e.Load(e.Param("rows"), g.rows)
			e.times(g.rows, func() {
				sums := g.highBytes(g.x)
				for v, s := range sums {
					e.VPADDD(operand.Mem{Base: g.dst, Disp: v * e.bytes()}, s, s)
				}
				finish(sums, scale, g.dst, 0)
				lds := e.integer("lds")
				e.LEAQ(operand.Mem{Base: scale, Index: lds, Scale: 4}, scale)
				e.ADDQ(g.ldx, g.x)
				e.ADDQ(g.ldd, g.dst)
			})
		}
		e.ADDQ(operand.I32(4*width), column)
		size := e.integer("tokens")
		e.IMUL3Q(operand.I32(width/g.quads()), size, size)
		e.ADDQ(size, g.w)
		e.SUBQ(operand.Imm(uint64(width)), left)
		e.JMP(operand.LabelRef(panels))
		e.Label(next)
	}
}
