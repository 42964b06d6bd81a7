package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Rows made columns.
//
//	dst[i][r] = x[r][i]*s
//
// Loop nest:
//
//	for as many rows as a vector has lanes:
//	    for four columns:    four vectors, each with every fourth row's four elements; in each quarter
//	                         of a vector four by four elements change places, which leaves columns
//
// What is left of columns and of rows goes one by one. Registers: four vectors and four more.

func transpose(e *emitter) {
	t := &transposer{emitter: e, dst: e.matrix("dst", "ldd"), x: e.matrix("x", "ldx"), factor: e.splat("s")}
	rows, lanes := e.integer("rows"), e.level.Lanes
	loop, last, done := e.label("rows"), e.label("last"), e.label("done")
	e.Label(loop)
	e.CMPQ(rows, operand.I32(lanes))
	e.JLT(operand.LabelRef(last))
	t.columns()
	for range lanes {
		e.ADDQ(t.x.stride, t.x.at)
	}
	e.ADDQ(operand.I32(e.bytes()), t.dst.at)
	e.SUBQ(operand.I32(lanes), rows)
	e.JMP(operand.LabelRef(loop))

	e.Label(last)
	e.TESTQ(rows, rows)
	e.JLE(operand.LabelRef(done))
	n := e.integer("n")
	t.single(e.copyOf(t.dst.at), e.copyOf(t.x.at), n, rows)
	e.Label(done)
}

// A transposer is the kernel being written: where the rows at hand begin, and their columns.
type transposer struct {
	*emitter
	dst, x matrix
	factor reg.VecVirtual
}

// columns writes all columns of as many rows as a vector has lanes.
func (t *transposer) columns() {
	const few = 4 // columns at a time
	dst, left := t.copyOf(t.dst.at), t.integer("n")
	triple := t.GP64()
	t.LEAQ(operand.Mem{Base: t.x.stride, Index: t.x.stride, Scale: 2}, triple)
	first := []reg.GPVirtual{t.copyOf(t.x.at)} // of every four rows
	for len(first) < t.level.Lanes/few {
		p := t.GP64()
		t.LEAQ(operand.Mem{Base: first[len(first)-1], Index: t.x.stride, Scale: few}, p)
		first = append(first, p)
	}
	loop, rest, done := t.label("columns"), t.label("rest"), t.label("done")
	t.Label(loop)
	t.CMPQ(left, operand.Imm(few))
	t.JLT(operand.LabelRef(rest))
	vs := t.vecs(few)
	for r, v := range vs {
		for quarter, p := range first {
			at := operand.Mem{Base: p}
			switch r {
			case 1, 2:
				at.Index, at.Scale = t.x.stride, uint8(r)
			case 3:
				at.Index, at.Scale = triple, 1
			}
			switch {
			case quarter == 0:
				t.VMOVUPS(at, v.AsX())
			case t.masked():
				t.VINSERTF32X4(operand.Imm(uint64(quarter)), at, v, v)
			default:
				t.VINSERTF128(operand.Imm(uint64(quarter)), at, v, v)
			}
		}
	}
	for _, v := range t.square(vs) {
		t.VMULPS(t.factor, v, v)
		t.VMOVUPS(v, operand.Mem{Base: dst})
		t.ADDQ(t.dst.stride, dst)
	}
	for _, p := range first {
		t.ADDQ(operand.Imm(4*few), p)
	}
	t.SUBQ(operand.Imm(few), left)
	t.JMP(operand.LabelRef(loop))

	t.Label(rest)
	t.TESTQ(left, left)
	t.JLE(operand.LabelRef(done))
	rows := t.literal(t.level.Lanes)
	t.single(dst, first[0], left, rows)
	t.Label(done)
}

// square transposes four by four elements in every quarter of four vectors.
func (t *transposer) square(v []reg.VecVirtual) []reg.VecVirtual {
	pairs, columns := t.vecs(4), t.vecs(4)
	for i, from := range []int{0, 2} {
		t.VUNPCKLPS(v[from+1], v[from], pairs[i])
		t.VUNPCKHPS(v[from+1], v[from], pairs[2+i])
	}
	for i, from := range []int{0, 2} {
		t.VUNPCKLPD(pairs[from+1], pairs[from], columns[2*i])
		t.VUNPCKHPD(pairs[from+1], pairs[from], columns[2*i+1])
	}
	return columns
}

// single writes n columns, one or more, of some rows from x on to dst, element by element; it changes its
// arguments. Each element goes to a line of its own, which stores would wait for: the lines behind these, which
// are the next head's, are asked for meanwhile.
func (t *transposer) single(dst, x, n, rows reg.GPVirtual) {
	size := t.copyOf(n)
	t.IMULQ(t.dst.stride, size)
	t.times(rows, func() {
		to, left, off, v := t.copyOf(dst), t.copyOf(n), t.GP64(), t.XMM()
		t.XORQ(off, off)
		t.times(left, func() {
			t.VMOVSS(operand.Mem{Base: x, Index: off, Scale: 4}, v)
			t.VMULSS(t.factor.AsX(), v, v)
			t.VMOVSS(v, operand.Mem{Base: to})
			t.PREFETCHT0(operand.Mem{Base: to, Index: size, Scale: 1})
			t.ADDQ(t.dst.stride, to)
			t.INCQ(off)
		})
		t.ADDQ(t.x.stride, x)
		t.ADDQ(operand.Imm(4), dst)
	})
}
