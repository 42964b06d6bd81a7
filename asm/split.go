package asm

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Numbers rounded to integers of 14 bits, in two halves of 7.
//
//	splitQuery:   v[i] = rint(x[i]*(8191/max|x|)), halves (v+64)>>7 and the rest
//	splitWeights: t[j] = p[j]*s[j], v[j] = rint(t[j]*(16383/max t)), halves v>>7 and v&127, for each block
//
// The elements are gone over twice: splitQuery reads them twice, splitWeights keeps the 64 of a block in
// registers. What is not finite is left to the conversion, which makes it 1<<31: both its halves are 0.

// splitFactor fills a vector with most/m, or zero if m, lane 0, is too small or not finite, and stores
// m/most, or zero, at scale.
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
	return e.spread(factor)
}

// splitQuery splits one row.
func splitQuery(e *emitter) {
	q, x, n, left := e.ptr("q"), e.ptr("x"), e.length("q"), e.length("x")
	e.SHRQ(operand.Imm(1), n)
	inverse := e.splitFactor(e.maxAbs(x, left), "queryMax", 1<<13-1, e.result("scale"))
	half := e.inRegister(e.constant("half", 1<<(halfBits-1)))
	sum := e.vecs(e.parts())
	e.zero(sum...)
	// The low halves go to q+n.
	off := e.GP64()
	e.XORQ(off, off)
	group16 := func(masks func(part int) reg.Register, store func(v []reg.VecVirtual, disp reg.GPVirtual)) {
		var high, low []reg.VecVirtual
		for part := range e.parts() {
			s := slot{off: off, part: part, mask: masks(part)}
			v, h := e.load(x, s), e.vec()
			e.VMULPS(inverse, v, v)
			e.VCVTPS2DQ(v, v)
			e.VPSLLD(operand.Imm(8), v, v) // 1<<31 to 0
			e.VPSRAD(operand.Imm(8), v, v)
			e.VPADDD(v, sum[part], sum[part])
			e.VPADDD(half, v, h)
			e.VPSRAD(operand.Imm(halfBits), h, h)
			high = append(high, h)
			shifted := e.vec()
			e.VPSLLD(operand.Imm(halfBits), h, shifted)
			e.VPSUBD(shifted, v, v)
			low = append(low, v)
		}
		to := e.copyOf(q)
		store(high, to)
		e.ADDQ(n, to)
		store(low, to)
	}
	loop, tail, done := e.label("loop"), e.label("tail"), e.label("done")
	e.CMPQ(left, operand.Imm(group))
	e.JLT(operand.LabelRef(tail))
	e.Label(loop)
	group16(func(int) reg.Register { return nil }, func(v []reg.VecVirtual, to reg.GPVirtual) {
		e.narrow(v, operand.Mem{Base: to})
	})
	e.ADDQ(operand.Imm(4*group), off)
	e.ADDQ(operand.Imm(group), q)
	e.SUBQ(operand.Imm(group), left)
	e.CMPQ(left, operand.Imm(group))
	e.JGE(operand.LabelRef(loop))

	e.Label(tail)
	e.TESTQ(left, left)
	e.JLE(operand.LabelRef(done))
	group16(func(part int) reg.Register { return e.below(left, part) }, func(v []reg.VecVirtual, to reg.GPVirtual) {
		e.narrowFours(v, to, left)
	})
	e.Label(done)
	total, words := e.fold(sum, func(x, y, dst operand.Op) { e.VPADDD(x, y, dst) }), e.GP32()
	e.VMOVD(total.AsX(), words)
	e.SHLL(operand.Imm(7), words)
	e.NEGL(words)
	e.MOVL(words, e.result("sum"))
}

// narrow stores sixteen integers as bytes.
func (e *emitter) narrow(v []reg.VecVirtual, to operand.Mem) {
	if e.masked() {
		e.VPMOVDB(v[0], to)
		return
	}
	e.VMOVDQU(e.packed(v), to)
}

// packed are sixteen integers as bytes, with vectors of eight.
func (e *emitter) packed(v []reg.VecVirtual) reg.VecVirtual {
	const straight = 0b11_01_10_00 // quarters 0, 2, 1, 3
	words, high := e.YMM(), e.XMM()
	e.VPACKSSDW(v[1], v[0], words)
	e.VPERMQ(operand.Imm(straight), words, words)
	e.VEXTRACTI128(operand.Imm(1), words, high)
	e.VPACKSSWB(high, words.AsX(), words.AsX())
	return words.AsX().(reg.VecVirtual)
}

// narrowFours stores the first n of sixteen integers as bytes, and up to three more to a multiple of
// four.
func (e *emitter) narrowFours(v []reg.VecVirtual, to, n reg.GPVirtual) {
	if e.masked() {
		up := e.copyOf(n)
		e.ADDQ(operand.Imm(3), up)
		e.ANDQ(operand.I32(-4), up)
		e.VPMOVDB(v[0], e.below(up, 0).(reg.OpmaskVirtual), operand.Mem{Base: to})
		return
	}
	loop, b, at, left := e.label("fours"), e.packed(v), e.copyOf(to), e.copyOf(n)
	e.Label(loop)
	e.VMOVD(b, operand.Mem{Base: at})
	e.VPSRLDQ(operand.Imm(4), b, b)
	e.ADDQ(operand.Imm(4), at)
	e.SUBQ(operand.Imm(4), left)
	e.JG(operand.LabelRef(loop))
}

// splitWeights splits weights block by block.
func splitWeights(e *emitter) {
	q, scale, p, v, blocks := e.ptr("q"), e.ptr("scale"), e.ptr("p"), e.ptr("v"), e.length("p")
	e.SHRQ(operand.Imm(6), blocks)
	mask := e.inRegister(e.constant("lowHalf7", 1<<halfBits-1))
	e.times(blocks, func() {
		n := blockKeys / e.level.Lanes
		ts, most := e.vecs(n), e.vecs(e.parts())
		for i, t := range ts {
			at := i * e.bytes()
			e.VMOVUPS(operand.Mem{Base: p, Disp: at}, t)
			e.VMULPS(operand.Mem{Base: v, Disp: at}, t, t)
			if i < len(most) {
				e.VMOVAPS(t, most[i])
			} else {
				e.VPMAXUD(t, most[i%len(most)], most[i%len(most)])
			}
		}
		m := e.fold(most, func(x, y, dst operand.Op) { e.VPMAXUD(x, y, dst) })
		inverse := e.splitFactor(m, "weightMax", 1<<14-1, operand.Mem{Base: scale})
		for i := 0; i < n; i += e.parts() {
			var high, low []reg.VecVirtual
			for _, t := range ts[i:][:e.parts()] {
				h := e.vec()
				e.VMULPS(inverse, t, t)
				e.VCVTPS2DQ(t, t)
				e.VPSRLD(operand.Imm(halfBits), t, h)
				e.and(mask, h)
				e.and(mask, t)
				high, low = append(high, h), append(low, t)
			}
			at := i * e.level.Lanes
			e.narrow(high, operand.Mem{Base: q, Disp: at})
			e.narrow(low, operand.Mem{Base: q, Disp: blockKeys + at})
		}
		e.ADDQ(operand.I32(4*blockKeys), p)
		e.ADDQ(operand.I32(2*blockKeys), q)
		e.ADDQ(operand.Imm(4), scale)
		e.ADDQ(e.arg("stride"), v)
	})
}

// and clears the bits of v that x does not have.
func (e *emitter) and(x, v reg.VecVirtual) {
	if e.masked() {
		e.VPANDD(x, v, v)
	} else {
		e.VPAND(x, v, v)
	}
}
