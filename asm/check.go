package asm

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/yococ/yococ/ir/plan"
)

// check reports every instruction of a compiled file that needs more than the level of its function
// has (the level, or by its name the level with its bonus): an extension that it does not list, or a
// vector register that its encoding does not reach. avo hands out Y16 and above without saying that
// only AVX-512 can encode them, and a machine with AVX-512 would run them.
func check(file *ir.File, level plan.Level) error {
	var errs []error
	for _, fn := range file.Functions() {
		level := level
		if strings.HasSuffix(fn.Name, "_"+level.With().Name) {
			level = level.With()
		}
		for _, in := range fn.Instructions() {
			for _, isa := range in.ISA {
				if !slices.Contains(level.Features, isa) {
					errs = append(errs, fmt.Errorf("%s: %s needs %s, which %s does not have", fn.Name, in.Opcode, isa, level.Name))
				}
			}
			for _, op := range in.Operands {
				if n, ok := vectorIndex(op); ok && n >= level.Vectors {
					errs = append(errs, fmt.Errorf("%s: %s uses %s, but %s has %d vector registers", fn.Name, in.Opcode, op.Asm(), level.Name, level.Vectors))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// vectorIndex is the number of the vector register that op is.
func vectorIndex(op operand.Op) (int, bool) {
	r, ok := op.(reg.Register)
	if !ok || r.Kind() != reg.KindVector {
		return 0, false
	}
	return int(reg.ToPhysical(r).PhysicalIndex()), true
}
