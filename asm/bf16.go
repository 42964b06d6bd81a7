package asm

import (
	"slices"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Products of bfloat16 by bfloat16, and the rounding of rows to it.
//
//	dst[r][c] = fma(x[r][2p], w[2p][c], fma(x[r][2p+1], w[2p+1][c], …)), p ascending
//
// The loop nest is that of gemm.go. A step is one VDPBF16PS, which does just that: the odd halves
// first, each FMA rounded to nearest, numbers below the normal range taken for zeros and made zeros. Without the
// instruction a step is two FMAs of widened halves, with the two control bits set that do the same.

// dots reports whether the level multiplies pairs by one instruction.
func (e *emitter) dots() bool { return slices.Contains(e.level.Features, encoded["VDPBF16PS"].isa) }

func gemmBF16Dot(e *emitter) {
	restore := func() {}
	if !e.dots() {
		restore = e.flush()
	}
	g := newGemm(e, pairs, 2)
	done := e.label("done")
	g.panel(done)
	e.Label(done)
	restore()
}

// flush makes numbers below the normal range zeros, as operands and as results, until what it
// returns is written.
func (e *emitter) flush() (restore func()) {
	const zeros = 1<<15 | 1<<6 // FTZ and DAZ
	old, changed := e.AllocLocal(4), e.GP32()
	new := e.AllocLocal(4)
	e.VSTMXCSR(old)
	e.MOVL(old, changed)
	e.ORL(operand.U32(zeros), changed)
	e.MOVL(changed, new)
	e.VLDMXCSR(new)
	return func() { e.VLDMXCSR(old) }
}

// roundRow rounds len(x) elements to bfloat16, sixteen at a time and the last ones one by one, and
// fills the rest of dst with zeros.
//
//	b = bits of x, the sign alone below the normal range
//	dst = b>>16 | 0x40 if x is not a number, else (b + 0x7fff + b>>16&1) >> 16
func roundRow(e *emitter) {
	dst, x, n, left := e.ptr("dst"), e.ptr("x"), e.length("x"), e.length("dst")
	e.SUBQ(n, left)
	c := roundConstants{
		e.constant("exponent", 0x7f800000), e.constant("magnitude", 0x7fffffff),
		e.constant("belowHalf", 0x7fff), e.constant("lastBit", 1), e.constant("quiet", 0x40),
	}
	loop, rest, single, fill, done := e.label("loop"), e.label("rest"), e.label("single"), e.label("fill"), e.label("done")
	e.SUBQ(operand.Imm(group), n)
	e.JLT(operand.LabelRef(rest))
	e.Label(loop)
	halves := make([]reg.VecVirtual, e.parts())
	for part := range halves {
		halves[part] = e.vec()
		e.VMOVUPS(operand.Mem{Base: x, Disp: part * e.bytes()}, halves[part])
		e.roundLanes(halves[part], c)
	}
	if e.masked() {
		e.VPMOVDW(halves[0], operand.Mem{Base: dst})
	} else {
		// Packing takes turns between the 16-byte halves of its operands.
		e.VPACKUSDW(halves[1], halves[0], halves[0])
		e.VPERMQ(operand.Imm(0b11_01_10_00), halves[0], halves[0])
		e.VMOVUPS(halves[0], operand.Mem{Base: dst})
	}
	e.ADDQ(operand.Imm(4*group), x)
	e.ADDQ(operand.Imm(2*group), dst)
	e.SUBQ(operand.Imm(group), n)
	e.JGE(operand.LabelRef(loop))

	e.Label(rest)
	e.ADDQ(operand.Imm(group), n)
	e.JEQ(operand.LabelRef(fill))
	e.Label(single)
	e.MOVW(e.roundSingle(operand.Mem{Base: x}).As16(), operand.Mem{Base: dst})
	e.ADDQ(operand.Imm(4), x)
	e.ADDQ(operand.Imm(2), dst)
	e.DECQ(n)
	e.JNE(operand.LabelRef(single))

	e.Label(fill)
	e.times(left, func() {
		e.MOVW(operand.U16(0), operand.Mem{Base: dst})
		e.ADDQ(operand.Imm(2), dst)
	})
	e.Label(done)
}

// roundConstants are vectors of equal words.
type roundConstants struct{ exponent, magnitude, belowHalf, lastBit, quiet operand.Op }

// roundLanes makes each lane of b its bfloat16.
func (e *emitter) roundLanes(b reg.VecVirtual, c roundConstants) {
	up, nan := e.vec(), e.vec()
	if e.masked() {
		tiny, none := e.K(), e.K()
		e.VPTESTNMD(c.exponent, b, tiny)
		e.VPANDND(b, c.magnitude, tiny, b)
		e.VCMPPS(operand.Imm(unordered), b, b, none)
		e.VPSRLD(operand.Imm(16), b, nan)
		e.VPANDD(c.lastBit, nan, up)
		e.VPADDD(c.belowHalf, up, up)
		e.VPADDD(up, b, b)
		e.VPSRLD(operand.Imm(16), b, b)
		e.VPORD(c.quiet, nan, none, b)
		return
	}
	tiny, none := e.vec(), e.vec()
	e.VPXOR(up, up, up)
	e.VPAND(c.exponent, b, tiny)
	e.VPCMPEQD(up, tiny, tiny)
	e.VPAND(c.magnitude, tiny, tiny)
	e.VPANDN(b, tiny, b)
	e.VCMPPS(operand.Imm(unordered), b, b, none)
	e.VPSRLD(operand.Imm(16), b, nan)
	e.VPAND(c.lastBit, nan, up)
	e.VPADDD(c.belowHalf, up, up)
	e.VPADDD(up, b, b)
	e.VPSRLD(operand.Imm(16), b, b)
	e.VPOR(c.quiet, nan, nan)
	e.VBLENDVPS(none, nan, b, b)
}

// unordered is the comparison that holds where an operand is not a number.
const unordered = 3

// roundSingle is the bfloat16 of one element in the low half of a register.
func (e *emitter) roundSingle(at operand.Mem) reg.GPVirtual {
	b, t := e.GP32(), e.GP32()
	normal, number, done := e.label("normal"), e.label("number"), e.label("rounded")
	e.MOVL(at, b)
	e.MOVL(b, t)
	e.ANDL(operand.U32(0x7fffffff), t)
	e.CMPL(t, operand.U32(0x00800000))
	e.JCC(operand.LabelRef(normal))
	e.ANDL(operand.U32(0x80000000), b)
	e.Label(normal)
	e.CMPL(t, operand.U32(0x7f800000))
	e.JLS(operand.LabelRef(number))
	e.SHRL(operand.Imm(16), b)
	e.ORL(operand.Imm(0x40), b)
	e.JMP(operand.LabelRef(done))
	e.Label(number)
	e.MOVL(b, t)
	e.SHRL(operand.Imm(16), t)
	e.ANDL(operand.Imm(1), t)
	e.ADDL(operand.U32(0x7fff), b)
	e.ADDL(t, b)
	e.SHRL(operand.Imm(16), b)
	e.Label(done)
	return b
}
