package asm

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Instructions that neither avo nor the Go assembler knows. A kernel appends them by name, with virtual
// registers as any other, so that avo finds their live ranges and registers; encode then writes
// their bytes. All are of the form OP rm, vvvv, dst over 64-byte vectors, rm a register or memory.

// An evex is what distinguishes an instruction of the form (Intel's manual, volume 2, 2.7).
type evex struct {
	prefix byte // 0 none, 1 66, 2 F3, 3 F2
	opcode byte // in the map 0F38, W0
	isa    string
}

var encoded = map[string]evex{
	"VDPBF16PS": {2, 0x52, "AVX512_BF16"},
}

// unknown appends an instruction of encoded that reads and writes dst.
func (e *emitter) unknown(opcode string, rm operand.Op, vvvv, dst reg.VecVirtual) {
	e.Instruction(&ir.Instruction{
		Opcode:   opcode,
		Operands: []operand.Op{rm, vvvv, dst},
		Inputs:   []operand.Op{rm, vvvv, dst},
		Outputs:  []operand.Op{dst},
		ISA:      []string{encoded[opcode].isa},
	})
}

// encode replaces the instructions of a compiled file that the assembler does not know by their bytes.
func encode(file *ir.File) error {
	for _, fn := range file.Functions() {
		var nodes []ir.Node
		for _, n := range fn.Nodes {
			in, ok := n.(*ir.Instruction)
			if !ok || encoded[in.Opcode].opcode == 0 {
				nodes = append(nodes, n)
				continue
			}
			code, err := encoded[in.Opcode].bytes(in.Operands)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", fn.Name, in.Opcode, err)
			}
			var list []string
			for _, o := range in.Operands {
				list = append(list, o.Asm())
			}
			nodes = append(nodes, ir.NewComment(in.Opcode+" "+strings.Join(list, ", ")))
			nodes = append(nodes, raw(code)...)
		}
		fn.Nodes = nodes
	}
	return nil
}

// raw is code as directives of the assembler.
func raw(code []byte) []ir.Node {
	var nodes []ir.Node
	emit := func(opcode string, n int) {
		for len(code) >= n {
			v := uint32(0)
			for i, b := range code[:n] {
				v |= uint32(b) << (8 * i)
			}
			var imm operand.Op = operand.U32(v)
			if n == 2 {
				imm = operand.U16(v)
			} else if n == 1 {
				imm = operand.U8(v)
			}
			nodes = append(nodes, &ir.Instruction{Opcode: opcode, Operands: []operand.Op{imm}})
			code = code[n:]
		}
	}
	emit("LONG", 4)
	emit("WORD", 2)
	emit("BYTE", 1)
	return nodes
}

// bytes encodes an instruction with physical registers: rm, vvvv, dst.
func (x evex) bytes(ops []operand.Op) ([]byte, error) {
	var numbers [2]byte // of vvvv and dst
	for i, op := range ops[1:] {
		n, ok := vectorIndex(op)
		if !ok {
			return nil, fmt.Errorf("%s is not a vector register", op.Asm())
		}
		numbers[i] = byte(n)
	}
	vvvv, dst := numbers[0], numbers[1]
	modrm := dst & 7 << 3
	var tail []byte
	var high [2]byte // bits 3 and 4 of what is in rm
	if n, ok := vectorIndex(ops[0]); ok {
		modrm |= 0b11<<6 | byte(n)&7
		high = [2]byte{byte(n) >> 3 & 1, byte(n) >> 4 & 1}
	} else {
		m, ok := ops[0].(operand.Mem)
		if !ok || m.Base == nil || m.Index != nil || m.Symbol.Name != "" {
			return nil, fmt.Errorf("%s is neither a vector register nor memory at a register", ops[0].Asm())
		}
		base := byte(reg.ToPhysical(m.Base).PhysicalIndex())
		high[0] = base >> 3
		modrm |= base & 7
		if base&7 == 4 { // the numbers that mean an index, of which there is none
			tail = append(tail, 0x24)
		}
		switch {
		case m.Disp == 0 && base&7 != 5: // the numbers that would mean an address without base
		case m.Disp%64 == 0 && m.Disp/64 >= -128 && m.Disp/64 < 128:
			modrm |= 0b01 << 6
			tail = append(tail, byte(m.Disp/64))
		default:
			modrm |= 0b10 << 6
			for i := range 4 {
				tail = append(tail, byte(m.Disp>>(8*i)))
			}
		}
	}
	const map0F38, length512 = 2, 0b10 << 5
	not := func(bit byte) byte { return ^bit & 1 }
	code := []byte{
		0x62,
		not(dst>>3)<<7 | not(high[1])<<6 | not(high[0])<<5 | not(dst>>4)<<4 | map0F38,
		^vvvv&15<<3 | 1<<2 | x.prefix,
		length512 | not(vvvv>>4)<<3,
		x.opcode, modrm,
	}
	return append(code, tail...), nil
}
