package tests

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/internal/testmodel"
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/models"
	"github.com/yococ/yococ/models/checkpoint"
	"github.com/yococ/yococ/runtime/kernel"
)

// TestQuantized compares models with quantized weights, or with activations rounded to bfloat16, with an
// evaluation of their programs in float64 over the same quantized values: the weights as they are in the
// packed file, and the activations as the compiled model rounded them, which records each row that it
// quantizes or rounds.
//
// The evaluation does not round for itself. Where a float32 and a float64 fall on two sides of a tie, the
// integers would differ by one, a difference that no bound of float32's errors covers and that grows
// from layer to layer. Instead every recorded integer is held to be within a half, and what float32 may
// be off, of the float64 that it stands for; then the integer is what the evaluation goes on with. So
// all that is left are float32's errors, and the bound is that of models that are not quantized: ten
// times what another float32 program differs by.
func TestQuantized(t *testing.T) {
	if testing.Short() || race {
		t.Skip("compiles a program with a package for every model and format")
	}
	var cases []*quantizedCase
	for _, g := range goldenModels(t) {
		for _, format := range []string{"q8", "q4", "mixed", "rounded"} {
			cases = append(cases, newQuantizedCase(t, g, format))
		}
	}
	program := buildRecorder(t, cases)
	for _, c := range cases {
		t.Run(c.m.Package.Plan.Package, func(t *testing.T) {
			t.Parallel()
			c.compare(t, program)
		})
	}
}

// mixed are the precisions of the mixed format, whose other matrices are float32.
var mixed = []models.Precision{
	{Key: "self.0", Format: "q4"},
	{Key: "self.ffn.down", Format: "q8"},
	{Key: "self.v", Format: "q8"},
	{Key: "cross.0.ffn", Format: "q8"},
	{Key: "cache.k", Format: "q4"},
	{Key: "embed", Format: "q8"},
}

// A goldenModel is a spec with its checkpoint, and a folder of reference results.
type goldenModel struct{ name, spec, checkpoint, golden string }

// goldenModels are those of the checked-in packages, and of the folders beside the repository.
func goldenModels(t *testing.T) []goldenModel {
	var all []goldenModel
	for _, m := range testmodel.Models {
		if m.Exits() && m.Golden != "" {
			all = append(all, goldenModel{m.Name, filepath.Join(root(t), filepath.FromSlash(m.Spec)), "", filepath.Join(root(t), filepath.FromSlash(m.Golden))})
		}
	}
	folders, err := filepath.Glob(filepath.Join(root(t), "..", "shared", "goldens", "off_*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range folders {
		spec, _, err := checkpoint.Import(dir)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "spec.yaml")
		if err := os.WriteFile(path, spec.MarshalFor(path), 0o666); err != nil {
			t.Fatal(err)
		}
		all = append(all, goldenModel{models.PackageName(filepath.Base(dir)), path, dir, dir})
	}
	return all
}

// A quantizedCase is a model in a format.
type quantizedCase struct {
	m       *driver.Model
	golden  *driver.Golden
	weights string // path of the packed file
}

func newQuantizedCase(t *testing.T, g goldenModel, format string) *quantizedCase {
	t.Helper()
	o := driver.Options{Checkpoint: g.checkpoint, Package: g.name + format, Weights: format}
	spec := g.spec
	if format == "rounded" {
		o.Weights, o.Activations = "bf16", "bf16"
	}
	if format == "mixed" {
		o.Weights = "f32"
		s, err := models.Load(g.spec)
		if err != nil {
			t.Fatal(err)
		}
		s.Precision = slices.Clone(mixed)
		if s.Cache == nil { // a layer's keys and values are the shared ones
			s.Precision = slices.DeleteFunc(s.Precision, func(p models.Precision) bool { return p.Key == "cache.k" })
		}
		spec = filepath.Join(t.TempDir(), "mixed.yaml")
		if err := os.WriteFile(spec, s.MarshalFor(spec), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	m, err := driver.Load(spec, o, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	golden, err := driver.OpenGolden(g.golden, m.DType())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { golden.Close() })
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := m.Pack(context.Background(), path, nil); err != nil {
		t.Fatal(err)
	}
	return &quantizedCase{m, golden, path}
}

// compare asks at every level, whose answers have to be the same, and evaluates.
func (c *quantizedCase) compare(t *testing.T, program string) {
	p := c.m.Package.Plan
	e := &evaluation{t: t, plan: p}
	machine := ir.NewMachine(c.m.Package.Program, packedValues(t, p, c.weights))
	machine.Inputs = e.inputs
	tolerance := c.golden.Tolerance()
	var worst float64
	for i, prompt := range c.golden.Prompts {
		tokens, greedy := prompt.Tokens, prompt.Greedy[:min(4, len(prompt.Greedy))]
		if p.Dim > 64 && len(tokens) > 20 {
			continue // 64-bit evaluation of the larger model takes too long
		}
		var got answer
		for _, level := range levels(t) {
			if level == "portable" && len(tokens) > 100 && len(levels(t)) > 1 {
				continue // some fifty times slower
			}
			a := ask(t, program, asking{p.Package, c.weights, level, tokens, greedy})
			if diff := got.difference(a); got.Logits != nil && diff != "" {
				t.Errorf("prompt %d: %s against a lower level: %s", i, level, diff)
			}
			got = a
		}
		e.rows = got.Quantized
		var want [][]float64
		run := func(entry string, tokens []int32) {
			logits, err := machine.Run(c.m.Package.Program.Entry(entry), tokens)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, logits...)
		}
		machine.Reset()
		run("score", tokens)
		machine.Reset()
		run("prefill", tokens)
		for _, token := range greedy {
			run("decode", []int32{token})
		}
		if len(e.rows) > 0 || len(want) != len(got.Logits) {
			t.Fatalf("prompt %d: %d quantized rows were not evaluated; %d rows of logits, want %d", i, len(e.rows), len(got.Logits), len(want))
		}
		for row, logits := range got.Logits {
			for j, x := range logits {
				worst = max(worst, math.Abs(float64(x)-want[row][j]))
			}
		}
	}
	if !(worst <= tolerance) {
		t.Errorf("logits differ by %.2e, want at most %.2e", worst, tolerance)
	}
	t.Logf("largest differences: logits %.2e of %.2e, integers %.5f of 0.5, scales %.1e of %.1e", worst, tolerance, e.ints, e.scales, rowBar)
}

// difference says how two answers differ, "" if they do not.
func (a answer) difference(b answer) string {
	if !slices.EqualFunc(a.Quantized, b.Quantized, func(x, y quantizedRow) bool {
		return x.Scale == y.Scale && slices.Equal(x.Q, y.Q) && slices.Equal(x.Halves, y.Halves)
	}) {
		return "quantized rows differ"
	}
	if !slices.EqualFunc(a.Logits, b.Logits, slices.Equal[[]float32]) {
		return "logits differ"
	}
	return ""
}

// An evaluation gives a machine the rows that a model quantized.
type evaluation struct {
	t            *testing.T
	plan         *plan.Plan
	rows         []quantizedRow // that have not been evaluated
	ints, scales float64        // largest differences
}

// matrix is the weight that a projection multiplies by.
func matrix(p *plan.Plan, w *ir.Weight) *plan.Weight {
	if m := p.Weight(w.Name + ".panels"); m != nil {
		return m
	}
	return p.Weight(w.Name)
}

// rowBar is how far a row in float32 may be off, relative to its largest element. It is computed from
// rows that both sides have the same integers of, and never by more than a layer: a few hundred
// operations of 6e-8 each, of which the largest that was seen is 1.4e-6.
const rowBar = 1e-5

// inputs puts the recorded rows in the place of x, which they have to be but for rounding.
func (e *evaluation) inputs(v *ir.Value, layer int, x []float64) []float64 {
	m := matrix(e.plan, v.Weights[0])
	if m.Layers == 0 {
		layer = 0
	}
	halves := m.Rounds && m.ElemOf(layer) == ir.BF16
	if !m.ElemOf(layer).Quantized() && !halves {
		return x
	}
	rounded := make([]float64, 0, len(x))
	for row := range slices.Chunk(x, m.K) {
		if len(e.rows) == 0 || len(e.rows[0].Q)+len(e.rows[0].Halves) != m.K || halves != (e.rows[0].Q == nil) {
			e.t.Fatalf("%s of layer %d quantizes no row of %d", m.Name, layer, m.K)
		}
		r := e.rows[0]
		e.rows = e.rows[1:]
		var largest float64
		for _, a := range row {
			largest = max(largest, math.Abs(a))
		}
		for i, h := range r.Halves {
			// Half a last place of eight bits, and what float32 may be off.
			value := float64(kernel.BF16ToFloat32(h))
			if !(math.Abs(row[i]-value) <= 0x1p-8*math.Abs(row[i])+rowBar*largest) {
				e.t.Fatalf("%s of layer %d: element %d is %v, want %v", m.Name, layer, i, value, row[i])
			}
			rounded = append(rounded, value)
		}
		if halves {
			continue
		}
		scale := float64(r.Scale)
		e.scales = max(e.scales, math.Abs(scale*127-largest)/largest)
		if !(math.Abs(scale*127-largest) <= rowBar*largest) {
			e.t.Fatalf("%s of layer %d: scale %v of a row whose largest element is %v", m.Name, layer, scale, largest)
		}
		for i, q := range r.Q {
			off := math.Abs(row[i]/scale - float64(q))
			e.ints = max(e.ints, off)
			if !(off <= 0.5+127*rowBar) {
				e.t.Fatalf("%s of layer %d: element %d is %d times %v, want %v", m.Name, layer, i, q, scale, row[i])
			}
			rounded = append(rounded, float64(q)*scale)
		}
	}
	return rounded
}
