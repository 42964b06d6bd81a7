package asm

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Rows of scores of a segment of a cache turned into weights, and segments' results merged.
//
//	softmax:      p[j] = 2^(p[j] - m), m the row's greatest, l the sum by lanes of j%16
//	softmaxQ8:    the same, then t[j] = p[j]*s[j], zero where p[j] is, rounded to integers (see split.go)
//	mergeParts:   dst[i] = fma(x[i], 2^(m of x - M), dst[i]*2^(m of dst - M)), M the greater m
//
// Loop nest of both softmaxes:
//
//	for rows: what lo and hi leave out becomes -Inf, whose exponential is zero; m
//	for rows: for blocks of 64:  p and a part of l, or t and a part of its sum in place of p
//	          for blocks of the row before: t rounded
//
// so that what ends in a chain of maxima and quotients, and what begins with it, are not one behind the other.
// Between them two loops over the cache wait for memory, and memory would wait here: each group of sixteen
// scores fetches a line of ahead, of a cache of integers three.

func softmax(e *emitter)   { (&weights{emitter: e}).rows() }
func softmaxQ8(e *emitter) { (&weights{emitter: e, split: true}).rows() }

// weights are one of the softmaxes being written.
type weights struct {
	*emitter
	split bool

	p, left   reg.GPVirtual // the block and the blocks left of the row
	next, end reg.GPVirtual // what is to be fetched, up to its last block's part
	exp       *exp2Constants
	m         reg.VecVirtual
	sum       []reg.VecVirtual
	s         reg.GPVirtual    // of splitting: the scales of the block's values,
	total     []reg.VecVirtual // the sum of t,
	q         reg.GPVirtual    // the integers of the row,
	lowByte   reg.VecVirtual   // with two bytes, the bits of the low one
	order     reg.VecVirtual   // and those of fours of a packed block: with the low ones between them,
	straight  reg.VecVirtual   // and alone
}

// vectors is how many vectors a block is.
func (g *weights) vectors() int { return blockKeys / g.level.Lanes }

func (g *weights) rows() {
	p, stats, n := g.ptr("p"), g.ptr("stats"), g.integer("rows")
	g.times(n, func() {
		g.greatest(p, stats)
		g.nextRow(p, stats)
	})

	g.exp, g.m, g.sum = g.exp2Constants(), g.vec(), g.vecs(g.parts())
	g.next, g.end, g.p, g.left = g.ptr("ahead"), g.length("ahead"), g.GP64(), g.GP64()
	g.ADDQ(g.next, g.end)
	g.SUBQ(operand.I32(g.fetched()), g.end)
	g.Load(g.Param("p").Base(), p)
	g.Load(g.Param("stats").Base(), stats)
	if g.split {
		g.splitRows(p, stats)
		return
	}
	g.Load(g.Param("rows"), n)
	g.times(n, func() {
		g.weigh(p, stats)
		g.nextRow(p, stats)
	})
}

// weigh turns a row's scores into weights and stores their sum.
func (g *weights) weigh(p, stats reg.GPVirtual) {
	g.MOVQ(p, g.p)
	g.Load(g.Param("blocks"), g.left)
	g.VBROADCASTSS(operand.Mem{Base: stats}, g.m)
	g.zero(g.sum...)
	g.times(g.left, g.block)
	l := g.fold(g.sum, func(x, y, dst operand.Op) { g.VADDPS(x, y, dst) })
	g.VMOVSS(l.AsX(), operand.Mem{Base: stats, Disp: 4})
}

// nextRow moves on to the next row.
func (g *weights) nextRow(p, stats reg.GPVirtual) {
	for _, x := range []struct {
		at     reg.GPVirtual
		stride string
	}{{p, "ldp"}, {stats, "lds"}} {
		step := g.integer(x.stride)
		g.LEAQ(operand.Mem{Base: x.at, Index: step, Scale: 4}, x.at)
	}
}

// greatest makes -Inf of what lo and hi leave out of a row and stores the maximum of the rest.
func (g *weights) greatest(p, stats reg.GPVirtual) {
	lowest := g.vec()
	g.VBROADCASTSS(g.data("minusInf", math.Float32bits(float32(math.Inf(-1)))), lowest)
	lo, hi, rest, base := g.integer("lo"), g.integer("hi"), g.integer("blocks"), g.GP64()
	g.each(lo, func(s slot) { g.store(lowest, p, s) })
	g.SHLQ(operand.Imm(6), rest)
	g.SUBQ(hi, rest)
	g.LEAQ(operand.Mem{Base: p, Index: hi, Scale: 4}, base)
	g.each(rest, func(s slot) { g.store(lowest, base, s) })

	const chains = 4
	most := g.vecs(chains)
	for _, v := range most {
		g.VMOVAPS(lowest, v)
	}
	at, left := g.copyOf(p), g.integer("blocks")
	g.times(left, func() {
		for i := range g.vectors() {
			x, old := g.vec(), most[i%chains]
			g.VMOVUPS(operand.Mem{Base: at, Disp: i * g.bytes()}, x)
			g.VMAXPS(old, x, old) // of two, the old one if x is not a number
		}
		g.ADDQ(operand.I32(4*blockKeys), at)
	})
	for i := chains - 1; i >= g.parts(); i-- {
		g.VMAXPS(most[i], most[i-g.parts()], most[i-g.parts()])
	}
	m, zero := g.fold(most[:g.parts()], func(x, y, dst operand.Op) { g.VMAXPS(x, y, dst) }), g.XMM()
	g.VXORPS(zero, zero, zero)
	g.VADDSS(zero, m.AsX(), m.AsX())
	g.VMOVSS(m.AsX(), operand.Mem{Base: stats})
}

// fetched is how many bytes each block fetches.
func (g *weights) fetched() int {
	if g.split {
		return 3 * 4 * blockKeys
	}
	return 4 * blockKeys
}

// block turns 64 scores into weights. When all of ahead is fetched, the prefetches go to the block itself.
func (g *weights) block() {
	from, more := g.copyOf(g.next), g.label("more")
	g.CMPQ(g.next, g.end)
	g.JLE(operand.LabelRef(more))
	g.MOVQ(g.p, from)
	g.Label(more)
	g.ADDQ(operand.I32(g.fetched()), g.next)
	for i := range g.vectors() {
		at := i * g.bytes()
		lines := g.fetched() / 64
		for line := i * lines / g.vectors(); line < (i+1)*lines/g.vectors(); line++ {
			g.PREFETCHT0(operand.Mem{Base: from, Disp: 64 * line})
		}
		y, in := g.weight(i)
		if g.split {
			total := g.total[i%len(g.total)]
			g.scaled(y, in, operand.Mem{Base: g.s, Disp: at})
			g.VADDPS(y, total, total)
		}
		g.VMOVUPS(y, operand.Mem{Base: g.p, Disp: at})
	}
	g.ADDQ(operand.I32(4*blockKeys), g.p)
	if g.split {
		g.ADDQ(operand.I32(4*blockKeys), g.s)
	}
}

// scaled multiplies weights, those that are not zero in the lanes in, by scales: a token that no row sees may have one
// that is not finite.
func (g *weights) scaled(y reg.VecVirtual, in reg.Register, scales operand.Mem) {
	if g.masked() {
		g.VMULPS_Z(scales, y, in, y)
		return
	}
	g.VMULPS(scales, y, y)
	g.VANDPS(in, y, y)
}

// weight is the i-th vector of a block's weights, added to the sum, and the mask of those that are not zero.
func (g *weights) weight(i int) (y reg.VecVirtual, in reg.Register) {
	x, sum := g.vec(), g.sum[i%g.parts()]
	g.VMOVUPS(operand.Mem{Base: g.p, Disp: i * g.bytes()}, x)
	g.VSUBPS(g.m, x, x)
	y, in = g.exp2In(x, g.exp)
	g.VADDPS(y, sum, sum)
	return y, in
}

// mergeParts is, for rows of columns, m and l, dst[i] = fma(x[i], 2^(m of x - M), dst[i]*2^(m of dst - M)), M the
// greater m. Both factors come from one vector.
func mergeParts(e *emitter) {
	dst, x, n, size := e.ptr("dst"), e.ptr("x"), e.length("dst"), e.integer("size")
	c, off := e.exp2Constants(), e.GP64()
	e.SHLQ(operand.Imm(2), size)
	loop, columns, done := e.label("row"), e.label("columns"), e.label("end")
	end := e.copyOf(n)
	e.SHLQ(operand.Imm(2), end)
	e.ADDQ(dst, end)
	e.Label(loop)
	e.CMPQ(dst, end)
	e.JGE(operand.LabelRef(done))
	stats := func(base reg.GPVirtual, disp int) operand.Mem {
		return operand.Mem{Base: base, Index: size, Scale: 1, Disp: disp - 4*group}
	}
	m, ours, d := e.XMM(), e.XMM(), e.vec()
	e.VMOVSS(stats(x, 0), m)
	e.VMOVSS(stats(dst, 0), ours)
	e.VUNPCKLPS(m, ours, d.AsX()) // that of dst, that of x
	e.VMAXSS(m, ours, m)          // of two, that of x if one is not greater
	e.VMOVSS(m, stats(dst, 0))
	all := e.spread(m)
	e.VSUBPS(all, d, d)
	factors, a, b := e.exp2(d, c), e.vec(), e.vec()
	e.VBROADCASTSS(factors.AsX(), a)
	e.VMOVSHDUP(factors.AsX(), b.AsX())
	e.VBROADCASTSS(b.AsX(), b)
	l := e.XMM()
	e.VMULSS(stats(dst, 4), a.AsX(), l)
	e.VFMADD231SS(stats(x, 4), b.AsX(), l)
	e.VMOVSS(l, stats(dst, 4))

	e.XORQ(off, off)
	e.SUBQ(operand.I32(4*group), size)
	e.Label(columns)
	for part := range e.parts() {
		s := slot{off: off, part: part}
		v := e.load(dst, s)
		e.VMULPS(a, v, v)
		e.VFMADD231PS(e.at(x, s), b, v)
		e.store(v, dst, s)
	}
	e.ADDQ(operand.I32(4*group), off)
	e.CMPQ(off, size)
	e.JLT(operand.LabelRef(columns))
	e.ADDQ(operand.I32(4*group), size)
	e.ADDQ(size, dst)
	e.ADDQ(size, x)
	e.JMP(operand.LabelRef(loop))
	e.Label(done)
}
