package asm

import (
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
// at a time. Each step therefore fetches what lies some way further on, see reach: this brought a
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
	highLines     = 8 // that a row of high bytes fetches of the next panel
)

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
				factors := make([]operand.Op, len(sums[0]))
				for v := range factors {
					factors[v] = operand.Mem{Base: scales, Disp: 4*col + v*e.bytes()}
					if g.short() { // codes were no faster with it
						x := e.vec()
						e.VMOVUPS(factors[v], x)
						factors[v] = x
					}
				}
				for r := range sums {
					factor := e.vec()
					e.VBROADCASTSS(operand.Mem{Base: scale, Disp: 4 * r}, factor)
					for v, s := range sums[r] {
						e.VCVTDQ2PS(s, s)
						e.VMULPS(factors[v], s, s)
						e.VMULPS(factor, s, s)
						e.VMOVUPS(s, operand.Mem{Base: dst, Disp: 4*col + v*e.bytes()})
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
			e.PREFETCHT0(operand.Mem{Base: g.w, Disp: g.reach() + line})
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
			var behind reg.GPVirtual
			if g.short() {
				behind = e.integer("tokens")
				e.IMUL3Q(operand.I32(width), behind, behind)
				e.ADDQ(g.w, behind)
			}
			e.times(g.rows, func() {
				if g.short() { // memory would wait meanwhile
					for line := range highLines {
						e.PREFETCHT0(operand.Mem{Base: behind, Disp: g.reach() + line*cacheLine})
					}
					e.ADDQ(operand.I32(highLines*cacheLine), behind)
				}
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
