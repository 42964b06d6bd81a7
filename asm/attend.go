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
// sweep over memory from 0.6 to 0.95 of a plain loop's rate. Where strips pass over a panel, steps fetch what follows it in memory's
// order, not in their own, and values are taken two blocks at a time: one query of three heads read memory at 0.77 of that rate
// instead of 0.56 with one thread, at 0.85 instead of 0.66 with two (AVX2, a Zen 3, three rounds).
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
	wordBlocks    = 2 // of values, 8 KB of a panel in q8, that strips of words pass over
)

// scoreQ8 multiplies split queries by blocks of keys.
func scoreQ8(e *emitter) { score(e, nil) }

func score(e *emitter, c *codes) {
	g := &splitGemm{emitter: e, codes: c, width: blockKeys, dst: e.GP64(), ldd: e.integer("ldd"), x: e.GP64(), ldx: e.integer("ldq"), w: e.ptr("k"), rows: e.GP64()}
	block, blocks, row := e.ptr("dst"), e.integer("blocks"), e.GP64()
	e.SHLQ(operand.Imm(2), g.ldd)
	g.spread()
	e.times(blocks, func() {
		g.follow(func() reg.GPVirtual {
			size := e.integer("dim")
			e.SHLQ(operand.Imm(uint64(7-g.quads())), size)
			e.ADDQ(operand.I32(4*blockKeys), size)
			return size
		})
		e.MOVQ(block, g.dst)
		e.Load(e.Param("q").Base(), g.x)
		e.Load(e.Param("rows"), g.rows)
		e.XORQ(row, row) // bytes of sums and scale before the tile's
		g.panel(
			func(left reg.GPVirtual) {
				e.Load(e.Param("dim"), left)
				e.SHRQ(operand.Imm(uint64(1+g.quads())), left)
			},
			func(r, _ int, acc []reg.VecVirtual) {
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
			if g.masked() {
				e.PREFETCHT0(operand.Mem{Base: g.w, Disp: g.reach() + line})
			} else {
				e.PREFETCHT0(operand.Mem{Base: g.next, Disp: line})
			}
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
	g.spread()
	for _, width := range []int{64, 32, 16} {
		g.width = width
		panels, next := e.label("panels"), e.label("narrower")
		e.Label(panels)
		e.CMPQ(left, operand.Imm(uint64(width)))
		e.JLT(operand.LabelRef(next))
		if g.masked() {
			g.weighDots(column, scale)
		} else {
			g.weighWords(column, scale)
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

// storeSums stores a tile's integers.
func (g *splitGemm) storeSums(rows, col int, sums [][]reg.VecVirtual) {
	dst := g.copyOf(g.dst)
	for r := range sums {
		for v, s := range sums[r] {
			at := operand.Mem{Base: dst, Disp: 4*col + v*g.bytes()}
			if g.masked() {
				g.VMOVDQU32(s, at)
			} else {
				g.VMOVDQU(s, at)
			}
		}
		if r < rows-1 {
			g.ADDQ(g.ldd, dst)
		}
	}
}

// finishRow stores a row's sums times its scale, and steps to the next one.
func (g *splitGemm) finishRow(sums []reg.VecVirtual, scale reg.GPVirtual) {
	factor := g.vec()
	g.VBROADCASTSS(operand.Mem{Base: scale}, factor)
	for v, s := range sums {
		g.VCVTDQ2PS(s, s)
		g.VMULPS(factor, s, s)
		g.VMOVUPS(s, operand.Mem{Base: g.dst, Disp: v * g.bytes()})
	}
	lds := g.integer("lds")
	g.LEAQ(operand.Mem{Base: scale, Index: lds, Scale: 4}, scale)
}

// weighDots writes a panel by dots: low bytes, then high ones.
func (g *splitGemm) weighDots(column, scale reg.GPVirtual) {
	g.MOVQ(column, g.dst)
	g.Load(g.Param("p").Base(), g.x)
	g.Load(g.Param("scale").Base(), scale)
	g.Load(g.Param("rows"), g.rows)
	g.panel(
		func(left reg.GPVirtual) {
			g.Load(g.Param("blocks"), left)
			g.SHLQ(operand.Imm(uint64(5-g.quads())), left)
		},
		func(_, _ int, acc []reg.VecVirtual) { g.zero(acc...) },
		g.storeSums,
		func(int) {},
	)
	g.MOVQ(column, g.dst)
	g.Load(g.Param("p").Base(), g.x)
	g.Load(g.Param("rows"), g.rows)
	var behind reg.GPVirtual
	if g.short() {
		behind = g.integer("tokens")
		g.IMUL3Q(operand.I32(g.width), behind, behind)
		g.ADDQ(g.w, behind)
	}
	g.times(g.rows, func() {
		if g.short() { // memory would wait meanwhile
			for line := range highLines {
				g.PREFETCHT0(operand.Mem{Base: behind, Disp: g.reach() + line*cacheLine})
			}
			g.ADDQ(operand.I32(highLines*cacheLine), behind)
		}
		sums := g.highBytes(g.x)
		for v, s := range sums {
			g.VPADDD(operand.Mem{Base: g.dst, Disp: v * g.bytes()}, s, s)
		}
		g.finishRow(sums, scale)
		g.ADDQ(g.ldx, g.x)
		g.ADDQ(g.ldd, g.dst)
	})
}

// weighWords writes a panel by words, some blocks of tokens at a time: as many values as stay in the first cache while strips
// pass over them. Sums wait in dst as integers.
func (g *splitGemm) weighWords(column, scale reg.GPVirtual) {
	todo, blocks, at, w := g.AllocLocal(8), g.AllocLocal(8), g.AllocLocal(8), g.AllocLocal(8)
	g.MOVQ(column, g.dst)
	g.Load(g.Param("rows"), g.rows)
	none := g.vec()
	g.zero(none)
	g.times(g.rows, func() {
		for at := 0; at < 4*g.width; at += g.bytes() {
			g.VMOVDQU(none, operand.Mem{Base: g.dst, Disp: at})
		}
		g.ADDQ(g.ldd, g.dst)
	})
	g.MOVQ(g.integer("blocks"), todo)
	g.MOVQ(operand.I32(0), at)
	g.MOVQ(g.w, w)

	loop, part := g.label("part"), g.label("partOf")
	bytes := func() reg.GPVirtual { // of the part's values
		n := g.GP64()
		g.MOVQ(blocks, n)
		g.IMUL3Q(operand.I32(blockKeys*g.width/g.quads()), n, n)
		return n
	}
	g.Label(loop)
	n := g.literal(wordBlocks)
	g.CMPQ(n, todo)
	g.JLE(operand.LabelRef(part))
	g.MOVQ(todo, n)
	g.Label(part)
	g.MOVQ(n, blocks)
	g.SUBQ(n, todo)
	g.follow(bytes)
	g.MOVQ(column, g.dst)
	g.Load(g.Param("p").Base(), g.x)
	g.ADDQ(at, g.x)
	g.Load(g.Param("rows"), g.rows)
	g.panel(
		func(left reg.GPVirtual) {
			g.MOVQ(blocks, left)
			g.SHLQ(operand.Imm(uint64(5-g.quads())), left)
		},
		func(r, col int, acc []reg.VecVirtual) {
			dst := g.copyOf(g.dst)
			for range r {
				g.ADDQ(g.ldd, dst)
			}
			for v := range acc {
				g.VMOVDQU(operand.Mem{Base: dst, Disp: 4*col + v*g.bytes()}, acc[v])
			}
		},
		g.storeSums,
		func(int) {},
	)
	g.ADDQ(bytes(), g.w)
	n = g.GP64()
	g.MOVQ(blocks, n)
	g.SHLQ(operand.Imm(7), n) // words of 64 tokens
	g.ADDQ(n, at)
	g.CMPQ(todo, operand.Imm(0))
	g.JNE(operand.LabelRef(loop))

	g.MOVQ(w, g.w)
	g.MOVQ(column, g.dst)
	g.Load(g.Param("scale").Base(), scale)
	g.Load(g.Param("rows"), g.rows)
	g.times(g.rows, func() {
		sums := g.vecs(g.width / g.level.Lanes)
		for v := range sums {
			g.VMOVDQU(operand.Mem{Base: g.dst, Disp: v * g.bytes()}, sums[v])
		}
		g.finishRow(sums, scale)
		g.ADDQ(g.ldd, g.dst)
	})
}
