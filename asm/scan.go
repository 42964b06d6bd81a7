package asm

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Selective scan.
//
//	for each group of 16 channels:
//	  for each token:
//	    delta = softplus(d); x = delta·v; y = skip·v
//	    for each state j: s[j] = exp(delta·a[j])·s[j] + x·b[j];  y += s[j]·c[j]
//
// A group's s, and its a, stay in the nearest cache: 12 bytes a channel and state, hot, and 12 a channel and token
// that are not. delta, x, y are registers; a state costs about twenty instructions, of which exp is most, and
// the chains of several states overlap.

// softplusS are the coefficients of kernel.Softplus.
var softplusS = [...]float32{
	-0x1.fffffep-2, 0x1.55540cp-2, -0x1.ffb95cp-3, 0x1.969cb2p-3, -0x1.448ee2p-3,
	0x1.d992bcp-4, -0x1.11708cp-4, 0x1.9d455ap-6, -0x1.24b298p-8,
}

// softplus is a fresh vector of log(1+e^x).
func (e *emitter) softplus(x reg.VecVirtual, c *expConstants) reg.VecVirtual {
	top, minus := e.vec(), e.vec()
	e.VBROADCASTSS(e.data("sign", 1<<31), minus)
	e.VORPS(minus, x, minus) // -|x|
	e.zero(top)
	e.VMAXPS(top, x, top)
	y := e.exp(minus, c)
	p, s := e.vec(), e.vec()
	last := len(softplusS) - 1
	e.VBROADCASTSS(e.softplusS(last), p)
	for i := last - 1; i >= 0; i-- {
		e.VBROADCASTSS(e.softplusS(i), s)
		e.VFMADD213PS(s, y, p) // p = p*e + s
	}
	e.VFMADD213PS(c.c[0], y, p)
	e.VFMADD213PS(top, y, p)
	return p
}

func (e *emitter) softplusS(i int) operand.Mem {
	return e.data(fmt.Sprintf("softplusS%d", i), math.Float32bits(softplusS[i]))
}

// scan runs over groups of channels, tokens and states.
func scan(e *emitter) {
	outer, r, j := e.label("group"), e.label("token"), e.label("state")
	nextGroup, nextPart, done := e.label("nextGroup"), e.label("outputs"), e.label("done")
	s, a := e.ptr("s"), e.ptr("a")
	at, left := e.GP64(), e.length("skip") // bytes of the channels before the group; channels from it on
	e.XORQ(at, at)
	c := e.expConstants()

	e.Label(outer)
	e.TESTQ(left, left)
	e.JLE(operand.LabelRef(done))
	arrays := []string{"dst", "v", "d", "b", "c"}
	row := map[string]reg.GPVirtual{}
	for _, name := range arrays {
		row[name] = e.ptr(name)
		if name != "b" && name != "c" {
			e.ADDQ(at, row[name])
		}
	}
	tokens, skip := e.integer("rows"), e.ptr("skip")
	e.ADDQ(at, skip)
	e.TESTQ(tokens, tokens)
	e.JLE(operand.LabelRef(nextGroup))

	e.Label(r)
	zero, state, rate, n := e.GP64(), e.GP64(), e.GP64(), e.GP64() // n: states before it
	for part := range e.parts() {
		e.XORQ(zero, zero)
		lanes := slot{off: zero, part: part, mask: e.below(left, part)}
		v := e.load(row["v"], lanes)
		y := e.load(skip, lanes)
		e.VMULPS(v, y, y)
		delta := e.softplus(e.load(row["d"], lanes), c)
		e.VMULPS(delta, v, v)

		e.XORQ(state, state)
		e.XORQ(rate, rate)
		e.XORQ(n, n)
		loop, over := fmt.Sprintf("%spart%d", j, part), fmt.Sprintf("%spart%d", nextPart, part)
		e.CMPQ(n, e.arg("states"))
		e.JGE(operand.LabelRef(over))

		e.Label(loop)
		here := slot{off: state, part: part}
		x := e.vec()
		e.VMOVUPS(operand.Mem{Base: a, Index: rate, Scale: 4, Disp: part * e.bytes()}, x)
		e.VMULPS(delta, x, x)
		decay := e.exp(x, c)
		in := e.vec()
		e.VBROADCASTSS(operand.Mem{Base: row["b"], Index: n, Scale: 4}, in)
		e.VMULPS(v, in, in)
		e.VFMADD213PS(in, e.load(s, here), decay) // decay = s*decay + x*b
		e.store(decay, s, here)
		out := e.vec()
		e.VBROADCASTSS(operand.Mem{Base: row["c"], Index: n, Scale: 4}, out)
		e.VFMADD231PS(out, decay, y)
		e.ADDQ(operand.Imm(4*group), state)
		e.ADDQ(e.arg("lda"), rate)
		e.INCQ(n)
		e.CMPQ(n, e.arg("states"))
		e.JL(operand.LabelRef(loop))

		e.Label(over)
		e.XORQ(zero, zero)
		lanes.mask = e.below(left, part)
		e.store(y, row["dst"], lanes)
	}
	for i, name := range []string{"ldd", "ldv", "lds", "ldb", "ldc"} {
		e.MOVQ(e.arg(name), zero)
		e.LEAQ(operand.Mem{Base: row[arrays[i]], Index: zero, Scale: 4}, row[arrays[i]])
	}
	e.DECQ(tokens)
	e.JNE(operand.LabelRef(r))

	e.Label(nextGroup)
	e.MOVQ(e.arg("states"), zero)
	e.SHLQ(operand.Imm(6), zero)
	e.ADDQ(zero, s)
	e.ADDQ(operand.Imm(4*group), a)
	e.ADDQ(operand.Imm(4*group), at)
	e.SUBQ(operand.Imm(group), left)
	e.JMP(operand.LabelRef(outer))
	e.Label(done)
}
