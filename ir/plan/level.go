package plan

import "slices"

// A Level is one step of the amd64 instruction sets: what a kernel may use and how wide its
// vectors are. Levels are cumulative: each has all the features of those before it.
type Level struct {
	Name     string   // as in --isa, YOCOC_ISA and the suffix of symbols
	Lanes    int      // float32 per vector
	Vectors  int      // vector registers that the encoding reaches
	Features []string // what avo calls the extensions that a kernel of the level may need
	Bonus    *Bonus   // an extension that only some CPUs of the level have, if kernels gain by it
}

// A Bonus is an extension beside a level. Kernels that gain by it exist for the level with and without
// it, give the same bits, and are chosen between as the program runs.
type Bonus struct {
	Name    string // the suffix of symbols, after the level's
	Feature string // what avo calls it
	Has     string // the function of runtime/kernel that says whether the CPU has it
}

// With is the level with its bonus, if it has one.
func (l Level) With() Level {
	if l.Bonus == nil {
		return l
	}
	l.Features = append(slices.Clip(l.Features), l.Bonus.Feature)
	l.Name += l.Bonus.Name
	l.Bonus = nil
	return l
}

// bf16Dots is the multiplication of pairs of bfloat16 by one instruction.
var bf16Dots = &Bonus{Name: "bf16", Feature: "AVX512_BF16", Has: "HasBF16Dots"}

// Levels are the assembly levels, ascending. Below them all is "portable", which is Go.
var Levels = []Level{
	{Name: "avx2", Lanes: 8, Vectors: 16, Features: []string{"MMX+", "AVX", "AVX2", "FMA3"}},
	{Name: "avx512", Lanes: 16, Vectors: 32, Features: []string{"MMX+", "AVX", "AVX2", "FMA3", "AVX512F", "AVX512BW", "AVX512DQ", "AVX512VL", "AVX512VNNI", "BMI"}, Bonus: bf16Dots},
}
