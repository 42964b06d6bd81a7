package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Kernels of rows, one after another.
//
//	ropeInterleaved: dst[r][i] = fma(x[r][i], cos[r][i], x[r][i^1]*sin[r][i])
//	ropeHalf:        dst[r][i] = fma(x[r][i], cos[r][i], x[r][(i+n/2)%n]*sin[r][i])
//	scaleRows:       dst[r][i] = x[r][i]*s[r]
//	transpose:       dst[i][r] = x[r][i]*s
//	decay:           p[r][j] = p[r][j]*exp(g[first+r]-g[j]), 0 for j > first+r
//
// Rows are what a head has of a chunk's: far apart, and no longer in a near cache, so that those some
// rows below are fetched meanwhile.

// A matrix is rows of a slice parameter: the row at hand, and the bytes to the next.
type matrix struct{ at, stride reg.GPVirtual }

// matrix loads a slice parameter and the distance of its rows.
func (e *emitter) matrix(name, stride string) matrix {
	m := matrix{e.ptr(name), e.integer(stride)}
	e.SHLQ(operand.Imm(2), m.stride)
	return m
}

// nextRow steps to the next row.
func (e *emitter) nextRow(ms ...matrix) {
	for _, m := range ms {
		e.ADDQ(m.stride, m.at)
	}
}

// below8 is the row eight rows below.
func (e *emitter) below8(m matrix) reg.GPVirtual {
	p := e.GP64()
	e.LEAQ(operand.Mem{Base: m.at, Index: m.stride, Scale: 8}, p)
	return p
}

// behind is where the row behind a row of n elements at x is likely to lie: a cache line of padding between them
// (plan.Stride) makes little difference.
func (e *emitter) behind(x, n reg.GPVirtual) reg.GPVirtual {
	p := e.GP64()
	e.LEAQ(operand.Mem{Base: x, Index: n, Scale: 4, Disp: cacheLine}, p)
	return p
}

// fetch asks for the line of a slot of a row to come.
func (e *emitter) fetch(row reg.GPVirtual, s slot) {
	if s.part == 0 {
		e.PREFETCHT0(e.at(row, s))
	}
}

// ropeInterleaved swaps the pairs by a shuffle.
func ropeInterleaved(e *emitter) {
	const swap = 0b10_11_00_01 // lanes 1, 0, 3, 2 of each four

	e.rope(func(dst, x, cos, sin matrix, n reg.GPVirtual) {
		below := e.below8(x)
		e.each(n, func(s slot) {
			e.fetch(below, s)
			v, y := e.load(x.at, s), e.vec()
			e.VPERMILPS(operand.Imm(swap), v, y)
			e.VMULPS(e.load(sin.at, s), y, y)
			e.VFMADD231PS(e.load(cos.at, s), v, y)
			e.store(y, dst.at, s)
		})
	})
}

// ropeHalf takes a vector of either half at a time.
func ropeHalf(e *emitter) {
	e.rope(func(dst, x, cos, sin matrix, n reg.GPVirtual) {
		half := e.copyOf(n)
		e.SHRQ(operand.Imm(1), half)
		e.each(half, func(s slot) {
			other := s
			other.off = e.GP64()
			e.LEAQ(operand.Mem{Base: s.off, Index: n, Scale: 2}, other.off)
			a, b := e.load(x.at, s), e.load(x.at, other)
			y, z := e.vec(), e.vec()
			e.VMULPS(e.load(sin.at, s), b, y)
			e.VFMADD231PS(e.load(cos.at, s), a, y)
			e.VMULPS(e.load(sin.at, other), a, z)
			e.VFMADD231PS(e.load(cos.at, other), b, z)
			e.store(y, dst.at, s)
			e.store(z, dst.at, other)
		})
	})
}

// rope writes body for every row of a rotation.
func (e *emitter) rope(body func(dst, x, cos, sin matrix, n reg.GPVirtual)) {
	dst, x, cos := e.matrix("dst", "ldd"), e.matrix("x", "ldx"), e.matrix("cos", "ldp")
	sin, n := matrix{e.ptr("sin"), cos.stride}, e.integer("n")
	e.times(e.integer("rows"), func() {
		body(dst, x, cos, sin, n)
		e.nextRow(dst, x, cos, sin)
	})
}

func scaleRows(e *emitter) {
	dst, x, factors, n := e.matrix("dst", "ldd"), e.matrix("x", "ldx"), e.ptr("s"), e.integer("n")
	e.times(e.integer("rows"), func() {
		factor, below := e.vec(), e.below8(x)
		e.VBROADCASTSS(operand.Mem{Base: factors}, factor)
		e.each(n, func(s slot) {
			e.fetch(below, s)
			v := e.load(x.at, s)
			e.VMULPS(factor, v, v)
			e.store(v, dst.at, s)
		})
		e.ADDQ(operand.Imm(4), factors)
		e.nextRow(dst, x)
	})
}

// decay goes row by row: the columns that the row sees, then the rest.
func decay(e *emitter) {
	p, g, n := e.matrix("p", "ldp"), e.ptr("g"), e.integer("first")
	c, zero := e.expConstants(), e.vec()
	e.zero(zero)
	e.times(e.integer("rows"), func() {
		from := e.vec()
		e.VBROADCASTSS(operand.Mem{Base: g, Index: n, Scale: 4}, from)
		e.INCQ(n)
		e.each(n, func(s slot) {
			x := e.load(g, s)
			e.VSUBPS(x, from, x)
			y := e.exp(x, c)
			e.VMULPS(e.load(p.at, s), y, y)
			e.store(y, p.at, s)
		})
		rest, unseen := e.length("g"), e.GP64()
		e.SUBQ(n, rest)
		e.LEAQ(operand.Mem{Base: p.at, Index: n, Scale: 4}, unseen)
		e.each(rest, func(s slot) { e.store(zero, unseen, s) })
		e.nextRow(p)
	})
}
