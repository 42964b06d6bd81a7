package asm

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/reg"
)

// compile is avo's pass.Compile with allocate in the place of Liveness and AllocateRegisters: the
// same registers, in a small part of the time that compiling a model took.
var compile = pass.Concat(
	pass.Verify,
	pass.FunctionPass(pass.PruneJumpToFollowingLabel),
	pass.FunctionPass(pass.PruneDanglingLabels),
	pass.FunctionPass(pass.LabelTarget),
	pass.FunctionPass(pass.CFG),
	pass.InstructionPass(pass.ZeroExtend32BitOutputs),
	pass.FunctionPass(allocate),
	pass.FunctionPass(pass.BindRegisters),
	pass.FunctionPass(pass.VerifyAllocation),
	pass.FunctionPass(pass.EnsureBasePointerCalleeSaved),
	pass.Func(pass.IncludeTextFlagHeader),
	pass.FunctionPass(pass.PruneSelfMoves),
	pass.FunctionPass(pass.RequiredISAExtensions),
)

// allocate gives every virtual register of a function a physical one, by coloring: of the virtual registers the
// one with the fewest possibilities is next, of several the one with the smallest ID, and takes the first
// of its kind that no register which lives beside it has.
//
// A set of registers is a slice of words with 16 bits a register, the parts of it that are in the
// set, as reg.Register.Mask has them.
func allocate(fn *ir.Function) error {
	g := newInterference(fn)
	fn.Allocation = reg.NewEmptyAllocation()
	for {
		v := g.next()
		if v < 0 {
			return nil
		}
		if g.possible[v] == 0 {
			return fmt.Errorf("%s: failed to allocate registers", fn.Name)
		}
		color := bits.TrailingZeros32(g.possible[v])
		fn.Allocation[g.ids[v]] = colors[g.ids[v].Kind()][color]
		g.done[v] = true
		for _, w := range g.beside[v] {
			g.possible[w] &^= 1 << color
		}
	}
}

// colors are the physical registers of each kind, in the order in which they are taken: the base pointer,
// which a function that uses it has to save, comes last.
var colors = map[reg.Kind][]reg.ID{}

func init() {
	for _, kind := range []reg.Kind{reg.KindGP, reg.KindVector, reg.KindOpmask} {
		var ids, last []reg.ID
		for _, r := range reg.FamilyOfKind(kind).Registers() {
			switch {
			case r.Info()&reg.Restricted != 0:
			case r.Info()&reg.BasePointer != 0:
				last = append(last, r.ID())
			default:
				ids = append(ids, r.ID())
			}
		}
		slices.Sort(ids)
		slices.Sort(last)
		colors[kind] = append(slices.Compact(ids), slices.Compact(last)...)
	}
}

// An interference says of a function's registers, which are numbered in ascending order of their IDs,
// which of them may not be in one place.
type interference struct {
	ids      []reg.ID
	number   map[reg.ID]int
	beside   [][]int  // of a virtual register: the virtual ones that interfere, each once
	possible []uint32 // of a virtual register: what it may become, a bit for each of colors
	done     []bool   // it has its place, or is a physical one
}

func newInterference(fn *ir.Function) *interference {
	g := &interference{number: map[reg.ID]int{}}
	code := fn.Instructions()
	for _, in := range code {
		for _, r := range slices.Concat(in.Registers(), in.InputRegisters(), in.OutputRegisters()) {
			if _, ok := g.number[r.ID()]; !ok {
				g.number[r.ID()] = 0
				g.ids = append(g.ids, r.ID())
			}
		}
	}
	slices.Sort(g.ids)
	n := len(g.ids)
	g.beside, g.possible, g.done = make([][]int, n), make([]uint32, n), make([]bool, n)
	for i, id := range g.ids {
		g.number[id] = i
		g.done[i] = id.IsPhysical()
		g.possible[i] = uint32(1<<len(colors[id.Kind()]) - 1)
	}
	seen := make([]uint64, (n*n+63)/64)
	for i, live := range g.liveOut(code) {
		for _, d := range code[i].OutputRegisters() {
			x := g.number[d.ID()]
			for y, id := range g.ids {
				if y == x || id.Kind() != d.Kind() || uint16(live[y/4]>>(y%4*16))&d.Mask() == 0 {
					continue
				}
				if at := x*n + y; seen[at/64]>>(at%64)&1 == 0 {
					seen[at/64] |= 1 << (at % 64)
					g.interfere(x, y)
				}
			}
		}
	}
	return g
}

// interfere notes that x and y may not be in one place.
func (g *interference) interfere(x, y int) {
	switch {
	case g.done[x] && g.done[y]:
	case g.done[x]:
		g.exclude(y, g.ids[x])
	case g.done[y]:
		g.exclude(x, g.ids[y])
	default:
		g.beside[x] = append(g.beside[x], y)
		g.beside[y] = append(g.beside[y], x)
	}
}

func (g *interference) exclude(v int, physical reg.ID) {
	if i := slices.Index(colors[physical.Kind()], physical); i >= 0 {
		g.possible[v] &^= 1 << i
	}
}

// next is the virtual register that has the fewest possibilities left, -1 if all have their place.
func (g *interference) next() int {
	next, fewest := -1, 33
	for v, p := range g.possible {
		if n := bits.OnesCount32(p); !g.done[v] && n < fewest {
			next, fewest = v, n
		}
	}
	return next
}

// liveOut has the set of what is read later for each instruction: the smallest solution of
//
//	out = union of in, over the successors
//	in  = use ∪ (out \ def)
func (g *interference) liveOut(code []*ir.Instruction) [][]uint64 {
	words := (len(g.ids) + 3) / 4
	sets := func() [][]uint64 {
		all, each := make([]uint64, len(code)*words), make([][]uint64, len(code))
		for i := range each {
			each[i] = all[i*words:][:words:words]
		}
		return each
	}
	in, out, def := sets(), sets(), sets()
	add := func(set []uint64, rs []reg.Register) {
		for _, r := range rs {
			i := g.number[r.ID()]
			set[i/4] |= uint64(r.Mask()) << (i % 4 * 16)
		}
	}
	at := make(map[*ir.Instruction]int, len(code))
	for i, c := range code {
		at[c] = i
		add(in[i], c.InputRegisters())
		add(def[i], c.OutputRegisters())
	}
	for changed := true; changed; {
		changed = false
		for i, c := range slices.Backward(code) {
			for _, s := range c.Succ {
				if s == nil {
					continue
				}
				for w, x := range in[at[s]] {
					out[i][w] |= x
				}
			}
			for w, x := range out[i] {
				if x &^= def[i][w]; x&^in[i][w] != 0 {
					in[i][w] |= x
					changed = true
				}
			}
		}
	}
	return out
}
