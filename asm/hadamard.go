package asm

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Blocks turned by Hadamard's matrix, in place.
//
//	h = 1, 2, 4, … n/2:  x[i], x[i+h] = x[i]+x[i+h], x[i]-x[i+h]    i/h even
//
// Loop nest:
//
//	for groups of sixteen:             h = 1 to 8, between the lanes of a group: with y the partner's lane and s one or
//	                                   minus one, y + x*s is what x becomes
//	for h = 16, 32, …:
//	    for blocks of 2h:
//	        for groups of the first h: sum and difference with the group h further on

func hadamard(e *emitter) {
	x, n, end, size := e.ptr("x"), e.integer("n"), e.length("x"), e.GP64()
	e.LEAQ(operand.Mem{Base: x, Index: end, Scale: 4}, end)
	e.SHLQ(operand.Imm(2), n)
	at, lanes, groups := e.copyOf(x), e.label("lanes"), e.label("groups")
	e.Label(lanes)
	e.CMPQ(at, end)
	e.JGE(operand.LabelRef(groups))
	e.withinGroup(at)
	e.ADDQ(operand.Imm(4*group), at)
	e.JMP(operand.LabelRef(lanes))

	e.Label(groups)
	e.MOVQ(operand.I32(4*group), size)
	stage, block, pairs, next, done := e.label("stage"), e.label("block"), e.label("pairs"), e.label("next"), e.label("done")
	e.Label(stage)
	e.CMPQ(size, n)
	e.JGE(operand.LabelRef(done))
	e.MOVQ(x, at)
	e.Label(block)
	e.CMPQ(at, end)
	e.JGE(operand.LabelRef(next))
	half := e.copyOf(at)
	e.ADDQ(size, half)
	e.Label(pairs)
	for part := range e.parts() {
		first := operand.Mem{Base: at, Disp: part * e.bytes()}
		second := operand.Mem{Base: at, Index: size, Scale: 1, Disp: part * e.bytes()}
		a, b, sum := e.vec(), e.vec(), e.vec()
		e.VMOVUPS(first, a)
		e.VMOVUPS(second, b)
		e.VADDPS(b, a, sum)
		e.VSUBPS(b, a, a)
		e.VMOVUPS(sum, first)
		e.VMOVUPS(a, second)
	}
	e.ADDQ(operand.Imm(4*group), at)
	e.CMPQ(at, half)
	e.JLT(operand.LabelRef(pairs))
	e.ADDQ(size, at)
	e.JMP(operand.LabelRef(block))
	e.Label(next)
	e.SHLQ(operand.Imm(1), size)
	e.JMP(operand.LabelRef(stage))
	e.Label(done)
}

// withinGroup writes what becomes of a group by h = 1 to 8.
func (e *emitter) withinGroup(at reg.GPVirtual) {
	signs := func(h int) operand.Mem {
		words := make([]uint32, group)
		for i := range words {
			words[i] = math.Float32bits(float32(1 - i&h/h*2))
		}
		return e.data([]string{1: "signs1", 2: "signs2", 4: "signs4", 8: "signs8"}[h], words...)
	}
	vs := e.vecs(e.parts())
	for part := range vs {
		e.VMOVUPS(operand.Mem{Base: at, Disp: part * e.bytes()}, vs[part])
	}
	for h := 1; h < e.level.Lanes; h *= 2 {
		for part, v := range vs {
			y := e.vec()
			switch {
			case h == 1:
				e.VPERMILPS(operand.Imm(0b10_11_00_01), v, y)
			case h == 2:
				e.VPERMILPS(operand.Imm(0b01_00_11_10), v, y)
			case !e.masked():
				e.VPERM2F128(operand.Imm(1), v, v, y)
			case h == 4:
				e.VSHUFF32X4(operand.Imm(0b10_11_00_01), v, v, y)
			default:
				e.VSHUFF32X4(operand.Imm(0b01_00_11_10), v, v, y)
			}
			e.VFMADD231PS(signs(h), v, y)
			vs[part] = y
		}
	}
	if len(vs) > 1 {
		sum := e.vec()
		e.VADDPS(vs[1], vs[0], sum)
		e.VSUBPS(vs[1], vs[0], vs[1])
		vs[0] = sum
	}
	for part, v := range vs {
		e.VMOVUPS(v, operand.Mem{Base: at, Disp: part * e.bytes()})
	}
}
