package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Attention over a cache of 8-bit integers, whose layout kernel/cache_q8.go defines. The other factor
// x is integers of 14 bits, each a high and a low half of 7 bits and the sign.
//
//	scoreQ8: dst[r][c] = (float32(sums[r] + Σ_i q[r][i]*u[i][c]) * s[c]) * scale[r]
//	weighQ8: dst[r][c] = fma(float32(Σ_j p[r][j]*w[j][c]), scale[r], dst[r][c])
//
// Loop nest:
//
//	for blocks:
//	    for panels of columns:               a block of keys is one panel
//	        for rows, three at a time:       a tile; two or one at the end
//	            for strips of the panel:     as many columns as a tile has vectors
//	                for inputs, four at a time: halves of each row fill registers, a dot each a vector
//
// Dots wait for w in the queue that other loads would have to overtake, so that few of them are on the way
// at a time. Each step therefore fetches what lies a block further on, which is read next: this brought a
// sweep over memory from 0.6 to 0.95 of a plain loop's rate.
//
// A dot multiplies bytes of which one is unsigned, the key's or the weight's half. With VNNI it is one
// instruction, and halves have accumulators of their own: 2RV of them, V of w and one of x for R rows and
// V vectors. Else products add up in pairs to 16 bits, which fours of bytes and halves of 7 bits can't
// overflow, then times 128 or 1 in pairs to 32 bits: RV accumulators, 2R of x, one of w and of products.

const (
	blockKeys = 64 // tokens of a block
	halfBits  = 7

	tripleRows = 3 // of the main tile
)

// A splitGemm is one such product being written.
type splitGemm struct {
	*emitter
	signed bool // w are signed, and so x unsigned
	width  int  // columns of the panel
	low    int  // bytes from the high halves to the low ones; 0 if that is half of ldx

	dst, ldd reg.GPVirtual // the tile's first row, and the bytes between rows
	x, ldx   reg.GPVirtual
	w        reg.GPVirtual // the panel
	rows     reg.GPVirtual // left to do
}

// vectors is how many vectors wide a tile is.
func (g *splitGemm) vectors(rows int) int {
	n := 4
	if !g.masked() {
		n = [...]int{1: 8, 2: 4, 3: 2}[rows]
	}
	return min(n, g.width/g.level.Lanes)
}

// panel writes the loop over rows. finish brings the tile's sums to dst, strip by strip; next moves what
// else belongs to the rows.
func (g *splitGemm) panel(steps func(left reg.GPVirtual), start func(r int, acc []reg.VecVirtual), finish func(rows, col int, sums [][]reg.VecVirtual), next func(rows int)) {
	loop, rest, done := g.label("rows"), g.label("rest"), g.label("done")
	tile := func(rows int) {
		g.Commentf("Tile of %d rows, panel of %d columns.", rows, g.width)
		for col := 0; col < g.width; col += g.vectors(rows) * g.level.Lanes {
			finish(rows, col, g.tile(rows, col, steps, start))
		}
	}
	g.CMPQ(g.rows, operand.Imm(tripleRows))
	g.JLT(operand.LabelRef(rest))
	g.Label(loop)
	tile(tripleRows)
	for range tripleRows {
		g.ADDQ(g.ldd, g.dst)
		g.ADDQ(g.ldx, g.x)
	}
	next(tripleRows)
	g.SUBQ(operand.Imm(tripleRows), g.rows)
	g.CMPQ(g.rows, operand.Imm(tripleRows))
	g.JGE(operand.LabelRef(loop))

	g.Label(rest)
	one := g.label("one")
	g.CMPQ(g.rows, operand.Imm(1))
	g.JLT(operand.LabelRef(done))
	g.JE(operand.LabelRef(one))
	tile(2)
	g.JMP(operand.LabelRef(done))
	g.Label(one)
	tile(1)
	g.Label(done)
}

// tile writes the sums of a strip, 128 times the high halves' plus the low ones'. steps loads their
// number; start writes what a row's sum of the low halves begins with.
func (g *splitGemm) tile(rows, col int, steps func(reg.GPVirtual), start func(r int, acc []reg.VecVirtual)) [][]reg.VecVirtual {
	n := g.vectors(rows)
	high, low := make([][]reg.VecVirtual, rows), make([][]reg.VecVirtual, rows)
	for r := range rows {
		low[r] = g.vecs(n)
		start(r, low[r])
		if g.masked() {
			high[r] = g.vecs(n)
			g.zero(high[r]...)
		}
	}
	loop, w, left, ahead := g.label("steps"), g.copyOf(g.w), g.GP64(), g.integer("stride")
	steps(left)
	xs := [2]reg.GPVirtual{g.copyOf(g.x)}
	moving := xs[:1]
	if g.low == 0 {
		xs[1] = g.copyOf(g.ldx)
		g.SHRQ(operand.Imm(1), xs[1])
		g.ADDQ(g.x, xs[1])
		moving = xs[:]
	}
	at := func(half, r int) operand.Mem {
		m := operand.Mem{Base: xs[half]}
		if half == 1 && g.low > 0 {
			m = operand.Mem{Base: xs[0], Disp: g.low}
		}
		if r > 0 {
			m.Index, m.Scale = g.ldx, uint8(r)
		}
		return m
	}

	g.Label(loop)
	for line := 0; line < 4*g.vectors(rows)*g.level.Lanes; line += 64 {
		g.PREFETCHT0(operand.Mem{Base: w, Index: ahead, Scale: 1, Disp: 4*col + line})
	}
	if g.masked() {
		g.dots(w, col, at, high, low)
	} else {
		g.pairs(w, col, at, low)
	}
	for _, p := range moving {
		g.ADDQ(operand.Imm(4), p)
	}
	g.ADDQ(operand.I32(4*g.width), w)
	g.DECQ(left)
	g.JNE(operand.LabelRef(loop))

	for r := range high {
		for v := range high[r] {
			g.VPSLLD(operand.Imm(halfBits), high[r][v], high[r][v])
			g.VPADDD(high[r][v], low[r][v], low[r][v])
		}
	}
	return low
}

// dots adds the products of four inputs by VNNI.
func (g *splitGemm) dots(w reg.GPVirtual, col int, at func(half, r int) operand.Mem, high, low [][]reg.VecVirtual) {
	ws := g.vecs(len(low[0]))
	for v := range ws {
		g.VMOVDQU32(operand.Mem{Base: w, Disp: 4*col + v*g.bytes()}, ws[v])
	}
	for r := range low {
		for half, acc := range [][]reg.VecVirtual{high[r], low[r]} {
			x := g.vec()
			g.VPBROADCASTD(at(half, r), x)
			for v := range ws {
				if g.signed {
					g.VPDPBUSD(ws[v], x, acc[v])
				} else {
					g.VPDPBUSD(x, ws[v], acc[v])
				}
			}
		}
	}
}

// pairs adds the products of four inputs in 16 bits, then in 32.
func (g *splitGemm) pairs(w reg.GPVirtual, col int, at func(half, r int) operand.Mem, acc [][]reg.VecVirtual) {
	factors := []operand.Op{g.constant("pairs128", 128<<16|128), g.constant("pairs1", 1<<16|1)}
	xs := make([][]reg.VecVirtual, len(acc))
	for r := range xs {
		xs[r] = g.vecs(2)
		for half, x := range xs[r] {
			g.VPBROADCASTD(at(half, r), x)
		}
	}
	for v := range acc[0] {
		wv := g.vec()
		g.VMOVDQU(operand.Mem{Base: w, Disp: 4*col + v*g.bytes()}, wv)
		for r := range acc {
			for half, x := range xs[r] {
				products := g.vec()
				if g.signed {
					g.VPMADDUBSW(wv, x, products)
				} else {
					g.VPMADDUBSW(x, wv, products)
				}
				g.VPMADDWD(factors[half], products, products)
				g.VPADDD(products, acc[r][v], acc[r][v])
			}
		}
	}
}

// scoreQ8 multiplies split queries by blocks of keys.
func scoreQ8(e *emitter) {
	g := &splitGemm{emitter: e, width: blockKeys, dst: e.GP64(), ldd: e.integer("ldd"), x: e.GP64(), ldx: e.integer("ldq"), w: e.ptr("k"), rows: e.GP64()}
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
				e.SHRQ(operand.Imm(2), left)
			},
			func(r int, acc []reg.VecVirtual) {
				if e.masked() {
					g.sumsOf(row, r, acc)
				} else {
					e.zero(acc...)
				}
			},
			func(rows, col int, sums [][]reg.VecVirtual) {
				scales, scale, dst := e.integer("dim"), e.ptr("scale"), e.copyOf(g.dst)
				e.SHLQ(operand.Imm(6), scales)
				e.ADDQ(g.w, scales)
				e.ADDQ(row, scale)
				for r := range sums {
					if !e.masked() {
						first := e.vecs(1)
						g.sumsOf(row, r, first)
						for _, s := range sums[r] {
							e.VPADDD(first[0], s, s)
						}
					}
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
		e.ADDQ(e.arg("stride"), g.w)
	})
}

// sumsOf fills vectors with what a row's sum begins with, row r of the tile.
func (g *splitGemm) sumsOf(row reg.GPVirtual, r int, acc []reg.VecVirtual) {
	sums := g.ptr("sums")
	for _, v := range acc {
		g.VPBROADCASTD(operand.Mem{Base: sums, Index: row, Scale: 1, Disp: 4 * r}, v)
	}
}

// weighQ8 adds split weights times blocks of values.
func weighQ8(e *emitter) {
	g := &splitGemm{emitter: e, signed: true, low: blockKeys, dst: e.GP64(), ldd: e.integer("ldd"), x: e.GP64(), ldx: e.integer("ldp"), w: e.GP64(), rows: e.GP64()}
	block, scale, column, left := e.GP64(), e.GP64(), e.GP64(), e.GP64()
	e.SHLQ(operand.Imm(2), g.ldd)
	loop, done := e.label("block"), e.label("end")
	e.XORQ(block, block)
	e.Label(loop)
	e.CMPQ(block, e.arg("blocks"))
	e.JGE(operand.LabelRef(done))
	e.MOVQ(block, g.w)
	e.IMULQ(e.arg("stride"), g.w)
	e.ADDQ(e.argBase("v"), g.w)
	e.Load(e.Param("dst").Base(), column)
	e.Load(e.Param("cols"), left)
	for _, width := range []int{64, 32, 16} {
		g.width = width
		panels, next := e.label("panels"), e.label("narrower")
		e.Label(panels)
		e.CMPQ(left, operand.Imm(uint64(width)))
		e.JLT(operand.LabelRef(next))
		e.MOVQ(column, g.dst)
		e.MOVQ(block, g.x)
		e.SHLQ(operand.Imm(7), g.x)
		e.ADDQ(e.argBase("p"), g.x)
		e.Load(e.Param("scale").Base(), scale)
		e.LEAQ(operand.Mem{Base: scale, Index: block, Scale: 4}, scale)
		e.Load(e.Param("rows"), g.rows)
		g.panel(
			func(left reg.GPVirtual) { e.MOVQ(operand.I32(blockKeys/4), left) },
			func(_ int, acc []reg.VecVirtual) { e.zero(acc...) },
			func(rows, col int, sums [][]reg.VecVirtual) {
				dst, factors := e.copyOf(g.dst), e.copyOf(scale)
				lds := e.integer("lds")
				for r := range sums {
					factor := e.vec()
					e.VBROADCASTSS(operand.Mem{Base: factors}, factor)
					for v, s := range sums[r] {
						at := operand.Mem{Base: dst, Disp: 4*col + v*e.bytes()}
						e.VCVTDQ2PS(s, s)
						e.VFMADD213PS(at, factor, s)
						e.VMOVUPS(s, at)
					}
					if r < rows-1 {
						e.ADDQ(g.ldd, dst)
						e.LEAQ(operand.Mem{Base: factors, Index: lds, Scale: 4}, factors)
					}
				}
			},
			func(rows int) {
				lds := e.integer("lds")
				for range rows {
					e.LEAQ(operand.Mem{Base: scale, Index: lds, Scale: 4}, scale)
				}
			},
		)
		e.ADDQ(operand.I32(4*width), column)
		e.ADDQ(operand.I32(blockKeys*width), g.w)
		e.SUBQ(operand.Imm(uint64(width)), left)
		e.JMP(operand.LabelRef(panels))
		e.Label(next)
	}
	e.INCQ(block)
	e.JMP(operand.LabelRef(loop))
	e.Label(done)
}
