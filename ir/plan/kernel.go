package plan

import (
	"slices"
	"strings"
	"unicode"
)

// A Kernel is a routine that exists in assembly: one method of the runtime's kernel.Set, which
// defines its meaning. asm emits a function of this signature a level, codegen calls it, and the
// signature stands here and nowhere else in the compiler.
type Kernel struct {
	Name    string  // the method's name; see Symbol
	Doc     string  // one sentence for the stub's comment
	Params  []Param // in order
	Results []Param
	Bonus   *Bonus // the extension that it gains by
}

// Variants are the levels for which the kernel is written at a level: that itself, and that with
// the extension that the kernel gains by.
func (k *Kernel) Variants(level Level) []Level {
	if k.Bonus == nil || k.Bonus != level.Bonus {
		return []Level{level}
	}
	return []Level{level, level.With()}
}

// Families groups kernels by the file that their assembly stands in, so that none is too long to be read: matrix products one
// each, attention over integers two, for scores and for values, what else works on 8-bit integers, and all others. A key is the
// part of the file's name that says which, "" for the last.
func Families(kernels []*Kernel) map[string][]*Kernel {
	families := map[string][]*Kernel{}
	for _, k := range kernels {
		family := ""
		switch {
		case strings.HasPrefix(k.Name, "Gemm"):
			family = strings.ToLower(k.Name) + "_"
		case strings.HasPrefix(k.Name, "ScoreQ"), k.Name == SplitQueries.Name, k.Name == SoftmaxQ8.Name:
			family = "scores_"
		case strings.HasPrefix(k.Name, "WeighQ"):
			family = "values_"
		case slices.ContainsFunc(k.Params, func(p Param) bool { return p.Type == i8s }):
			family = "quant_"
		}
		families[family] = append(families[family], k)
	}
	return families
}

// A Param is a parameter or result of a kernel.
type Param struct {
	Name string
	Type string // []float32, []uint16, []int8, []int32, []byte, float32, int32, int or bool
}

// Symbol is the assembly function that is the kernel at a level, its first word in small letters:
// gemmF32_avx2, rmsNorm_avx512.
func (k *Kernel) Symbol(level Level) string {
	n := 1
	for n+1 < len(k.Name) && unicode.IsUpper(rune(k.Name[n])) && unicode.IsUpper(rune(k.Name[n+1])) {
		n++
	}
	return strings.ToLower(k.Name[:n]) + k.Name[n:] + "_" + level.Name
}

func params(list ...string) []Param {
	var ps []Param
	for i := 0; i < len(list); i += 2 {
		ps = append(ps, Param{Name: list[i], Type: list[i+1]})
	}
	return ps
}

const (
	f32s = "[]float32"
	u16s = "[]uint16"
	i8s  = "[]int8"
	i32s = "[]int32"
	u8s  = "[]byte"
)

// Kernels are all the kernels, in the order in which they are emitted.
var Kernels = []*Kernel{GemmF32, GemmBF16, GemmBF16Dot, RoundRow, GemmQ8, GemmQ4, GemvQ8, GemvQ4, QuantizeRow, TileStore, TileAdd, TileSwiGLU, RMSNorm, LayerNorm, GateNorm, SwiGLU, Convolve, SiLU, Scan, Softmax, SplitQueries, ScoreQ8, SoftmaxQ8, WeighQ8, ScoreQ4, WeighQ4, Hadamard, ExpDiff, Mul, Scale, Merge, MergeParts, Div, RopeInterleaved, RopeHalf, ScaleRows, Transpose, Decay}

// Parameters that kernels share.
var (
	score   = params("dst", f32s, "ldd", "int", "q", i8s, "ldq", "int", "scale", f32s, "sums", i32s, "k", u8s, "dim", "int", "blocks", "int", "rows", "int")
	weigh   = params("dst", f32s, "ldd", "int", "p", i8s, "ldp", "int", "scale", f32s, "lds", "int", "v", u8s, "tokens", "int", "cols", "int", "blocks", "int", "rows", "int")
	softmax = params("p", f32s, "ldp", "int", "rows", "int", "blocks", "int", "lo", "int", "hi", "int", "stats", f32s, "lds", "int")
	gemmQ   = params("dst", f32s, "ldd", "int", "x", i8s, "ldx", "int", "sums", i32s, "lds", "int", "w", u8s, "blocks", "int", "rows", "int", "acc", "bool", "next", f32s, "ldn", "int", "tmp", u8s)
	gemvQ   = params("dst", f32s, "x", i8s, "sums", i32s, "w", u8s, "blocks", "int")
	tile    = params("dst", f32s, "ldd", "int", "tile", f32s, "scale", f32s, "lds", "int", "bias", f32s, "rows", "int", "n", "int")
	rope    = params("dst", f32s, "ldd", "int", "x", f32s, "ldx", "int", "cos", f32s, "sin", f32s, "ldp", "int", "n", "int", "rows", "int")
)

// The kernels; runtime/kernel.Set says what each computes, operation by operation.
var (
	GemmF32  = &Kernel{Name: "GemmF32", Doc: "multiplies rows of x by one float32 panel", Params: params("dst", f32s, "ldd", "int", "x", f32s, "ldx", "int", "w", f32s, "width", "int", "k", "int", "rows", "int", "acc", "bool")}
	GemmBF16 = &Kernel{Name: "GemmBF16", Doc: "multiplies rows of x by one panel of bfloat16 pairs", Params: params("dst", f32s, "ldd", "int", "x", f32s, "ldx", "int", "w", u16s, "width", "int", "k", "int", "rows", "int", "acc", "bool")}
	GemmQ8   = &Kernel{Name: "GemmQ8", Doc: "multiplies rows of quantized x by half a panel of 8-bit blocks", Params: gemmQ}
	GemmQ4   = &Kernel{Name: "GemmQ4", Doc: "multiplies rows of quantized x by half a panel of 4-bit blocks", Params: gemmQ}
	GemvQ8   = &Kernel{Name: "GemvQ8", Doc: "multiplies one row of quantized x by halves of panels of 8-bit blocks", Params: gemvQ}
	GemvQ4   = &Kernel{Name: "GemvQ4", Doc: "multiplies one row of quantized x by halves of panels of 4-bit blocks", Params: slices.Concat(gemvQ, params("tmp", u8s))}
	RMSNorm  = &Kernel{Name: "RMSNorm", Doc: "normalizes a row to unit root mean square", Params: params("dst", f32s, "x", f32s, "gain", f32s, "eps", "float32")}
	GateNorm = &Kernel{Name: "GateNorm", Doc: "normalizes rows and gates them by silu(g)", Params: params("dst", f32s, "ldd", "int", "o", f32s, "ldo", "int", "g", f32s, "ldg", "int", "n", "int", "rows", "int", "eps", "float32")}
	Convolve = &Kernel{Name: "Convolve", Doc: "slides taps over rows, column by column", Params: params("dst", f32s, "ldd", "int", "x", f32s, "ldx", "int", "w", f32s, "ldw", "int", "bias", f32s, "taps", "int", "n", "int", "rows", "int", "silu", "bool")}
	SiLU     = &Kernel{Name: "SiLU", Doc: "multiplies by the logistic function", Params: params("dst", f32s, "x", f32s)}
	Softmax  = &Kernel{Name: "Softmax", Doc: "turns rows of scores into weights, their maxima and sums", Params: slices.Concat(softmax, params("ahead", u8s))}
	ExpDiff  = &Kernel{Name: "ExpDiff", Doc: "exponentiates differences", Params: params("dst", f32s, "g", f32s, "from", "float32")}
	Mul      = &Kernel{Name: "Mul", Doc: "multiplies elementwise", Params: params("dst", f32s, "a", f32s, "b", f32s)}
	Scale    = &Kernel{Name: "Scale", Doc: "multiplies by a number", Params: params("dst", f32s, "x", f32s, "s", "float32")}
	Merge    = &Kernel{Name: "Merge", Doc: "adds two vectors, each times a number", Params: params("dst", f32s, "x", f32s, "a", "float32", "b", "float32")}
	Div      = &Kernel{Name: "Div", Doc: "divides by a number", Params: params("dst", f32s, "x", f32s, "s", "float32")}

	LayerNorm = &Kernel{Name: "LayerNorm", Doc: "normalizes a row to mean zero and unit variance", Params: params("dst", f32s, "x", f32s, "gain", f32s, "shift", f32s, "eps", "float32")}
	SwiGLU    = &Kernel{Name: "SwiGLU", Doc: "gates elementwise by silu", Params: params("dst", f32s, "g", f32s, "x", f32s)}
	Scan      = &Kernel{Name: "Scan", Doc: "runs a selective scan over tokens", Params: params("dst", f32s, "ldd", "int", "s", f32s, "a", f32s, "lda", "int", "skip", f32s, "v", f32s, "ldv", "int", "d", f32s, "lds", "int", "b", f32s, "ldb", "int", "c", f32s, "ldc", "int", "states", "int", "rows", "int")}

	GemmBF16Dot = &Kernel{Name: "GemmBF16Dot", Doc: "multiplies rows of bfloat16 x by one panel of bfloat16 pairs", Params: params("dst", f32s, "ldd", "int", "x", u16s, "ldx", "int", "w", u16s, "pairs", "int", "rows", "int", "acc", "bool"), Bonus: bf16Dots}
	RoundRow    = &Kernel{Name: "RoundRow", Doc: "rounds a row to bfloat16", Params: params("dst", u16s, "x", f32s)}
	QuantizeRow = &Kernel{Name: "QuantizeRow", Doc: "rounds a row to 8-bit integers and a scale", Params: params("q", i8s, "sums", i32s, "x", f32s, "block", "int", "zero", "int"), Results: params("scale", "float32")}
	TileStore   = &Kernel{Name: "TileStore", Doc: "brings finished products to their rows", Params: tile}
	TileAdd     = &Kernel{Name: "TileAdd", Doc: "adds finished products to rows", Params: tile}
	TileSwiGLU  = &Kernel{Name: "TileSwiGLU", Doc: "multiplies silu of the first half of finished products by the second", Params: params("dst", f32s, "ldd", "int", "tile", f32s, "scale", f32s, "lds", "int", "rows", "int")}

	MergeParts = &Kernel{Name: "MergeParts", Doc: "merges partial attention results", Params: params("dst", f32s, "x", f32s, "size", "int")}

	SplitQueries = &Kernel{Name: "SplitQueries", Doc: "rounds queries to integers of 8 bits", Params: params("q", i8s, "ldq", "int", "x", f32s, "ldx", "int", "n", "int", "rows", "int", "factor", "float32", "scale", f32s, "sums", i32s, "ahead", u8s)}
	ScoreQ8      = &Kernel{Name: "ScoreQ8", Doc: "multiplies split queries by blocks of quantized keys", Params: score}
	SoftmaxQ8    = &Kernel{Name: "SoftmaxQ8", Doc: "turns rows of scores into split weights, their maxima and sums", Params: slices.Concat(params("q", i8s), softmax, params("s", u8s, "ahead", u8s))}
	WeighQ8      = &Kernel{Name: "WeighQ8", Doc: "multiplies split weights by quantized values", Params: weigh}
	ScoreQ4      = &Kernel{Name: "ScoreQ4", Doc: "multiplies split queries by blocks of keys of 4-bit codes", Params: score}
	WeighQ4      = &Kernel{Name: "WeighQ4", Doc: "multiplies split weights by values of 4-bit codes", Params: weigh}
	Hadamard     = &Kernel{Name: "Hadamard", Doc: "turns blocks by Hadamard's matrix", Params: params("x", f32s, "n", "int")}

	RopeInterleaved = &Kernel{Name: "RopeInterleaved", Doc: "rotates the adjacent pairs of rows", Params: rope}
	RopeHalf        = &Kernel{Name: "RopeHalf", Doc: "rotates the pairs of rows' two halves", Params: rope}
	ScaleRows       = &Kernel{Name: "ScaleRows", Doc: "multiplies each row by its number", Params: params("dst", f32s, "ldd", "int", "x", f32s, "ldx", "int", "s", f32s, "n", "int", "rows", "int")}
	Transpose       = &Kernel{Name: "Transpose", Doc: "makes rows columns, and multiplies by a number", Params: params("dst", f32s, "ldd", "int", "x", f32s, "ldx", "int", "s", "float32", "n", "int", "rows", "int")}
	Decay           = &Kernel{Name: "Decay", Doc: "weighs what rows see of a block by its age", Params: params("p", f32s, "ldp", "int", "g", f32s, "first", "int", "rows", "int")}
)
