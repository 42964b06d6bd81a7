package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Exponentials.
//
//	exp(x):  n = roundToEven(x·log2E); r = x - n·ln2 by two FMAs; p = polynomial of r, degree 6
//	         the bits of p plus n<<23, zero where x < -87.3 (kernel.Exp has the proof)
//	exp2(x): for x that is not above zero, n = roundToEven(x); p = polynomial of x - n, degree 5
//	         the same bits, zero where x < -126 (kernel.Exp2)
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
	in := e.notBelow(c.min, x)
	e.VMINPS(x, e.inRegister(c.max), x) // of two, x if it is not a number
	n := e.vec()
	e.VMULPS(c.log2E, x, n)
	e.nearest(n, n)
	e.VFMADD231PS(c.minusLn2Hi, n, x)
	e.VFMADD231PS(c.minusLn2Lo, n, x)
	return e.raised(e.polynomial(x, c.c[:]), n, in)
}

// exp2Constants are the operands of exp2, the same numbers as in kernel.Exp2.
type exp2Constants struct {
	min operand.Op
	c   [6]operand.Op // of r^0 to r^5
}

func (e *emitter) exp2Constants() *exp2Constants {
	return &exp2Constants{e.float("exp2Min", -126), [6]operand.Op{
		e.float("one", 1),
		e.float("exp2C1", 0x1.62e42ap-1),
		e.float("exp2C2", 0x1.ebf9c2p-3),
		e.float("exp2C3", 0x1.c6b6dap-5),
		e.float("exp2C4", 0x1.3ce8b2p-7),
		e.float("exp2C5", 0x1.5bd97cp-10),
	}}
}

// exp2 is a fresh vector of 2^x; x is left with something else.
func (e *emitter) exp2(x reg.VecVirtual, c *exp2Constants) reg.VecVirtual {
	y, _ := e.exp2In(x, c)
	return y
}

// exp2In is exp2, and the mask of the lanes that are not zero.
func (e *emitter) exp2In(x reg.VecVirtual, c *exp2Constants) (y reg.VecVirtual, in reg.Register) {
	in = e.notBelow(c.min, x)
	n := e.vec()
	e.nearest(x, n)
	e.VSUBPS(n, x, x)
	return e.raised(e.polynomial(x, c.c[:]), n, in), in
}

// notBelow is the mask of the lanes of x that are not less than least.
func (e *emitter) notBelow(least operand.Op, x reg.VecVirtual) reg.Register {
	const notLess = 5 // or unordered
	var in reg.Register
	if e.masked() {
		in = e.K()
	} else {
		in = e.vec()
	}
	e.VCMPPS(operand.Imm(notLess), least, x, in)
	return in
}

// nearest rounds x to integers.
func (e *emitter) nearest(x, n reg.VecVirtual) {
	if e.masked() {
		e.VRNDSCALEPS(operand.Imm(0), x, n)
	} else {
		e.VROUNDPS(operand.Imm(0), x, n)
	}
}

// polynomial is a fresh vector of c[0] + c[1]*r + …
func (e *emitter) polynomial(r reg.VecVirtual, c []operand.Op) reg.VecVirtual {
	p := e.vec()
	e.VMOVUPS(c[len(c)-1], p)
	for i := len(c) - 2; i >= 0; i-- {
		e.VFMADD213PS(c[i], r, p)
	}
	return p
}

// raised is p times 2^n in the lanes that are in, else zero; n is left with something else.
func (e *emitter) raised(p, n reg.VecVirtual, in reg.Register) reg.VecVirtual {
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
