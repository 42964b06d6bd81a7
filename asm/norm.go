package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Normalization.
//
//	inv = 1/sqrt(sum16(x²)/n + eps)
//	rmsNorm:  dst[i] = (x[i]*inv)*gain[i]
//	layerNorm: dst[i] = fma((x[i]-mean)*inv, gain[i], shift[i]), the sum over (x-mean)²
//	gateNorm: dst[i] = silu(g[i])*((o[i]+0)*inv), of rows
//
// Two passes over the row: sixteen sums by FMA, a tree, then the products. Division and square
// root are those of IEEE. 8 bytes read an element and 4 written, and 4 of the gain or gate.

// rmsNorm normalizes a row of len(x) elements.
func rmsNorm(e *emitter) {
	dst, x, gain, n := e.ptr("dst"), e.ptr("x"), e.ptr("gain"), e.length("x")
	inv, next := e.invRMS(x, n), e.behind(x, n)
	plain, done := e.label("plain"), e.label("done")
	gains := e.length("gain")
	e.TESTQ(gains, gains)
	e.JE(operand.LabelRef(plain))
	e.each(n, func(s slot) {
		e.fetch(next, s)
		v := e.load(x, s)
		e.VMULPS(inv, v, v)
		e.VMULPS(e.load(gain, s), v, v)
		e.store(v, dst, s)
	})
	e.JMP(operand.LabelRef(done))

	e.Label(plain)
	e.each(n, func(s slot) {
		e.fetch(next, s)
		v := e.load(x, s)
		e.VMULPS(inv, v, v)
		e.store(v, dst, s)
	})
	e.Label(done)
}

// gateNorm normalizes rows of o and multiplies them by silu(g).
func gateNorm(e *emitter) {
	dst, o, g, n := e.matrix("dst", "ldd"), e.matrix("o", "ldo"), e.matrix("g", "ldg"), e.integer("n")
	c, zero := e.siluConstants(), e.vec()
	e.zero(zero)
	e.times(e.integer("rows"), func() {
		below := e.below8(g)
		inv := e.invRMS(o.at, n)
		e.each(n, func(s slot) {
			e.fetch(below, s)
			y := e.silu(e.load(g.at, s), c)
			v := e.load(o.at, s)
			e.VADDPS(zero, v, v)
			e.VMULPS(inv, v, v)
			e.VMULPS(v, y, y)
			e.store(y, dst.at, s)
		})
		e.nextRow(dst, o, g)
	})
}

// layerNorm normalizes a row of len(x) elements in three passes: the mean, the variance, the products.
func layerNorm(e *emitter) {
	dst, x, gain, shift, n := e.ptr("dst"), e.ptr("x"), e.ptr("gain"), e.ptr("shift"), e.length("x")
	sum := e.vecs(e.parts())
	e.zero(sum...)
	e.each(n, func(s slot) { e.VADDPS(e.load(x, s), sum[s.part], sum[s.part]) })
	mean := e.spread(e.mean(sum, n))
	e.zero(sum...)
	e.each(n, func(s slot) {
		v := e.load(x, s)
		e.VSUBPS(mean, v, v)
		e.only(v, s)
		e.VFMADD231PS(v, v, sum[s.part])
	})
	inv := e.invRoot(e.mean(sum, n))
	e.each(n, func(s slot) {
		v := e.load(x, s)
		e.VSUBPS(mean, v, v)
		e.VMULPS(inv, v, v)
		e.VFMADD213PS(e.load(shift, s), e.load(gain, s), v)
		e.store(v, dst, s)
	})
}

// invRMS fills a vector with 1/sqrt(mean(x²) + eps) of n elements; eps is the parameter.
func (e *emitter) invRMS(x, n reg.GPVirtual) reg.VecVirtual {
	sum := e.vecs(e.parts())
	e.zero(sum...)
	e.each(n, func(s slot) {
		v := e.load(x, s)
		e.VFMADD231PS(v, v, sum[s.part])
	})
	return e.invRoot(e.mean(sum, n))
}

// mean adds the lanes of sum and divides them by n: lane 0 of the result.
func (e *emitter) mean(sum []reg.VecVirtual, n reg.GPVirtual) reg.VecVirtual {
	total := e.fold(sum, func(x, y, dst operand.Op) { e.VADDPS(x, y, dst) })
	count := e.XMM()
	e.VXORPS(count, count, count)
	e.VCVTSI2SSQ(n, count, count)
	e.VDIVSS(count, total.AsX(), total.AsX())
	return total
}

// invRoot fills a vector with 1/sqrt(x + eps) of lane 0; eps is the parameter.
func (e *emitter) invRoot(x reg.VecVirtual) reg.VecVirtual {
	total, inv := x.AsX(), e.vec()
	e.VADDSS(e.arg("eps"), total, total)
	e.VSQRTSS(total, total, total)
	e.VMOVSS(e.data("single", 0x3f800000), inv.AsX())
	e.VDIVSS(total, inv.AsX(), inv.AsX())
	return e.spread(inv)
}
