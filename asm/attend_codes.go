package asm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Attention over a cache of 4-bit codes, whose layout kernel/cache_q4.go defines: attend.go's products, whose steps take
// twice as many inputs from as many bytes. First those of the low halves are looked up, which makes them a step's bytes
// of q8, then those of the high halves. A vector is loaded for each, and both are three instructions beside the
// products: mask, shift, and the look-up, a shuffle of a table in a register.

// codes look up the levels of codes, plus a zero point.
type codes struct {
	*emitter
	nibble operand.Op
	table  reg.VecVirtual
}

// q4Levels are those of kernel/cache_q4.go.
var q4Levels = [16]int8{-121, -92, -72, -56, -42, -29, -17, -6, 6, 17, 29, 42, 56, 72, 92, 121}

func scoreQ4(e *emitter) { score(e, newCodes(e, "keyLevels", 128)) }

func weighQ4(e *emitter) { weigh(e, newCodes(e, "valueLevels", 0)) }

func newCodes(e *emitter, name string, zero int) *codes {
	words := make([]uint32, group)
	for i := range words {
		for b := range 4 {
			words[i] |= uint32(byte(int(q4Levels[i%4*4+b])+zero)) << (8 * b)
		}
	}
	return &codes{emitter: e, nibble: e.constant("nibble", 0x0f0f0f0f), table: e.inRegister(e.data(name, words...))}
}

// load loads the levels of the codes in the low halves of bytes, or in the high ones.
func (c *codes) load(at operand.Mem, half int, v reg.VecVirtual) {
	switch {
	case !c.masked():
		c.VMOVDQU(at, v)
		if half == 1 {
			c.VPSRLW(operand.Imm(4), v, v)
		}
		c.VPAND(c.nibble, v, v)
	case half == 1:
		c.VPSRLW(operand.Imm(4), at, v)
		c.VPANDD(c.nibble, v, v)
	default:
		c.VPANDD(at, c.nibble, v)
	}
	c.VPSHUFB(v, c.table, v)
}

// shift makes of the number of a four that of the bytes that it is in, and returns by how much they are to be shifted.
func (c *codes) shift(at reg.GPVirtual) reg.VecVirtual {
	odd, v := c.copyOf(at), c.XMM()
	c.ANDQ(operand.Imm(1), odd)
	c.SHLQ(operand.Imm(2), odd)
	c.VMOVQ(odd, v)
	c.SHRQ(operand.Imm(1), at)
	return v
}

// loadShifted loads the levels of the codes that are in the low halves when bytes are shifted.
func (c *codes) loadShifted(at operand.Op, shift reg.VecVirtual) reg.VecVirtual {
	v := c.vec()
	c.VMOVDQU32(at, v)
	c.VPSRLW(shift, v, v)
	c.VPANDD(c.nibble, v, v)
	c.VPSHUFB(v, c.table, v)
	return v
}
