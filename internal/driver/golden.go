package driver

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yococ/yococ/models/checkpoint"
)

// A Golden is a folder of reference results: golden.json with prompts and what follows them, and
// golden.safetensors with logits and states. Close it.
type Golden struct {
	Dir     string
	Prompts []GoldenPrompt
	files   *checkpoint.Files
	prefix  string // of the tensors of this weight format
}

// A GoldenPrompt is one case.
type GoldenPrompt struct {
	Tokens []int32   `json:"tokens"`
	Greedy []int32   `json:"greedy"` // the tokens that follow, always the most probable
	Gaps   []float64 `json:"gaps"`   // by how much the first logit leads the second, at each step
	Diff   float64   `json:"f32_reference_max_abs_diff"`
}

// OpenGolden reads a golden folder. Where it has results for several weight formats, those of
// dtype are meant.
func OpenGolden(dir, dtype string) (*Golden, error) {
	path := filepath.Join(dir, "golden.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Prompts []GoldenPrompt  `json:"prompts"`
		Weights json.RawMessage `json:"weights"` // the name of a format, or results by format
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	g := &Golden{Dir: dir, Prompts: doc.Prompts}
	var formats map[string]struct {
		Prompts []GoldenPrompt `json:"prompts"`
	}
	if json.Unmarshal(doc.Weights, &formats) == nil {
		g.Prompts, g.prefix = formats[dtype].Prompts, dtype+"."
	}
	if len(g.Prompts) == 0 {
		return nil, fmt.Errorf("%s: has no prompts for %s weights", path, dtype)
	}
	for i, p := range g.Prompts {
		if len(p.Tokens) == 0 {
			return nil, fmt.Errorf("%s: prompt %d has no tokens", path, i)
		}
	}
	g.files, err = checkpoint.Open(filepath.Join(dir, "golden.safetensors"))
	return g, err
}

// Close unmaps the tensors.
func (g *Golden) Close() error { return g.files.Close() }

// Tensor returns a tensor of prompt i, nil if the folder has none of that name.
func (g *Golden) Tensor(i int, name string) []float64 {
	t, ok := g.files.Tensor(fmt.Sprintf("%sp%d.%s", g.prefix, i, name))
	if !ok {
		return nil
	}
	return t.Float64s()
}

// States are the names of prompt i's caches and states.
func (g *Golden) States(i int) []string {
	var names []string
	for _, full := range g.files.Names() {
		name, ok := strings.CutPrefix(full, fmt.Sprintf("%sp%d.", g.prefix, i))
		if ok && (strings.HasPrefix(name, "shared_") || strings.HasPrefix(name, "self")) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
