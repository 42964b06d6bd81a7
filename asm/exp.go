package asm

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Exponentials.
//
//	exp(x):  n = roundToEven(x·log2E); r = x - n·ln2 by two FMAs; p = polynomial of r, degree 6
//	         the bits of p plus n<<23, zero where x < -87.3 (kernel.Exp has the proof)
//	silu(x): x / (1 + exp(-x))
//
// One vector at a time: x, n and p live in registers, the constants too with 32 registers; with
// 16 they are memory operands.

// expConstants are the operands of exp, the same numbers as in kernel.Exp.
type expConstants struct {
	min, max, log2E, minusLn2Hi, minusLn2Lo operand.Op
	c                                       [7]operand.Op // of r^0 to r^6
}

func (e *emitter) expConstants() *expConstants {
	one := e.float("one", 1)
	return &expConstants{
		min:        e.float("expMin", -87.3),
		max:        e.float("expMax", 88),
		log2E:      e.float("log2E", 0x1.715476p+0),
		minusLn2Hi: e.float("minusLn2Hi", -0x1.62e43p-1),
		minusLn2Lo: e.float("minusLn2Lo", 0x1.05c61p-29),
		c: [7]operand.Op{
			one,
			one,
			e.float("expC2", 0x1.fffffcp-2),
			e.float("expC3", 0x1.555492p-3),
			e.float("expC4", 0x1.5558f2p-5),
			e.float("expC5", 0x1.1239f4p-7),
			e.float("expC6", 0x1.6a2416p-10),
		},
	}
}

// exp is a fresh vector of e^x; x is left with something else.
func (e *emitter) exp(x reg.VecVirtual, c *expConstants) reg.VecVirtual {
	const notLess = 5 // not less than, or unordered

	// in: the lanes whose result is not zero.
	var in reg.Register
	if e.masked() {
		in = e.K()
	} else {
		in = e.vec()
	}
	e.VCMPPS(operand.Imm(notLess), c.min, x, in)
	e.VMINPS(x, e.inRegister(c.max), x) // of two, x if it is not a number

	n, p := e.vec(), e.vec()
	e.VMULPS(c.log2E, x, n)
	if e.masked() {
		e.VRNDSCALEPS(operand.Imm(0), n, n)
	} else {
		e.VROUNDPS(operand.Imm(0), n, n)
	}
	e.VFMADD231PS(c.minusLn2Hi, n, x)
	e.VFMADD231PS(c.minusLn2Lo, n, x)
	e.VMOVUPS(c.c[6], p)
	for i := 5; i >= 0; i-- {
		e.VFMADD213PS(c.c[i], x, p) // p = p*r + c[i]
	}
	e.VCVTPS2DQ(n, n)
	e.VPSLLD(operand.Imm(23), n, n)
	if e.masked() {
		e.VPADDD_Z(n, p, in, p)
	} else {
		e.VPADDD(n, p, p)
		e.VANDPS(in, p, p)
	}
	return p
}

// siluConstants are the operands of silu.
type siluConstants struct {
	*expConstants
	sign operand.Op
}

func (e *emitter) siluConstants() *siluConstants {
	return &siluConstants{e.expConstants(), e.constant("sign", 1<<31)}
}

// silu is a fresh vector of x/(1+e^-x).
func (e *emitter) silu(x reg.VecVirtual, c *siluConstants) reg.VecVirtual {
	minus := e.vec()
	e.VXORPS(c.sign, x, minus)
	y := e.exp(minus, c.expConstants)
	e.VADDPS(c.c[0], y, y)
	e.VDIVPS(y, x, y)
	return y
}

// silu is dst[i] = x[i]/(1+e^-x[i]).
func silu(e *emitter) {
	dst, x, n := e.ptr("dst"), e.ptr("x"), e.length("dst")
	c := e.siluConstants()
	e.each(n, func(s slot) { e.store(e.silu(e.load(x, s), c), dst, s) })
}

// expDiff is dst[j] = exp(from - g[j]).
func expDiff(e *emitter) {
	dst, g, n := e.ptr("dst"), e.ptr("g"), e.length("dst")
	from, c := e.splat("from"), e.expConstants()
	e.each(n, func(s slot) {
		x := e.load(g, s)
		e.VSUBPS(x, from, x)
		e.store(e.exp(x, c), dst, s)
	})
}

// mergeParts is, for rows of columns, m and l, dst[i] = fma(x[i], exp(m of x - M), dst[i]*exp(m of dst - M)), M the
// greater m. Both factors come from one vector.
func mergeParts(e *emitter) {
	dst, x, n, size := e.ptr("dst"), e.ptr("x"), e.length("dst"), e.integer("size")
	c, off := e.expConstants(), e.GP64()
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
	factors, a, b := e.exp(d, c), e.vec(), e.vec()
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

// softmax turns p[lo:hi] into exp(p[j]-m), clears the rest, and sums by lanes of j%16:
//
//  1. m = max of p[lo:hi]; a maximum of zero is made +0
//  2. clear p[:lo] and p[hi:]
//  3. from lo rounded down to a group: p[j] = exp(p[j]-m), sum[j%16] += p[j]; the first and the
//     last group under masks
//
// 8 bytes read and 4 written an element, the second read hot for the lengths of a segment.
func softmax(e *emitter) {
	p, lo, hi := e.ptr("p"), e.integer("lo"), e.integer("hi")
	span, base := e.GP64(), e.GP64()
	e.MOVQ(hi, span)
	e.SUBQ(lo, span)

	e.Comment("m = max(p[lo:hi])")
	most := make([]reg.VecVirtual, e.parts())
	lowest := e.inRegister(e.float("minusInf", float32(math.Inf(-1))))
	for i := range most {
		most[i] = e.vec()
		e.VMOVAPS(lowest, most[i])
	}
	e.LEAQ(operand.Mem{Base: p, Index: lo, Scale: 4}, base)
	e.each(span, func(s slot) {
		x := e.load(base, s)
		e.keep(x, most[s.part], s)
		e.VMAXPS(most[s.part], x, most[s.part]) // of two, the old one if x is not a number
	})
	top := e.fold(most, func(x, y, dst operand.Op) { e.VMAXPS(x, y, dst) })
	zero := e.vec()
	e.zero(zero)
	e.VADDSS(zero.AsX(), top.AsX(), top.AsX())
	e.VMOVSS(top.AsX(), e.result("m"))
	m := e.spread(top)

	e.Comment("clear(p[:lo])")
	e.each(lo, func(s slot) { e.store(zero, p, s) })
	e.Comment("clear(p[hi:])")
	rest := e.length("p")
	e.SUBQ(hi, rest)
	e.LEAQ(operand.Mem{Base: p, Index: hi, Scale: 4}, base)
	e.each(rest, func(s slot) { e.store(zero, base, s) })

	e.Comment("p[j] = exp(p[j]-m)")
	c := e.expConstants()
	sum := e.vecs(e.parts())
	e.zero(sum...)
	weigh := func(s slot) {
		x := e.load(p, s)
		e.VSUBPS(m, x, x)
		y := e.exp(x, c)
		e.only(y, s)
		e.VADDPS(y, sum[s.part], sum[s.part])
		e.store(y, p, s)
	}

	// The group that lo is in, if lo does not begin it.
	off, left, skip := e.GP64(), e.GP64(), e.GP64()
	aligned := e.label("aligned")
	e.MOVQ(lo, skip)
	e.ANDQ(operand.Imm(group-1), skip)
	e.MOVQ(lo, off)
	e.SUBQ(skip, off)
	e.MOVQ(hi, left)
	e.SUBQ(off, left)
	e.SHLQ(operand.Imm(2), off)
	e.TESTQ(skip, skip)
	e.JE(operand.LabelRef(aligned))
	for part := range e.parts() {
		weigh(slot{off: off, part: part, mask: e.between(skip, left, part)})
	}
	e.ADDQ(operand.Imm(4*group), off)
	e.SUBQ(operand.Imm(group), left)
	e.Label(aligned)
	e.groups(off, left, weigh)

	l := e.fold(sum, func(x, y, dst operand.Op) { e.VADDPS(x, y, dst) })
	e.VMOVSS(l.AsX(), e.result("l"))
}
