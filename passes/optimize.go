package passes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yococ/yococ/ir"
)

// A Target is what a program is compiled for.
type Target struct {
	Package     string      // Go package name
	Source      string      // base name of the spec, for headers
	Weights     ir.Elem     // of the matrices: F32, BF16, Q8 or Q4
	Precision   []Precision // of matrices that are not in Weights; of several for one the last counts
	Activations ir.Elem     // of what quantized matrices multiply: Q8; of what those in bf16 do: F32 or BF16
	Checkpoint  ir.Elem     // of the matrices in the checkpoint
	KV          ir.Elem     // of the shared cache: F32, BF16, Q8 or Q4
	Context     int         // default context length, in tokens
	Self, Cross int         // layers of the two halves, for texts

	Skip []string                          // passes to leave out, by name
	Dump func(n int, name, program string) // called with the program before the first pass (0, naive) and after each
}

// A Precision is the format of a matrix of the checkpoint, by its role, in some of its layers.
type Precision struct {
	Role     string
	From, To int // layers, both included; of a role that no layer repeats both are -1
	Elem     ir.Elem
}

// elem is the format of a role's matrix in a layer, -1 for one that no layer repeats.
func (t *Target) elem(role string, layer int) ir.Elem {
	for _, p := range slices.Backward(t.Precision) {
		if p.Role == role && p.From <= layer && layer <= p.To {
			return p.Elem
		}
	}
	return t.Weights
}

// elems are the formats of a weight in its layers, or its one format. Those of stacked matrices are
// the same, or they would not have been stacked.
func (t *Target) elems(w *ir.Weight) []ir.Elem {
	role := w.Pack.Sources[0].Role
	if w.Layers == 0 {
		return []ir.Elem{t.elem(role, -1)}
	}
	var es []ir.Elem
	for l := range w.Layers {
		es = append(es, t.elem(role, w.First+l))
	}
	return es
}

// exact reports whether a factor may be multiplied into a matrix: into float32 it is rounded once
// and to spare, and what is made from another format is rounded anyway. A bfloat16 of the
// checkpoint's own would be rounded a second time.
func (t *Target) exact(w *ir.Weight) bool {
	return !slices.ContainsFunc(t.elems(w), func(e ir.Elem) bool { return e != ir.F32 && e == t.Checkpoint })
}

// A Pass rewrites a program in place and leaves it valid and equivalent.
type Pass struct {
	Name  string   // as in dumps, --skip and tests; also its file
	Doc   string   // what it does, and the number that it improves
	After []string // passes that must have run before it
	Run   func(*ir.Program, *Target)
}

// Passes are all the rewrites, in order.
//
// Afterwards what only the last row needs is in stages of its own, every linear is a project with what stands around it fused in, projections of one
// input are one matrix, mixers hold their rotations, norms and gates, and prefill computes for
// its last row alone what no later token can see.
var Passes = []Pass{
	{Name: "cse", Doc: "one value for equal pure values: norms and rotations are computed once", Run: cse},
	{
		Name: "peel-last", Doc: "the last of equal layers apart, if a part of it is for the last row alone: what split-stage needs",
		After: []string{"cse"}, Run: peelLast,
	}, // the parts of a layer are one value each
	{
		Name: "split-stage", Doc: "what later tokens need of a stage apart from the rest: a layer less in a Transformer's prefill",
		After: []string{"peel-last"}, Run: splitStage,
	},
	{
		Name: "fold", Doc: "constants and norm gains into weights that are rounded afresh: fewer operations a token",
		After: []string{"cse", "split-stage"}, Run: fold,
	}, // a gain is folded into all linears of its norm, so the norm has to be one value
	{Name: "fuse-bias", Doc: "a bias into its linear: no pass over the result of its own", Run: fuseBias},
	{
		Name: "fuse-rope", Doc: "rotations into the mixers that use them: no pass over q and k of its own",
		After: []string{"fold"}, Run: fuseRope,
	}, // a scale between rope and mixer hides the rope
	{
		Name: "fuse-heads", Doc: "head norms, decay and gate into the mixers: no pass over heads of its own",
		After: []string{"fuse-rope"}, Run: fuseHeads,
	}, // the query norm stands before the rope
	{
		Name: "fuse-projections", Doc: "linears of one input into one matrix: one barrier instead of up to five",
		After: []string{"fuse-bias", "fold"}, Run: fuseProjections,
	}, // biases are stacked with their matrices
	{
		Name: "fuse-swiglu", Doc: "silu(gate)·up into the epilogue of their matrix: half the activations",
		After: []string{"fuse-projections"}, Run: fuseSwiGLU,
	}, // gate and up have to be one matrix
	{
		Name: "fuse-norm", Doc: "RMSNorm into the prologue of the one matrix that reads it: no barrier between",
		After: []string{"fuse-projections"}, Run: fuseNorm,
	}, // else every projection would normalize again
	{
		Name: "fuse-residual", Doc: "the residual addition into the epilogue of its matrix: in place",
		After: []string{"fuse-swiglu"}, Run: fuseResidual,
	},
	{Name: "dce", Doc: "drops values and weights that nothing uses", Run: dce},
	{
		Name: "early-exit", Doc: "prefill runs a stage for its last row alone where no other row is ever read: half of a YOCO's prefill",
		After: []string{"dce"}, Run: earlyExit,
	}, // a dead value would demand rows
}

func init() {
	seen := map[string]bool{}
	for _, p := range Passes {
		for _, a := range p.After {
			if !seen[a] {
				panic(fmt.Sprintf("BUG: pass %s must come after %s", p.Name, a))
			}
		}
		seen[p.Name] = true
	}
}

// Names are the names of the passes, in order.
func Names() []string {
	var names []string
	for _, p := range Passes {
		names = append(names, p.Name)
	}
	return names
}

// Optimize runs the passes over p, and the verifier after each of them.
func Optimize(p *ir.Program, t Target) error {
	for _, name := range t.Skip {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("no pass %q, want one of %s", name, strings.Join(Names(), ", "))
		}
	}
	if err := ir.Verify(p); err != nil {
		return fmt.Errorf("naive program: %w", err)
	}
	dump(&t, 0, "naive", p)
	for i, pass := range Passes {
		if slices.Contains(t.Skip, pass.Name) {
			continue
		}
		if err := run(pass, p, &t); err != nil {
			return err
		}
		dump(&t, i+1, pass.Name, p)
	}
	return nil
}

// run runs one pass and verifies what it left; what goes wrong carries its name.
func run(pass Pass, p *ir.Program, t *Target) error {
	defer func() {
		if r := recover(); r != nil {
			panic(fmt.Sprintf("BUG: pass %s: %v", pass.Name, r))
		}
	}()
	pass.Run(p, t)
	for _, s := range p.Stages {
		sweep(s.Func)
		s.Func.Renumber()
	}
	gather(p)
	if err := ir.Verify(p); err != nil {
		return fmt.Errorf("pass %s: %w", pass.Name, err)
	}
	return nil
}

func dump(t *Target, n int, name string, p *ir.Program) {
	if t.Dump != nil {
		t.Dump(n, name, p.String())
	}
}
