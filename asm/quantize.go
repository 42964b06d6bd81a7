package asm

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Rows rounded to integers.
//
//	m = max|x|; q[i] = rint(x[i]*(127/m)); scale = m/127; sums[b] = -zero * Σ q of block b
//
// Two passes: the maximum of magnitudes, which are ordered as their bits are, then the products, 32
// elements at a time, which make one vector of bytes. A block is one or more such vectors. Where x ends
// the last vectors are loaded under masks; q goes on with zeros. 8 bytes read an element, 1 written.

// quantum is how many elements are rounded at a time; blocks are multiples.
const quantum = 32

func quantizeRow(e *emitter) {
	q, x, n := e.ptr("q"), e.ptr("x"), e.length("x")
	m := e.maxAbs(x, n)
	zeros, nan, done := e.label("zeros"), e.label("nan"), e.label("done")
	bits, result := e.GP32(), e.GP32()
	e.VMOVD(m.AsX(), bits)
	e.XORL(result, result)
	e.CMPL(bits, operand.U32(math.Float32bits(0x1p-100)))
	e.JLT(operand.LabelRef(zeros))
	e.CMPL(bits, operand.U32(math.Float32bits(float32(math.Inf(1)))))
	e.JGE(operand.LabelRef(nan))

	most, factor := e.XMM(), e.vec()
	e.VMOVSS(e.data("most", math.Float32bits(127)), most)
	e.VDIVSS(m.AsX(), most, factor.AsX())
	e.VDIVSS(most, m.AsX(), most)
	e.VMOVSS(most, e.result("scale"))
	inverse, below := e.spread(factor), e.behind(x, n)
	e.blocks(q, func(sum reg.VecVirtual, off, left reg.GPVirtual) {
		tail, next := e.label("tail"), e.label("next")
		at := e.GP64() // of the elements; off is of the integers
		e.LEAQ(operand.Mem{Base: x, Index: off, Scale: 4}, at)
		for line := 0; line < 4*quantum; line += cacheLine {
			e.PREFETCHT0(operand.Mem{Base: below, Index: off, Scale: 4, Disp: line})
		}
		e.CMPQ(left, operand.Imm(quantum))
		e.JLT(operand.LabelRef(tail))
		e.round(q, off, at, inverse, sum, nil)
		e.JMP(operand.LabelRef(next))
		e.Label(tail)
		e.round(q, off, at, inverse, sum, left)
		e.Label(next)
	})
	e.JMP(operand.LabelRef(done))

	e.Label(nan)
	e.MOVL(operand.U32(0x7fc00000), result)
	e.Label(zeros)
	e.MOVL(result, e.result("scale"))
	none := e.YMM()
	e.VPXOR(none, none, none)
	e.blocks(q, func(_ reg.VecVirtual, off, _ reg.GPVirtual) {
		e.VMOVDQU(none, operand.Mem{Base: q, Index: off, Scale: 1})
	})
	e.Label(done)
}

// maxAbs is the largest magnitude of n elements, in lane 0.
func (e *emitter) maxAbs(x, n reg.GPVirtual) reg.VecVirtual {
	abs := e.constant("abs", 1<<31-1)
	most := e.vecs(e.parts())
	e.zero(most...)
	e.each(n, func(s slot) {
		v := e.load(x, s)
		e.VANDPS(abs, v, v)
		e.VPMAXSD(v, most[s.part], most[s.part])
	})
	return e.fold(most, func(x, y, dst operand.Op) { e.VPMAXSD(x, y, dst) })
}

// blocks writes body for every 32 integers of q, block by block, and the sums of the blocks. off are the
// integers before, left the elements from there on, which may be negative; body adds to eight sums of 32
// bits.
func (e *emitter) blocks(q reg.GPVirtual, body func(sum reg.VecVirtual, off, left reg.GPVirtual)) {
	loop, inner, done := e.label("block"), e.label("quantum"), e.label("done")
	off, left, total, sums, end := e.GP64(), e.length("x"), e.length("q"), e.ptr("sums"), e.GP64()
	e.XORQ(off, off)
	e.TESTQ(total, total)
	e.JLE(operand.LabelRef(done))
	e.MOVQ(off, end)

	e.Label(loop)
	e.ADDQ(e.arg("block"), end)
	sum := e.vec()
	e.zero(sum)
	e.Label(inner)
	body(sum, off, left)
	e.SUBQ(operand.Imm(quantum), left)
	e.ADDQ(operand.Imm(quantum), off)
	e.CMPQ(off, end)
	e.JLT(operand.LabelRef(inner))

	half, n := e.XMM(), e.GP64()
	e.VEXTRACTI128(operand.Imm(1), sum.AsY(), half)
	e.VPADDD(half, sum.AsX(), half)
	other := e.XMM()
	e.VPSHUFD(operand.Imm(0b01_00_11_10), half, other)
	e.VPADDD(other, half, half)
	e.VPSHUFD(operand.Imm(0b10_11_00_01), half, other)
	e.VPADDD(other, half, half)
	e.VMOVD(half, n.As32())
	e.IMULQ(e.arg("zero"), n)
	e.NEGQ(n)
	e.MOVL(n.As32(), operand.Mem{Base: sums})
	e.ADDQ(operand.Imm(4), sums)
	e.CMPQ(off, total)
	e.JLT(operand.LabelRef(loop))
	e.Label(done)
}

// round writes the integers of 32 elements, or of the first left of them, and adds them to sum.
func (e *emitter) round(q, off, at reg.GPVirtual, inverse, sum reg.VecVirtual, left reg.Register) {
	var first, second reg.GPVirtual // how many there are of each sixteen
	if left != nil {
		first, second = left.(reg.GPVirtual), e.GP64()
		e.LEAQ(operand.Mem{Base: left, Disp: -group}, second)
	}
	none := e.GP64()
	e.XORQ(none, none)
	var vs []reg.VecVirtual
	for i, n := range []reg.GPVirtual{first, second} {
		base := e.GP64()
		e.LEAQ(operand.Mem{Base: at, Disp: 4 * group * i}, base)
		for part := range e.parts() {
			s := slot{off: none, part: part}
			if left != nil {
				s.mask = e.below(n, part)
			}
			v := e.load(base, s)
			e.VMULPS(inverse, v, v)
			e.VCVTPS2DQ(v, v)
			vs = append(vs, v)
		}
	}
	to := operand.Mem{Base: q, Index: off, Scale: 1}
	if e.masked() {
		for i, v := range vs {
			e.VPMOVDB(v, to.Offset(group*i))
		}
		e.VPADDD(vs[0], vs[1], vs[1])
		high := e.YMM()
		e.VEXTRACTI64X4(operand.Imm(1), vs[1], high)
		e.VPADDD(high, vs[1].AsY(), high)
		e.VPADDD(high, sum.AsY(), sum.AsY())
		return
	}
	words, more := e.YMM(), e.YMM()
	e.VPACKSSDW(vs[1], vs[0], words)
	e.VPACKSSDW(vs[3], vs[2], more)
	e.VPACKSSWB(more, words, words) // fours of bytes: 0 2 4 6, 1 3 5 7
	order := e.YMM()
	e.VMOVDQU(e.data("unpacked", 0, 4, 1, 5, 2, 6, 3, 7), order)
	e.VPERMD(words, order, words)
	e.VMOVDQU(words, to)
	e.VPADDD(vs[0], vs[1], vs[1])
	e.VPADDD(vs[2], vs[3], vs[3])
	e.VPADDD(vs[1], vs[3], vs[3])
	e.VPADDD(vs[3], sum, sum)
}
