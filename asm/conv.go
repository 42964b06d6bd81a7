package asm

import "github.com/mmcloughlin/avo/operand"

// Causal depthwise convolution along rows.
//
//	dst[r][c] = act(fma(x[r+i][c], w[i][c], …)), i ascending, from bias[c] or +0
//
// Loop nest: rows, then groups of columns, then taps. The rows that taps look at and the taps themselves
// stay in the first cache if the columns are a few hundred. Bytes an element: 8 a tap, 4 written.

// convolve writes the loops twice, with the activation and without.
func convolve(e *emitter) {
	plain, done := e.label("plain"), e.label("done")
	e.CMPB(e.arg("silu"), operand.Imm(0))
	e.JE(operand.LabelRef(plain))
	convolveRows(e, true)
	e.JMP(operand.LabelRef(done))
	e.Label(plain)
	convolveRows(e, false)
	e.Label(done)
}

func convolveRows(e *emitter, act bool) {
	dst, x, w, bias, n := e.ptr("dst"), e.ptr("x"), e.ptr("w"), e.ptr("bias"), e.integer("n")
	ldx, ldw := e.integer("ldx"), e.integer("ldw")
	e.SHLQ(operand.Imm(2), ldx)
	e.SHLQ(operand.Imm(2), ldw)
	var c *siluConstants
	if act {
		c = e.siluConstants()
	}
	e.times(e.integer("rows"), func() {
		e.each(n, func(s slot) {
			start, tap := e.label("start"), e.label("tap")
			sum := e.vec()
			e.zero(sum)
			e.CMPQ(e.argLen("bias"), operand.Imm(0))
			e.JE(operand.LabelRef(start))
			e.VMOVAPS(e.load(bias, s), sum)
			e.Label(start)
			xi, wi, left := e.copyOf(x), e.copyOf(w), e.integer("taps")
			e.Label(tap)
			e.VFMADD231PS(e.load(xi, s), e.load(wi, s), sum)
			e.ADDQ(ldx, xi)
			e.ADDQ(ldw, wi)
			e.DECQ(left)
			e.JNE(operand.LabelRef(tap))
			if act {
				sum = e.silu(sum, c)
			}
			e.store(sum, dst, s)
		})
		ldd := e.integer("ldd")
		e.LEAQ(operand.Mem{Base: dst, Index: ldd, Scale: 4}, dst)
		e.ADDQ(ldx, x)
	})
}
