// Package asm writes kernels in assembly for an instruction-set level, with avo as a library.
// One file is one kernel family and opens with its formula, loop nest and registers; a kernel is
// written once for all levels over the emitter. What a kernel computes is defined by
// kernel.Set, and kernel.Portable is what the result is tested against, bit for bit.
//
// Package asm imports ir/plan of ours and avo; it must not know model names or codegen.
package asm

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/printer"

	"github.com/yococ/yococ/ir/plan"
)

// A File is an assembly file and the Go file that declares its functions.
type File struct {
	Asm   []byte
	Stubs []byte
}

// writers is how each kernel is written, by name.
var writers = map[string]func(*emitter){
	"GemmF32":         gemmF32,
	"GemmBF16":        gemmBF16,
	"GemmQ8":          gemmQ8,
	"GemmQ4":          gemmQ4,
	"GemvQ8":          gemvQ8,
	"GemvQ4":          gemvQ4,
	"QuantizeRow":     quantizeRow,
	"TileStore":       tileStore,
	"TileAdd":         tileAdd,
	"TileSwiGLU":      tileSwiGLU,
	"GemmBF16Dot":     gemmBF16Dot,
	"RoundRow":        roundRow,
	"RMSNorm":         rmsNorm,
	"LayerNorm":       layerNorm,
	"SwiGLU":          swiGLU,
	"Scan":            scan,
	"GateNorm":        gateNorm,
	"Convolve":        convolve,
	"SiLU":            silu,
	"Softmax":         softmax,
	"SplitQueries":    splitQueries,
	"ScoreQ8":         scoreQ8,
	"SoftmaxQ8":       softmaxQ8,
	"WeighQ8":         weighQ8,
	"ScoreQ4":         scoreQ4,
	"WeighQ4":         weighQ4,
	"Hadamard":        hadamard,
	"ExpDiff":         expDiff,
	"Mul":             mul,
	"Scale":           scale,
	"Merge":           merge,
	"MergeParts":      mergeParts,
	"Div":             div,
	"RopeInterleaved": ropeInterleaved,
	"RopeHalf":        ropeHalf,
	"ScaleRows":       scaleRows,
	"Transpose":       transpose,
	"Decay":           decay,
}

// Emit writes the kernels at a level for the package pkg, in the order given. Streamed says that the weights
// are more than caches hold, as Plan.Streamed does. Equal arguments give equal bytes.
func Emit(pkg string, kernels []*plan.Kernel, level plan.Level, streamed bool) (File, error) {
	ctx, err := collect(kernels, level, streamed)
	if err != nil {
		return File{}, err
	}
	return finish(ctx, pkg, level)
}

// collect writes kernels over registers that have no place yet.
func collect(kernels []*plan.Kernel, level plan.Level, streamed bool) (*build.Context, error) {
	ctx := build.NewContext()
	ctx.ConstraintExpr("amd64,!purego")
	constants := map[string]bool{}
	for _, k := range kernels {
		write, ok := writers[k.Name]
		if !ok {
			return nil, fmt.Errorf("kernel %s has no assembly", k.Name)
		}
		for _, l := range k.Variants(level) {
			symbol := k.Symbol(l)
			ctx.Function(symbol)
			ctx.Attributes(attr.NOSPLIT)
			ctx.SignatureExpr(signature(k))
			ctx.Doc(fmt.Sprintf("%s %s; kernel.Portable.%s is the reference.", symbol, k.Doc, k.Name))
			ctx.Pragma("noescape")
			write(&emitter{Context: ctx, level: l, streamed: streamed, constants: constants})
			ctx.VZEROUPPER()
			ctx.RET()
		}
	}
	return ctx, nil
}

// signature is the Go type of kernel k.
func signature(k *plan.Kernel) string {
	list := func(params []plan.Param) string {
		var fields []string
		for _, p := range params {
			fields = append(fields, p.Name+" "+p.Type)
		}
		return "(" + strings.Join(fields, ", ") + ")"
	}
	s := "func" + list(k.Params)
	if len(k.Results) > 0 {
		s += " " + list(k.Results)
	}
	return s
}

// finish compiles, checks and prints what ctx has collected.
func finish(ctx *build.Context, pkg string, level plan.Level) (File, error) {
	file, err := ctx.Result()
	if err != nil {
		return File{}, err
	}
	if err := compile.Execute(file); err != nil {
		return File{}, err
	}
	if err := check(file, level); err != nil {
		return File{}, err
	}
	if err := encode(file); err != nil {
		return File{}, err
	}
	cfg := printer.Config{Name: "yococ", Pkg: pkg}
	text, err := printer.NewGoAsm(cfg).Print(file)
	if err != nil {
		return File{}, err
	}
	stubs, err := printer.NewStubs(cfg).Print(file)
	if err != nil {
		return File{}, err
	}
	return File{Asm: text, Stubs: stubs}, nil
}
