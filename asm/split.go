package asm

import (
	"math"
	"math/bits"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Numbers rounded to integers, as the products of attend.go want them, four at a time.
//
//	splitQueries: y[i] = x[i]*factor, v[i] = rint(y[i]*(127/max|y|))
//	splitRows:    t[j] = p[j]*s[j], v[j] = rint(t[j]*(16384/Σt))
//
// With dots queries are bytes, and weights two: v>>8 and v&255. Since all v together are 16384 but for rounding, at most 64
// of a segment's are above 255, and mostly a few. A row of weights is
//
//	8 words of 16 bits    for each block of 64, which fours have a high byte that is not zero
//	48 bytes              unused
//	a four after another  its high bytes, its low bytes
//
// Else both are words, the second and the third exchanged.
//
// What is not finite is left to the conversion, which makes it 1<<31, and that becomes 0.

const (
	quadBytes = 8             // of four integers as two bytes, or as words
	masksSize = 64            // of what lies before weights of two bytes
	straight  = 0b11_01_10_00 // quarters 0, 2, 1, 3
)

// splitFactor is most/m in lane 0, or zero if m, lane 0, is too small or not finite. It stores m/most, or
// zero if m is too small, at scale.
func (e *emitter) splitFactor(m reg.VecVirtual, name string, most float32, scale operand.Mem) reg.VecVirtual {
	bits, factor, quotient := e.GP32(), e.vec(), e.XMM()
	small, large, done := e.label("small"), e.label("large"), e.label("scaled")
	limit := e.data(name, math.Float32bits(most))
	e.VMOVD(m.AsX(), bits)
	e.VDIVSS(limit, m.AsX(), quotient)
	e.VMOVSS(limit, factor.AsX())
	e.VDIVSS(m.AsX(), factor.AsX(), factor.AsX())
	e.CMPL(bits, operand.U32(math.Float32bits(0x1p-100)))
	e.JCS(operand.LabelRef(small))
	e.CMPL(bits, operand.U32(math.Float32bits(float32(math.Inf(1)))))
	e.JCS(operand.LabelRef(done))
	e.JMP(operand.LabelRef(large))
	e.Label(small)
	e.VXORPS(quotient, quotient, quotient)
	e.Label(large)
	e.VXORPS(factor.AsX(), factor.AsX(), factor.AsX())
	e.Label(done)
	e.VMOVSS(quotient, scale)
	return factor
}

// splitQueries splits rows. While it looks for their maxima each sixteen elements fetch four lines of ahead.
func splitQueries(e *emitter) {
	q, x, scale, sums, rows := e.ptr("q"), e.ptr("x"), e.ptr("scale"), e.ptr("sums"), e.integer("rows")
	next, end, factor := e.ptr("ahead"), e.length("ahead"), e.splat("factor")
	abs := e.constant("abs", 1<<31-1)
	e.ADDQ(next, end)
	e.SUBQ(operand.I32(queryLines*cacheLine), end)
	e.times(rows, func() {
		most, n := e.vecs(e.parts()), e.integer("n")
		e.zero(most...)
		e.each(n, func(s slot) {
			if s.part == 0 {
				from, more := e.copyOf(next), e.label("more")
				e.CMPQ(next, end)
				e.JLE(operand.LabelRef(more))
				e.MOVQ(x, from)
				e.Label(more)
				e.ADDQ(operand.I32(queryLines*cacheLine), next)
				for line := range queryLines {
					e.PREFETCHT0(operand.Mem{Base: from, Disp: line * cacheLine})
				}
			}
			v := e.load(x, s)
			e.VMULPS(factor, v, v)
			e.VANDPS(abs, v, v)
			e.VPMAXSD(v, most[s.part], most[s.part])
		})
		m := e.fold(most, func(x, y, dst operand.Op) { e.VPMAXSD(x, y, dst) })
		inverse := e.spread(e.splitFactor(m, "queryMax", 127, operand.Mem{Base: scale}))
		sum := e.splitElements(q, x, factor, inverse)
		e.VMOVD(sum.AsX(), n.As32())
		e.SHLL(operand.Imm(7), n.As32())
		e.NEGL(n.As32())
		e.MOVL(n.As32(), operand.Mem{Base: sums})
		e.ADDQ(operand.Imm(4), scale)
		e.ADDQ(operand.Imm(4), sums)
		e.ADDQ(e.arg("ldq"), q)
		stride := e.integer("ldx")
		e.LEAQ(operand.Mem{Base: x, Index: stride, Scale: 4}, x)
	})
}

// queryLines is how many lines sixteen elements of a query fetch.
const queryLines = 4

// splitElements writes the integers of one row, and returns their sum.
func (e *emitter) splitElements(q, x reg.GPVirtual, factor, inverse reg.VecVirtual) reg.VecVirtual {
	left, sum := e.integer("n"), e.vecs(e.parts())
	e.zero(sum...)
	to, off := e.copyOf(q), e.GP64()
	e.XORQ(off, off)
	quad := quadBytes
	if e.masked() {
		quad = 4
	}
	group16 := func(masks func(part int) reg.Register) reg.VecVirtual {
		var vs []reg.VecVirtual
		for part := range e.parts() {
			v := e.load(x, slot{off: off, part: part, mask: masks(part)})
			e.VMULPS(factor, v, v)
			e.VMULPS(inverse, v, v)
			e.VCVTPS2DQ(v, v)
			e.VPSLLD(operand.Imm(8), v, v) // 1<<31 to 0
			e.VPSRAD(operand.Imm(8), v, v)
			e.VPADDD(v, sum[part], sum[part])
			vs = append(vs, v)
		}
		if e.masked() {
			e.VPMOVDB(vs[0], vs[0].AsX())
			return vs[0]
		}
		e.VPACKSSDW(vs[1], vs[0], vs[0])
		return e.exchanged(vs[0])
	}
	loop, tail, done := e.label("loop"), e.label("tail"), e.label("done")
	e.CMPQ(left, operand.Imm(group))
	e.JLT(operand.LabelRef(tail))
	e.Label(loop)
	if v := group16(func(int) reg.Register { return nil }); e.masked() {
		e.VMOVDQU(v.AsX(), operand.Mem{Base: to})
	} else {
		e.VMOVDQU(v, operand.Mem{Base: to})
	}
	e.ADDQ(operand.Imm(4*group), off)
	e.ADDQ(operand.Imm(uint64(group/4*quad)), to)
	e.SUBQ(operand.Imm(group), left)
	e.CMPQ(left, operand.Imm(group))
	e.JGE(operand.LabelRef(loop))

	e.Label(tail)
	e.TESTQ(left, left)
	e.JLE(operand.LabelRef(done))
	quads, v := e.label("quads"), group16(func(part int) reg.Register { return e.below(left, part) })
	e.Label(quads)
	if e.masked() {
		e.VMOVD(v.AsX(), operand.Mem{Base: to})
		e.VPSRLDQ(operand.Imm(4), v.AsX(), v.AsX())
	} else {
		e.VMOVQ(v.AsX(), operand.Mem{Base: to})
		e.VPERMQ(operand.Imm(0b00_11_10_01), v.AsY(), v.AsY())
	}
	e.ADDQ(operand.Imm(uint64(quad)), to)
	e.SUBQ(operand.Imm(4), left)
	e.JG(operand.LabelRef(quads))
	e.Label(done)
	return e.fold(sum, func(x, y, dst operand.Op) { e.VPADDD(x, y, dst) })
}

// exchanged puts two packed vectors of eight integers in order and exchanges, of each four, the second
// and the third.
func (e *emitter) exchanged(words reg.VecVirtual) reg.VecVirtual {
	const quad = 0x0706_0302_0504_0100
	order := make([]uint32, 0, 8)
	for i := range uint32(4) {
		at := i % 2 * 0x0808_0808
		order = append(order, quad&0xffffffff+at, quad>>32+at)
	}
	e.VPERMQ(operand.Imm(straight), words, words)
	e.VPSHUFB(e.data("exchange", order...), words, words)
	return words
}

// splitRows turns rows of scores into weights and splits them, each while the next one's weights are made.
func (g *weights) splitRows(p, stats reg.GPVirtual) {
	g.s, g.q, g.total = g.GP64(), g.ptr("q"), g.vecs(g.parts())
	if g.masked() {
		g.lowByte, g.order, g.straight = g.inRegister(g.constant("lowByte", 0x00ff00ff)), g.vec(), g.vec()
		g.VMOVDQU32(g.data("quads", 0, 0, 2, 0, 4, 0, 6, 0, 1, 0, 3, 0, 5, 0, 7, 0), g.order)
		g.VMOVDQU32(g.data("quadsOf", 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), g.straight)
	}
	loop, split, next, row := g.label("row"), g.label("split"), g.label("next"), g.GP64()
	g.XORQ(row, row)
	g.Label(loop)
	g.CMPQ(row, g.arg("rows"))
	g.JGE(operand.LabelRef(split))
	g.Load(g.Param("s").Base(), g.s)
	g.zero(g.total...)
	g.weigh(p, stats)
	sum := g.fold(g.total, func(x, y, dst operand.Op) { g.VADDPS(x, y, dst) })
	inverse := g.splitFactor(sum, "weightSum", 1<<14, operand.Mem{Base: stats, Disp: 8})
	g.VMOVSS(inverse.AsX(), operand.Mem{Base: stats, Disp: 12})

	g.Label(split)
	g.TESTQ(row, row)
	g.JE(operand.LabelRef(next))
	g.splitRow(p, stats)
	g.Label(next)
	g.nextRow(p, stats)
	g.INCQ(row)
	g.CMPQ(row, g.arg("rows"))
	g.JLE(operand.LabelRef(loop))
}

// splitRow rounds t of the row before that at p.
func (g *weights) splitRow(p, stats reg.GPVirtual) {
	from, to, inverse := g.integer("lds"), g.copyOf(g.q), g.vec()
	g.NEGQ(from)
	g.VBROADCASTSS(operand.Mem{Base: stats, Index: from, Scale: 4, Disp: 12}, inverse)
	g.Load(g.Param("ldp"), from)
	g.LEAQ(operand.Mem{Base: g.q, Index: from, Scale: 4}, g.q)
	g.NEGQ(from)
	g.LEAQ(operand.Mem{Base: p, Index: from, Scale: 4}, from)
	round := func(i int) reg.VecVirtual {
		t := g.vec()
		g.VMULPS(operand.Mem{Base: from, Disp: i * g.bytes()}, inverse, t)
		g.VCVTPS2DQ(t, t)
		return t
	}
	var masks reg.GPVirtual
	if g.masked() {
		masks = g.copyOf(to)
	}
	g.Load(g.Param("blocks"), g.left)
	g.times(g.left, func() {
		if g.masked() {
			g.weightBytes(to, masks, round)
			g.ADDQ(operand.Imm(2), masks)
		} else {
			for i := 0; i < g.vectors(); i += 2 {
				a, b := round(i), round(i+1)
				g.VPACKUSDW(b, a, a)
				g.VMOVDQU(g.exchanged(a), operand.Mem{Base: to, Disp: 2 * i * g.level.Lanes})
			}
		}
		g.ADDQ(operand.I32(4*blockKeys), from)
		g.ADDQ(operand.I32(2*blockKeys), to)
	})
	if g.masked() {
		g.MOVQ(operand.I32(segmentBlocks), g.left)
		g.SUBQ(g.arg("blocks"), g.left)
		g.times(g.left, func() {
			g.MOVW(operand.U16(0), operand.Mem{Base: masks})
			g.ADDQ(operand.Imm(2), masks)
		})
	}
}

// weightBytes stores four vectors of integers as fours of high and low bytes, and which fours have high ones.
// Packing interleaves the vectors' quarters, fours of integers stay together. What is stored lies before what is
// still to be rounded, if it lies in the same place.
func (g *weights) weightBytes(to, masks reg.GPVirtual, round func(i int) reg.VecVirtual) {
	var high, low []reg.VecVirtual
	for i := 0; i < 4; i += 2 {
		a, b, h := round(i), round(i+1), g.vec()
		g.VPACKUSDW(b, a, a)
		g.VPSRLW(operand.Imm(8), a, h)
		g.VPANDD(g.lowByte, a, a)
		high, low = append(high, h), append(low, a)
	}
	g.VPACKUSWB(high[1], high[0], high[0])
	g.VPACKUSWB(low[1], low[0], low[0])
	second, quads, some := g.vec(), g.vec(), g.K()
	g.VPERMD(high[0], g.straight, quads)
	g.VPTESTMD(quads, quads, some)
	g.KMOVW(some, operand.Mem{Base: masks})
	g.VPUNPCKHDQ(low[0], high[0], second)
	g.VPUNPCKLDQ(low[0], high[0], high[0])
	for i, v := range []reg.VecVirtual{high[0], second} {
		g.VPERMQ(v, g.order, v)
		g.VMOVDQU32(v, operand.Mem{Base: to, Disp: masksSize + 64*i})
	}
}

// highBytes is what the high bytes of a row's weights give, 256 times the sum of their products: x is the row.
func (g *splitGemm) highBytes(x reg.GPVirtual) []reg.VecVirtual {
	high, mask, at, w := g.vecs(g.width/g.level.Lanes), g.GP64(), g.GP64(), g.copyOf(g.w)
	g.zero(high...)
	for half := range 2 { // four blocks each
		next, done := g.label("quad"), g.label("quads")
		if half > 0 {
			g.ADDQ(operand.I32(4*blockKeys*g.width/g.quads()), w)
		}
		g.MOVQ(operand.Mem{Base: x, Disp: 8 * half}, mask)
		g.TESTQ(mask, mask)
		g.JE(operand.LabelRef(done))
		g.Label(next)
		g.TZCNTQ(mask, at)
		xs := g.vec()
		g.VPBROADCASTD(operand.Mem{Base: x, Index: at, Scale: quadBytes, Disp: masksSize + half*4*blockKeys*quadBytes/4}, xs)
		var shift reg.VecVirtual
		if g.codes != nil {
			shift = g.codes.shift(at)
		}
		g.SHLQ(operand.Imm(uint64(bits.TrailingZeros(uint(4*g.width)))), at)
		for v := range high {
			ws := operand.Op(operand.Mem{Base: w, Index: at, Scale: 1, Disp: v * g.bytes()})
			if g.codes != nil {
				ws = g.codes.loadShifted(ws, shift)
			}
			g.VPDPBUSD(ws, xs, high[v])
		}
		g.BLSRQ(mask, mask)
		g.JNE(operand.LabelRef(next))
		g.Label(done)
	}
	for _, v := range high {
		g.VPSLLD(operand.Imm(8), v, v)
	}
	return high
}
