package driver

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yococ/yococ/models/checkpoint"
)

// A Golden is a folder of reference results: golden.json with prompts and what follows them, and
// golden.safetensors with logits and states. There is at least one prompt, and for each of them
// the logits of its last row. Close it.
type Golden struct {
	Dir     string
	Prompts []GoldenPrompt
	files   *checkpoint.Files
	prefix  string // of the tensors of this weight format
}

// A GoldenPrompt is one case. Only gaps and diff may be missing.
type GoldenPrompt struct {
	Tokens []int32
	Greedy []int32   // the tokens that follow, always the most probable
	Gaps   []float64 // by how much the first logit leads the second, at each step
	Diff   float64   // f32_reference_max_abs_diff: from 0, below maxDiff
}

// maxDiff is more than any float32 evaluation of a usable model differs by: logits whose
// differences are e-folds of a probability would mean nothing then.
const maxDiff = 1

// maxGolden bounds a golden.json, in bytes.
const maxGolden = 256 << 20

// OpenGolden reads a golden folder. Where it has results for several weight formats, those of
// dtype are meant.
func OpenGolden(dir, dtype string) (*Golden, error) {
	path := filepath.Join(dir, "golden.json")
	text, err := checkpoint.ReadText(path, maxGolden)
	if err != nil {
		return nil, err
	}
	g := &Golden{Dir: dir}
	if g.Prompts, g.prefix, err = parseGolden(path, text, dtype); err != nil {
		return nil, err
	}
	if g.files, err = checkpoint.Open(filepath.Join(dir, "golden.safetensors")); err != nil {
		return nil, err
	}
	if err := g.check(); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// check holds the tensors to the prompts: there is something to compare each of them with.
func (g *Golden) check() error {
	fail := func(tensor, format string, args ...any) error {
		return &checkpoint.FormatError{File: g.files.Path, Tensor: tensor, Offset: -1, Msg: fmt.Sprintf(format, args...)}
	}
	for i := range g.Prompts {
		name := g.name(i, "logits_last")
		t, ok := g.files.Tensor(name)
		switch {
		case !ok:
			return fail(name, "is missing: there is nothing to compare prompt %d of golden.json with", i)
		case t.Elems() == 0:
			return fail(name, "is empty, shape %v: want a logit for every token of the vocabulary", t.Shape)
		}
	}
	for _, name := range g.files.Names() {
		if t, _ := g.files.Tensor(name); !t.DType.IsWeight() && t.DType != checkpoint.F64 {
			return fail(name, "is of type %s: want f64, f32, f16 or bf16", t.DType)
		}
	}
	return nil
}

// Close unmaps the tensors.
func (g *Golden) Close() error { return g.files.Close() }

func (g *Golden) name(i int, tensor string) string {
	return fmt.Sprintf("%sp%d.%s", g.prefix, i, tensor)
}

// Tensor returns a tensor of prompt i, nil if the folder has none of that name.
func (g *Golden) Tensor(i int, name string) []float64 {
	t, ok := g.files.Tensor(g.name(i, name))
	if !ok {
		return nil
	}
	return t.Float64s()
}

// States are the names of prompt i's caches and states.
func (g *Golden) States(i int) []string {
	var names []string
	for _, full := range g.files.Names() {
		name, ok := strings.CutPrefix(full, g.name(i, ""))
		if ok && (strings.HasPrefix(name, "shared_") || strings.HasPrefix(name, "self")) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
