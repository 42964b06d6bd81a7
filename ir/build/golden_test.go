package build_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/build"
	"github.com/yococ/yococ/models"
	"github.com/yococ/yococ/models/checkpoint"
)

// goldens is where the vectors recorded from the reference implementations lie, beside the repo.
const goldens = "../../../shared/goldens"

// rounding is how far recording a number as float32 moves it, relative to it.
const rounding = 1.001 / (1 << 24)

// A golden is one prompt of a case and what came of it.
type golden struct {
	Tokens []int32 `json:"tokens"`
	Greedy []int32 `json:"greedy"`
}

// TestGoldens evaluates the naive program of every case whose mixer is known in float64 and
// compares logits, states and cache with those of the authors' implementations.
func TestGoldens(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(goldens, "*", "golden.json"))
	if err != nil || len(paths) == 0 {
		t.Skipf("no golden vectors at %s", goldens)
	}
	for _, path := range paths {
		dir := filepath.Dir(path)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) { testGolden(t, dir) })
	}
}

func testGolden(t *testing.T, dir string) {
	spec, m, p := open(t, dir)
	var recorded struct {
		Prompts []golden `json:"prompts"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	want, err := checkpoint.Open(filepath.Join(dir, "golden.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	c := &comparer{t: t, want: want, spec: spec, m: m, p: p}
	for i, g := range recorded.Prompts {
		c.prompt(i, g)
	}
	t.Logf("largest differences: logits %.1e (float64), %.1e (float32), states and cache %.1e, pieces %.1e", c.logits, c.logits32, c.states, c.pieces)
}

// open gives a machine for the checkpoint in dir.
func open(t *testing.T, dir string) (*models.Spec, *ir.Machine, *ir.Program) {
	spec, _, err := checkpoint.Import(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	bound, err := checkpoint.Bind(spec, files)
	if err != nil {
		t.Fatal(err)
	}
	p, err := build.Program(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(p); err != nil {
		t.Fatal(err)
	}
	return spec, ir.NewMachine(p, ir.Packed(func(role string, layer int) ([]float64, error) {
		return bound.Weight(models.Role(role), layer).Float64s(), nil
	})), p
}

// A comparer holds the largest differences so far.
type comparer struct {
	t                                *testing.T
	want                             *checkpoint.Files
	spec                             *models.Spec
	m                                *ir.Machine
	p                                *ir.Program
	logits, logits32, states, pieces float64
}

func (c *comparer) run(entry string, tokens []int32) [][]float64 {
	logits, err := c.m.Run(c.p.Entry(entry), tokens)
	if err != nil {
		c.t.Fatal(err)
	}
	return logits
}

// prompt compares one prompt: whole with every row's logits, whole for the last row, its states,
// a few greedy steps, and in two pieces.
func (c *comparer) prompt(i int, g golden) {
	key := "p" + strconv.Itoa(i) + "."
	lastRow := c.tensor(key + "logits_last")

	c.m.Reset()
	all := c.run("score", g.Tokens)
	c.compare(&c.logits, 1e-9, key+"logits_last", all[len(all)-1], lastRow)
	if _, ok := c.want.Tensor(key + "logits"); ok {
		var flat []float64
		for _, row := range all {
			flat = append(flat, row...)
		}
		c.compare(&c.logits32, rounding, key+"logits", flat, c.tensor(key+"logits"))
	}

	c.m.Reset()
	logits := c.run("prefill", g.Tokens)
	c.compare(&c.logits, 1e-9, key+"logits_last", logits[0], lastRow)
	c.memory(key)

	c.steps(key, g, logits[0])
	if len(g.Tokens) > 1 {
		c.m.Reset()
		n := len(g.Tokens) / 3
		c.run("prefill", g.Tokens[:n+1])
		logits := c.run("prefill", g.Tokens[n+1:])
		c.compare(&c.pieces, 1e-9, key+"logits_last in two pieces", logits[0], lastRow)
		c.memory(key)
	}
}

// steps decodes greedily as far as logits are recorded.
func (c *comparer) steps(key string, g golden, logits []float64) {
	recorded := c.tensor(key + "decode_logits")
	for s := range len(recorded) / c.spec.Vocab {
		if got := argmax(logits); got != int(g.Greedy[s]) {
			c.t.Errorf("%sgreedy[%d] is %d, want %d", key, s, got, g.Greedy[s])
		}
		logits = c.run("decode", g.Greedy[s:s+1])[0]
		c.compare(&c.logits32, rounding, key+"decode_logits", logits, recorded[s*c.spec.Vocab:][:c.spec.Vocab])
	}
}

// memory compares the cache and the states of all layers.
func (c *comparer) memory(key string) {
	type part struct{ tensor, state, part string }
	parts := map[part]int{}
	for _, s := range c.p.States {
		for l := range s.Layers {
			name := "self" + strconv.Itoa(s.Layer(l)) + "."
			if s.Kind == ir.Shared {
				name = "shared_"
			}
			for _, p := range s.Parts {
				parts[part{name + p.Name, s.Name, p.Name}] = l
			}
		}
	}
	for part, layer := range parts {
		got, shape := c.m.State(part.state, layer, part.part)
		want, _ := c.want.Tensor(key + part.tensor)
		if len(shape) != len(want.Shape) || shape[0] != want.Shape[0] { // heads may be paired
			c.t.Fatalf("%s has shape %v, want %v", key+part.tensor, shape, want.Shape)
		}
		c.compare(&c.states, rounding, key+part.tensor, got, c.tensor(key+part.tensor))
	}
}

func (c *comparer) tensor(name string) []float64 {
	tensor, ok := c.want.Tensor(name)
	if !ok {
		c.t.Fatalf("no golden tensor %s", name)
	}
	if tensor.DType.Size() != 8 {
		return tensor.Float64s()
	}
	x := make([]float64, len(tensor.Data)/8)
	for i := range x {
		bits := uint64(0)
		for j := range 8 {
			bits |= uint64(tensor.Data[i*8+j]) << (8 * j)
		}
		x[i] = math.Float64frombits(bits)
	}
	return x
}

// compare demands that got is want but for tolerance, relative to the larger of want and 1, and
// notes the difference.
func (c *comparer) compare(largest *float64, tolerance float64, name string, got, want []float64) {
	c.t.Helper()
	if len(got) != len(want) {
		c.t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	for i := range got {
		d := math.Abs(got[i]-want[i]) / max(1, math.Abs(want[i]))
		*largest = max(*largest, d)
		if !(d <= tolerance) {
			c.t.Fatalf("%s[%d] is %v, want %v", name, i, got[i], want[i])
		}
	}
}

func argmax(x []float64) int {
	best := 0
	for i, a := range x {
		if a > x[best] {
			best = i
		}
	}
	return best
}
