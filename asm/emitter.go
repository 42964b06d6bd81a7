package asm

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/yococ/yococ/ir/plan"
)

// group is how many float32 the kernels take at a time at every level, one vector of sixteen or
// two of eight: the lanes of kernel.Set's sum16.
const group = 16

// An emitter writes one kernel at one level.
type emitter struct {
	*build.Context
	level     plan.Level
	streamed  bool // as of Emit
	labels    int
	constants map[string]bool // the constants that the file already has
}

// masked reports whether the level has opmask registers and 32 vectors; without them masks are
// vectors and constants stay in memory.
func (e *emitter) masked() bool { return e.level.Lanes == 16 }

// parts is how many vectors a group is.
func (e *emitter) parts() int { return group / e.level.Lanes }

// bytes is the size of a vector.
func (e *emitter) bytes() int { return 4 * e.level.Lanes }

// vec is a fresh vector register.
func (e *emitter) vec() reg.VecVirtual {
	if e.level.Lanes == 16 {
		return e.ZMM()
	}
	return e.YMM()
}

// vecs are n fresh vector registers.
func (e *emitter) vecs(n int) []reg.VecVirtual {
	vs := make([]reg.VecVirtual, n)
	for i := range vs {
		vs[i] = e.vec()
	}
	return vs
}

// zero clears vectors.
func (e *emitter) zero(vs ...reg.VecVirtual) {
	for _, v := range vs {
		e.VXORPS(v, v, v)
	}
}

// label is a name that the function does not use elsewhere.
func (e *emitter) label(name string) string {
	e.labels++
	return fmt.Sprintf("%s%d", name, e.labels)
}

// ptr loads the address of a slice parameter's first element.
func (e *emitter) ptr(name string) reg.GPVirtual {
	r := e.GP64()
	e.Load(e.Param(name).Base(), r)
	return r
}

// length loads the length of a slice parameter.
func (e *emitter) length(name string) reg.GPVirtual {
	r := e.GP64()
	e.Load(e.Param(name).Len(), r)
	return r
}

// integer loads an int parameter.
func (e *emitter) integer(name string) reg.GPVirtual {
	r := e.GP64()
	e.Load(e.Param(name), r)
	return r
}

// arg is a scalar parameter where it lies in memory.
func (e *emitter) arg(name string) operand.Mem {
	b, err := e.Param(name).Resolve()
	if err != nil {
		panic("BUG: parameter " + name + ": " + err.Error())
	}
	return b.Addr
}

// argLen is the length of a slice parameter where it lies in memory.
func (e *emitter) argLen(name string) operand.Mem {
	b, err := e.Param(name).Len().Resolve()
	if err != nil {
		panic("BUG: parameter " + name + ": " + err.Error())
	}
	return b.Addr
}

// result is a scalar result where it lies in memory.
func (e *emitter) result(name string) operand.Mem {
	b, err := e.Return(name).Resolve()
	if err != nil {
		panic("BUG: result " + name + ": " + err.Error())
	}
	return b.Addr
}

// splat fills a fresh vector with a float32 parameter.
func (e *emitter) splat(name string) reg.VecVirtual {
	v := e.vec()
	e.VBROADCASTSS(e.arg(name), v)
	return v
}

// data is a read-only array of 32-bit words, one a file for each name.
func (e *emitter) data(name string, words ...uint32) operand.Mem {
	name += "_" + e.level.Name
	m := operand.NewDataAddr(operand.NewStaticSymbol(name), 0)
	if !e.constants[name] {
		e.constants[name] = true
		e.StaticGlobal(name)
		e.DataAttributes(attr.RODATA | attr.NOPTR)
		for _, w := range words {
			e.AppendDatum(operand.U32(w))
		}
	}
	return m
}

// constant is a vector of equal words to be used as the first source of an instruction, the
// one that may be memory: a register for the levels that have many, else memory. It belongs
// outside loops.
func (e *emitter) constant(name string, word uint32) operand.Op {
	if e.masked() {
		v := e.vec()
		e.VPBROADCASTD(e.data(name, word), v)
		return v
	}
	words := make([]uint32, e.level.Lanes)
	for i := range words {
		words[i] = word
	}
	return e.data(name, words...)
}

// float is the constant f.
func (e *emitter) float(name string, f float32) operand.Op {
	return e.constant(name, math.Float32bits(f))
}

// inRegister is a constant as a register.
func (e *emitter) inRegister(c operand.Op) reg.VecVirtual {
	if v, ok := c.(reg.VecVirtual); ok {
		return v
	}
	v := e.vec()
	e.VMOVUPS(c, v)
	return v
}

// A slot is one vector of the elements that a loop is at, or some lanes of it.
type slot struct {
	off  reg.GPVirtual // bytes from the start of each array to the group
	part int           // which vector of the group
	mask reg.Register  // the lanes that exist, nil if all do
}

// at is where the slot lies in the array at base.
func (e *emitter) at(base reg.Register, s slot) operand.Mem {
	return operand.Mem{Base: base, Index: s.off, Scale: 1, Disp: s.part * e.bytes()}
}

// load is a fresh vector of the slot's elements, zero where lanes are masked out.
func (e *emitter) load(base reg.Register, s slot) reg.VecVirtual {
	v := e.vec()
	switch {
	case s.mask == nil:
		e.VMOVUPS(e.at(base, s), v)
	case e.masked():
		e.VMOVUPS_Z(e.at(base, s), s.mask, v)
	default:
		e.VMASKMOVPS(e.at(base, s), s.mask, v)
	}
	return v
}

// store writes the slot's elements.
func (e *emitter) store(v reg.Register, base reg.Register, s slot) {
	switch {
	case s.mask == nil:
		e.VMOVUPS(v, e.at(base, s))
	case e.masked():
		e.VMOVUPS(v, s.mask, e.at(base, s))
	default:
		e.VMASKMOVPS(v, s.mask, e.at(base, s))
	}
}

// only clears the lanes of v that are masked out.
func (e *emitter) only(v reg.VecVirtual, s slot) {
	switch {
	case s.mask == nil:
	case e.masked():
		e.VMOVAPS_Z(v, s.mask, v)
	default:
		e.VANDPS(s.mask, v, v)
	}
}

// each writes body over n elements: group by group, then what is left under masks.
func (e *emitter) each(n reg.GPVirtual, body func(slot)) {
	off, left := e.GP64(), e.GP64()
	e.XORQ(off, off)
	e.MOVQ(n, left)
	e.groups(off, left, body)
}

// groups is each from byte off on, for left elements; it changes both.
func (e *emitter) groups(off, left reg.GPVirtual, body func(slot)) {
	loop, tail, done := e.label("loop"), e.label("tail"), e.label("done")
	e.CMPQ(left, operand.Imm(group))
	e.JLT(operand.LabelRef(tail))

	e.Label(loop)
	for part := range e.parts() {
		body(slot{off: off, part: part})
	}
	e.ADDQ(operand.Imm(4*group), off)
	e.SUBQ(operand.Imm(group), left)
	e.CMPQ(left, operand.Imm(group))
	e.JGE(operand.LabelRef(loop))

	e.Label(tail)
	e.TESTQ(left, left)
	e.JLE(operand.LabelRef(done))
	for part := range e.parts() {
		body(slot{off: off, part: part, mask: e.below(left, part)})
	}
	e.Label(done)
}

// lane are the numbers of the lanes of a group.
func (e *emitter) lane(part int) operand.Mem {
	words := make([]uint32, group)
	for i := range words {
		words[i] = uint32(i)
	}
	return e.data("lane", words...).Offset(part * e.bytes())
}

// below is the mask of the lanes of a part whose number in the group is less than n.
func (e *emitter) below(n reg.GPVirtual, part int) reg.Register {
	v := e.number(n)
	if e.masked() {
		k := e.K()
		e.VPCMPGTD(e.lane(part), v, k)
		return k
	}
	e.VPCMPGTD(e.lane(part), v, v)
	return v
}

// number fills a fresh vector with the low half of an integer.
func (e *emitter) number(n reg.GPVirtual) reg.VecVirtual {
	v := e.vec()
	if e.masked() {
		e.VPBROADCASTD(n.As32(), v)
		return v
	}
	e.VMOVD(n.As32(), v.AsX())
	e.VPBROADCASTD(v.AsX(), v)
	return v
}

// fold reduces the sixteen lanes of a group to lane 0 of its first vector by the tree of sum16:
// lane[i] = op(lane[i], lane[i+8]) for i < 8, then by 4, by 2, by 1.
func (e *emitter) fold(vs []reg.VecVirtual, op func(x, y, dst operand.Op)) reg.VecVirtual {
	s := vs[0]
	if e.masked() {
		high := e.YMM()
		e.VEXTRACTF64X4(operand.Imm(1), s, high)
		op(high, s.AsY(), s.AsY())
	} else {
		op(vs[1], s, s)
	}
	x := e.XMM()
	if e.masked() {
		e.VEXTRACTF32X4(operand.Imm(1), s.AsY(), x)
	} else {
		e.VEXTRACTF128(operand.Imm(1), s.AsY(), x)
	}
	op(x, s.AsX(), s.AsX())
	e.VMOVHLPS(s.AsX(), s.AsX(), x)
	op(x, s.AsX(), s.AsX())
	e.VMOVSHDUP(s.AsX(), x)
	op(x, s.AsX(), s.AsX())
	return s
}

// spread fills vectors with lane 0 of v.
func (e *emitter) spread(v reg.VecVirtual) reg.VecVirtual {
	all := e.vec()
	e.VBROADCASTSS(v.AsX(), all)
	return all
}

// evenly is each tile's share of bytes, rounded up, where rows are tiles of most rows at most.
func (e *emitter) evenly(bytes int, rows reg.GPVirtual, most int) reg.GPVirtual {
	return e.shares(e.literal(bytes), e.shares(rows, e.literal(most)))
}

// shares is a fresh register with n/of rounded up, or 0 if of is.
func (e *emitter) shares(n, of reg.GPVirtual) reg.GPVirtual {
	q, none := e.GP64(), e.label("none")
	e.XORQ(q, q)
	e.TESTQ(of, of)
	e.JE(operand.LabelRef(none))
	e.LEAQ(operand.Mem{Base: n, Index: of, Scale: 1, Disp: -1}, reg.RAX)
	e.XORL(reg.EDX, reg.EDX)
	e.DIVQ(of)
	e.MOVQ(reg.RAX, q)
	e.Label(none)
	return q
}
