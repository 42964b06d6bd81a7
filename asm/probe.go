package asm

import (
	"math/bits"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/yococ/yococ/ir/plan"
)

// ProbeFMAs is how many FMAs a round of the probe for arithmetic does, each independent of the
// others of its round: enough to hide the latency of two units.
const ProbeFMAs = 12

// ProbePairs is the same for products of bfloat16 pairs, which take longer.
const ProbePairs = 24

// ProbeDots is the same for vectors of products of bytes, of which a vector has four a lane.
const ProbeDots = 12

// ProbeBlocks is how many of them the probe of blocks of 4 bits does.
const ProbeBlocks = 6 * 8

// EmitProbes writes what the kernels of a level are measured against: the peak of the FMA units,
// all operands in registers, and a loop that only reads.
//
//	fmaPeak_LEVEL(rounds)  rounds × ProbeFMAs vector FMAs
//	dotPeak_LEVEL(rounds)  rounds × ProbeDots sums of products of bytes: VPDPBUSD, or the three
//	                       instructions of AVX2 that do the same
//	sumPeak_LEVEL(rounds)  the same sums left in 16 bits, as products of 4 bits may be; AVX2 alone
//	signPeak_LEVEL(rounds)   what dotPeak does, with weights that have a sign; AVX2 alone
//	blockPeak_LEVEL(rounds)  rounds × ProbeBlocks of what sumPeak does, with what ends a block; AVX2 alone
//	pairPeak_LEVEL(rounds) rounds × ProbePairs sums of products of bfloat16 pairs, if the level has them
//	readPeak_LEVEL(p)      whole groups of eight vectors of p, xored together
func EmitProbes(pkg string, level plan.Level) (File, error) {
	ctx := build.NewContext()
	ctx.ConstraintExpr("amd64,!purego")
	e := &emitter{Context: ctx, level: level, constants: map[string]bool{}}

	begin := func(name, signature, doc string, level plan.Level) {
		ctx.Function(name + "_" + level.Name)
		ctx.Attributes(attr.NOSPLIT)
		ctx.SignatureExpr(signature)
		ctx.Doc(name + "_" + level.Name + " " + doc)
		ctx.Pragma("noescape")
	}
	begin("fmaPeak", "func(rounds int)", "does rounds of independent vector FMAs.", level)
	acc, one := e.vecs(ProbeFMAs), e.vec()
	e.zero(acc...)
	e.zero(one)
	e.times(e.integer("rounds"), func() {
		for _, v := range acc {
			e.VFMADD231PS(one, one, v)
		}
	})
	ctx.VZEROUPPER()
	ctx.RET()

	begin("dotPeak", "func(rounds int)", "does rounds of independent sums of products of bytes.", level)
	acc, one = e.vecs(ProbeDots), e.vec()
	e.zero(acc...)
	e.zero(one)
	e.times(e.integer("rounds"), func() {
		for _, v := range acc {
			if e.masked() {
				e.VPDPBUSD(one, one, v)
				continue
			}
			p := e.vec()
			e.VPMADDUBSW(one, one, p)
			e.VPMADDWD(one, p, p)
			e.VPADDD(p, v, v)
		}
	})
	ctx.VZEROUPPER()
	ctx.RET()

	if !e.masked() {
		begin("sumPeak", "func(rounds int)", "does rounds of independent sums of products of bytes in 16 bits.", level)
		acc, one = e.vecs(ProbeDots), e.vec()
		e.zero(acc...)
		e.zero(one)
		e.times(e.integer("rounds"), func() {
			for _, v := range acc {
				p := e.vec()
				e.VPMADDUBSW(one, one, p)
				e.VPADDW(p, v, v)
			}
		})
		ctx.VZEROUPPER()
		ctx.RET()

		begin("signPeak", "func(rounds int)", "does rounds of independent sums of products of signed bytes.", level)
		acc, one = e.vecs(ProbeDots), e.vec()
		mask := e.vec()
		e.zero(acc...)
		e.zero(one, mask)
		e.times(e.integer("rounds"), func() {
			for _, v := range acc {
				p := e.vec()
				e.VPXOR(one, mask, p)
				e.VPMADDUBSW(p, one, p)
				e.VPMADDWD(one, p, p)
				e.VPADDD(p, v, v)
			}
		})
		ctx.VZEROUPPER()
		ctx.RET()

		begin("blockPeak", "func(rounds int)", "does rounds of independent blocks of products of bytes, summed in 16 bits.", level)
		acc, one, sum := e.vecs(ProbeBlocks/8), e.vec(), e.vecs(ProbeBlocks/8)
		e.zero(sum...)
		e.zero(one)
		e.times(e.integer("rounds"), func() {
			for step := range 8 {
				for _, v := range acc {
					p := v // the first is no sum
					if step > 0 {
						p = e.vec()
					}
					e.VPMADDUBSW(one, one, p)
					if step > 0 {
						e.VPADDW(p, v, v)
					}
				}
			}
			for i, v := range acc {
				e.VPMADDWD(one, v, v)
				e.VPADDD(one, v, v)
				e.VCVTDQ2PS(v, v)
				e.VFMADD231PS(one, v, sum[i])
			}
		})
		ctx.VZEROUPPER()
		ctx.RET()
	}

	if level.Bonus != nil {
		begin("pairPeak", "func(rounds int)", "does rounds of independent VDPBF16PS.", level.With())
		acc, one := e.vecs(ProbePairs), e.vec()
		e.zero(acc...)
		e.zero(one)
		e.times(e.integer("rounds"), func() {
			for _, v := range acc {
				e.unknown("VDPBF16PS", one, one, v)
			}
		})
		ctx.VZEROUPPER()
		ctx.RET()
	}

	begin("readPeak", "func(p []float32)", "reads p, as far as it is whole groups of eight vectors.", level)
	p, groups := e.ptr("p"), e.length("p")
	e.SHRQ(operand.Imm(uint64(bits.Len(uint(8*level.Lanes))-1)), groups)
	sum := e.vecs(8)
	e.zero(sum...)
	e.times(groups, func() {
		for i, v := range sum {
			e.VXORPS(operand.Mem{Base: p, Disp: i * e.bytes()}, v, v)
		}
		e.ADDQ(operand.I32(8*e.bytes()), p)
	})
	ctx.VZEROUPPER()
	ctx.RET()

	return finish(ctx, pkg, level)
}

// A Probe is a function of EmitProbes that does arithmetic.
type Probe struct {
	Kind         string // of runtime/host/probe
	Func         string // takes the number of rounds
	Instructions string
	Ops          int // operations a round: a multiplication and an addition are two
}

// Probes are those of a level.
func Probes(level plan.Level) []Probe {
	fma, dots := 2*ProbeFMAs*level.Lanes, 2*ProbeDots*4*level.Lanes
	list := []Probe{{"FMA", "fmaPeak_" + level.Name, "VFMADD231PS", fma}}
	if level.Lanes == 16 {
		list = append(list, Probe{"Bytes", "dotPeak_" + level.Name, "VPDPBUSD", dots})
		if level.Bonus != nil {
			list = append(list, Probe{"Pairs", "pairPeak_" + level.With().Name, "VDPBF16PS", 2 * 2 * ProbePairs * level.Lanes})
		}
		return list
	}
	return append(list,
		Probe{"Bytes", "dotPeak_" + level.Name, "VPMADDUBSW VPMADDWD VPADDD", dots},
		Probe{"Words", "sumPeak_" + level.Name, "VPMADDUBSW VPADDW", dots})
}

// times repeats body n times, n > 0 or not at all; it changes n.
func (e *emitter) times(n reg.GPVirtual, body func()) {
	loop, done := e.label("loop"), e.label("done")
	e.TESTQ(n, n)
	e.JLE(operand.LabelRef(done))
	e.Label(loop)
	body()
	e.DECQ(n)
	e.JNE(operand.LabelRef(loop))
	e.Label(done)
}
