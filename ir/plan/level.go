package plan

// A Level is one step of the amd64 instruction sets: what a kernel may use and how wide its
// vectors are. Levels are cumulative: each has all the features of those before it.
type Level struct {
	Name     string   // as in --isa, YOCOC_ISA and the suffix of symbols
	Lanes    int      // float32 per vector
	Vectors  int      // vector registers that the encoding reaches
	Features []string // what avo calls the extensions that a kernel of the level may need
}

// Levels are the assembly levels, ascending. Below them all is "portable", which is Go.
var Levels = []Level{
	{Name: "avx2", Lanes: 8, Vectors: 16, Features: []string{"MMX+", "AVX", "AVX2", "FMA3"}},
	{Name: "avx512", Lanes: 16, Vectors: 32, Features: []string{"MMX+", "AVX", "AVX2", "FMA3", "AVX512F", "AVX512BW", "AVX512DQ", "AVX512VL", "AVX512VNNI"}},
}
