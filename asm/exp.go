package asm

import (
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
	min, max, log2E, minusLn2Hi, minusLn2Lo operand.Op    // max is nil for numbers that are not above it
	c                                       [7]operand.Op // of r^0 to r^6
}

func (e *emitter) expConstants() *expConstants {
	c := e.fallingConstants()
	c.max = e.float("expMax", 88)
	return c
}

// fallingConstants are those for numbers that are not above zero, or none.
func (e *emitter) fallingConstants() *expConstants {
	one := e.float("one", 1)
	return &expConstants{
		min:        e.float("expMin", -87.3),
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
	if c.max != nil {
		e.VMINPS(x, e.inRegister(c.max), x) // of two, x if it is not a number
	}

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
