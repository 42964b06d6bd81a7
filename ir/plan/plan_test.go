package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// small is a valid plan with a step of every kind of operand.
func small() *plan.Plan {
	rope := plan.Object{Name: "rope", Type: "Rope", Fields: []plan.Field{{Name: "Dim", Value: 16}, {Name: "Theta", Value: 100.0}, {Name: "Freq", Value: "yoco"}, {Name: "Half", Value: true}}}
	layout := plan.Object{Name: "layout", Type: "CacheSpec", Fields: []plan.Field{{Name: "Dim", Value: 8}, {Name: "Rope", Value: plan.Ref("rope")}}}
	return &plan.Plan{
		Package: "small", Vocab: 10, Dim: 20, Context: 8, Self: 2,
		Objects: []plan.Object{rope, layout},
		States:  []plan.State{{Name: "cache", Kind: ir.Shared, Object: "layout"}, {Name: "ring", Kind: ir.Ring, Object: "layout", Layers: 2}},
		Weights: []plan.Weight{
			{Name: "embed", Field: "embed", Stage: "embed", Alias: "embed.panels", Form: plan.Table, N: 10, K: 20, Sources: []ir.Source{{Role: "embed", Scale: 2, Rows: 10}}},
			{Name: "embed.panels", Field: "embed", Stage: "layer", Form: plan.Matrix, N: 10, K: 20, Sources: []ir.Source{{Role: "embed", Scale: 2, Rows: 10}}},
			{Name: "norm", Field: "norm", Stage: "layer", Form: plan.Vector, N: 20, K: 1, Layers: 2, Sources: []ir.Source{{Role: "norm", Scale: 1, Rows: 20}}},
		},
		Slots: []plan.Slot{
			{Name: "x", Value: "f32[20]", Width: 20, Stride: 32},
			{Name: "n", Value: "f32[20]", Width: 20, Stride: 32, Offset: 32, Live: []plan.Live{{Stage: "layer", From: 0, To: 0}}},
			{Name: "y", Value: "f32[10]", Width: 10, Stride: 16, Offset: 64, Live: []plan.Live{{Stage: "layer", From: 0, To: 1}}},
		},
		Stages: []plan.Stage{
			{Name: "embed", Repeat: 1, Steps: []plan.Step{{
				Routine: plan.Embed, Value: "%0:f32[20]",
				Operands: []plan.Operand{plan.SlotArg{Slot: "x"}, plan.WeightArg("embed"), plan.NameArg("tokens"), plan.FloatArg(0.5)},
			}}},
			{Name: "layer", Repeat: 2, Steps: []plan.Step{
				{Routine: plan.Linear, Value: "%1:f32[10]", Operands: []plan.Operand{
					plan.SlotArg{Slot: "y"},
					plan.InputArg{Slot: "x", Eps: 0.01, Gain: "norm", Tmp: "n"},
					plan.WeightArg("embed.panels"), plan.WeightArg(""), plan.NameArg("rows"),
				}},
				{Routine: plan.Append, Value: "%2  writes $kv", Sync: true, Operands: []plan.Operand{
					plan.ObjectArg("layout"), plan.StateArg("cache"),
					plan.SlotArg{Slot: "y"},
					plan.SlotArg{Slot: "y", Col: 5},
					plan.ObjectArg("rope"), plan.PhasesArg("rope"), plan.NameArg("pos"), plan.NameArg("rows"),
				}},
			}},
		},
		Entries: []plan.Entry{{Name: "prefill", Stages: []int{0, 1}}},
		Scratch: plan.Scratch{Inputs: 20, Objects: []plan.Ref{"attend"}},
		Kernels: []*plan.Kernel{plan.GemmF32, plan.RMSNorm, plan.Scale, plan.TileStore},
	}
}

func TestString(t *testing.T) {
	const want = `plan small: vocab 10, dim 20, 2+0 layers, weights f32, cache f32, context 8

objects
  rope Rope Dim=16 Theta=100 Freq=yoco Half=true
  layout CacheSpec Dim=8 Rope=&rope

states
  cache shared layout=&layout
  ring ring layout=&layout layers=2

weights
  embed table f32[10 20] = embed.panels embed[10]*2
  embed.panels matrix f32[1 20 64] embed[10]*2
  norm vector f32[2 32] norm[20]

scratch for 20 inputs, &attend

arena 112 floats a token
        0 +32     x              f32[20]          always
       32 +32     n              f32[20]          layer 0..0
       64 +16     y              f32[10]          layer 0..1

stage embed ×1
  Embed(x, @embed, tokens, 0.5)  ; %0:f32[20]

stage layer ×2
  Linear(y, rmsnorm(x, eps 0.01) · @norm in n, @embed.panels, none, rows)  ; %1:f32[10]
  sync
  Append(&layout, $cache, y, y+5, &rope, phases rope, pos, rows)  ; %2  writes $kv

entries
  prefill: embed layer

kernels
  GemmF32 RMSNorm Scale TileStore
`
	if got := small().String(); got != want {
		t.Errorf("plan is\n%s\nwant\n%s", got, want)
	}
}

// TestVerify: one edit, one message.
func TestVerify(t *testing.T) {
	if err := plan.Verify(small()); err != nil {
		t.Fatal(err)
	}
	const linear, cache = "stage layer, step 0: Linear: ", "stage layer, step 1: Append: "
	for _, c := range []struct {
		edit func(p *plan.Plan)
		want string
	}{
		{func(p *plan.Plan) { p.Slots[1].Offset = 40 }, "slot n: offset 40, stride 32, width 20\nslots n and y overlap and are in use together"},
		{func(p *plan.Plan) { p.Slots[1].Offset = 16 }, "slots x and n overlap and are in use together"},
		{func(p *plan.Plan) { p.Slots[1].Width = 33 }, "slot n: offset 32, stride 32, width 33"},
		{func(p *plan.Plan) { p.Slots[2].Stride = 20 }, "slot y: offset 64, stride 20, width 10"},
		{func(p *plan.Plan) { p.Slots = append(p.Slots, plan.Slot{Name: "z", Offset: 128, Stride: 16}) }, "slot z is not used"},
		{func(p *plan.Plan) {
			p.Slots = append(p.Slots, plan.Slot{Name: "y", Offset: 128, Stride: 16})
		}, "two of the slots, objects and states are y"},
		{func(p *plan.Plan) { p.Slots[1].Width = 19 }, linear + "slot n is 19 wide, want 20"},
		{func(p *plan.Plan) {
			step := p.Stages[1].Steps[0]
			step.Operands[1] = plan.InputArg{Slot: "x", Eps: 0.01, Gain: "norm"}
		}, linear + "no slot for rows of 20\nslot n is not used"},
		{func(p *plan.Plan) { p.Weights[1].Elem = ir.Q4 }, linear + "weight embed.panels is quantized, its input f32\n" + linear + "slot n is 20 wide, want 38"},
		{func(p *plan.Plan) { p.Slots[1].Live[0].Stage = "embed" }, linear + "no slot n"},
		{func(p *plan.Plan) { p.States[0].Name = "rope" }, "two of the slots, objects and states are rope\n" + cache + "no state cache"},
		{func(p *plan.Plan) { p.States[1].Object = "ring" }, "state ring: no object ring"},
		{func(p *plan.Plan) { p.Objects[1].Name = "rope" }, "two of the slots, objects and states are rope\nstate cache: no object layout\nstate ring: no object layout\n" + cache + "no object layout"},
		{func(p *plan.Plan) { p.Weights[2].Field = "embed" }, "two of the fields of stage layer are embed"},
		{func(p *plan.Plan) { p.Weights[1].Alias = "embed" }, "weight embed is a view of embed.panels, which is not in the file\nweight embed.panels is a view of embed, which is not in the file"},
		{func(p *plan.Plan) { p.Weights[0].Stage = "layer" }, "two of the fields of stage layer are embed\nstage embed, step 0: Embed: no weight embed"},
		{func(p *plan.Plan) { p.Weights[2].Name = "gain" }, linear + "no weight norm\nweight gain is not read"},
		{func(p *plan.Plan) {
			p.Weights = append(p.Weights, plan.Weight{Name: "norm", Field: "other", Stage: "embed"})
		}, "two of the weights are norm"},
		{func(p *plan.Plan) { s := &p.Stages[1].Steps[0]; s.Operands = s.Operands[:4] }, linear + "has 4 operands, want 5\nweight embed.panels is not read\nweight norm is not read\nslot n is not used"},
		{func(p *plan.Plan) { p.Stages[1].Steps[0].Operands[0] = plan.SlotArg{Slot: "x"} }, linear + "reads and writes slot x"},
		{func(p *plan.Plan) { p.Stages[1].Steps[1].Operands[2] = plan.SlotArg{Slot: "z"} }, cache + "no slot z"},
		{func(p *plan.Plan) { p.Stages[1].Steps[1].Operands[5] = plan.PhasesArg("rope2") }, cache + "no rope rope2"},
		{func(p *plan.Plan) { p.Kernels = p.Kernels[:3] }, linear + "needs kernel TileStore"},
		{func(p *plan.Plan) { p.Entries[0].Stages = []int{0, 2} }, "entry prefill: stage 2 of 2"},
		{func(p *plan.Plan) { p.Entries[0].Stages = nil }, "entry prefill has no stage"},
	} {
		p := small()
		c.edit(p)
		if err := plan.Verify(p); err == nil || err.Error() != c.want {
			t.Errorf("error is\n%v\nwant\n%s", err, c.want)
		}
	}
}

// TestShape: how many elements each form has in the file.
func TestShape(t *testing.T) {
	for _, c := range []struct {
		w       plan.Weight
		shape   []int
		outputs int
		bytes   int64
	}{
		{plan.Weight{Form: plan.Matrix, N: 64, K: 3}, []int{1, 3, 64}, 64, 4 * 192},
		{plan.Weight{Form: plan.Matrix, N: 65, K: 3, Layers: 2}, []int{2, 2, 3, 64}, 65, 4 * 768},
		{plan.Weight{Form: plan.Matrix, Elem: ir.BF16, N: 65, K: 3}, []int{2, 2, 64, 2}, 65, 2 * 512},
		{plan.Weight{Form: plan.Matrix, Elem: ir.BF16, N: 64, K: 4, Layers: 3}, []int{3, 1, 2, 64, 2}, 64, 2 * 768},
		{plan.Weight{Form: plan.Matrix, N: 64, K: 2, Half: 32}, []int{1, 2, 64}, 64, 4 * 128},
		{plan.Weight{Form: plan.Matrix, N: 66, K: 2, Half: 33}, []int{2, 2, 64}, 128, 4 * 256},
		{plan.Weight{Form: plan.Matrix, Elem: ir.BF16, N: 2, K: 1, Half: 1}, []int{1, 1, 64, 2}, 64, 2 * 128},
		{plan.Weight{Form: plan.Matrix, Elem: ir.Q8, N: 65, K: 129, Layers: 2}, []int{2, 4, 2 * 4160}, 65, 2 * 4 * 2 * 4160},
		{plan.Weight{Form: plan.Matrix, Elem: ir.Q4, N: 64, K: 33}, []int{2, 2176}, 64, 2 * 2176},
		{plan.Weight{Form: plan.Table, Elem: ir.Q8, N: 7, K: 33}, []int{7, 68}, 7, 7 * 68},
		{plan.Weight{Form: plan.Vector, N: 16, K: 1}, []int{16}, 16, 64},
		{plan.Weight{Form: plan.Vector, N: 17, K: 1, Layers: 2}, []int{2, 32}, 17, 256},
		{plan.Weight{Form: plan.Vector, N: 17, K: 4, Layers: 2}, []int{2, 4, 32}, 17, 1024},
		{plan.Weight{Form: plan.Table, Elem: ir.BF16, N: 7, K: 5}, []int{7, 5}, 7, 70},
	} {
		if s := c.w.Tensors()[0].Shape(); !slices.Equal(s, c.shape) || c.w.Outputs() != c.outputs || c.w.Bytes() != c.bytes {
			t.Errorf("%+v: shape %v, outputs %d, %d bytes, want %v, %d, %d", c.w, s, c.w.Outputs(), c.w.Bytes(), c.shape, c.outputs, c.bytes)
		}
	}
}

// TestTensors: layers of one format in a row are a tensor.
func TestTensors(t *testing.T) {
	w := plan.Weight{Name: "w", Form: plan.Matrix, N: 64, K: 2, Layers: 4, Elems: []ir.Elem{ir.Q4, ir.F32, ir.F32, ir.Q4}}
	var got []string
	for _, x := range w.Tensors() {
		got = append(got, fmt.Sprint(x.Name, x.DType(), x.Elem, x.First, x.Layers, x.Shape()))
	}
	want := []string{"w.0-0U8q4 0 1 [1 2 2176]", "w.1-2F32f32 1 2 [2 1 2 64]", "w.3-3U8q4 3 1 [1 2 2176]"}
	if !slices.Equal(got, want) {
		t.Errorf("tensors are %q, want %q", got, want)
	}
	if !slices.Equal(w.Formats(), []ir.Elem{ir.F32, ir.Q4}) || w.ElemOf(2) != ir.F32 || w.ElemOf(3) != ir.Q4 || w.Bytes() != 2*2*2176+2*4*128 {
		t.Errorf("formats %v, %d bytes", w.Formats(), w.Bytes())
	}
}

// TestStreamed: 128 MB are, and another name for a weight adds nothing.
func TestStreamed(t *testing.T) {
	p := &plan.Plan{Weights: []plan.Weight{
		{Name: "a", Form: plan.Matrix, N: 1 << 14, K: 1 << 11},
		{Name: "b", Alias: "a", Form: plan.Matrix, N: 1 << 14, K: 1 << 11},
	}}
	if !p.Streamed() {
		t.Error("128 MB of weights are not streamed")
	}
	for i := range p.Weights {
		p.Weights[i].K--
	}
	if p.Streamed() {
		t.Error("less than 128 MB are streamed")
	}
}

// TestStride: rows start on cache lines, and not all of them in one set of the cache.
func TestStride(t *testing.T) {
	for width, want := range map[int]int{1: 16, 16: 16, 17: 32, 1000: 1008, 1009: 1040, 1024: 1040, 2048: 2064, 2049: 2064} {
		if got := plan.Stride(width); got != want {
			t.Errorf("stride of %d is %d, want %d", width, got, want)
		}
	}
}

// TestFingerprint: it changes with all that the bytes of the weight file depend on, and with
// nothing else.
func TestFingerprint(t *testing.T) {
	want := small().Fingerprint()
	for i, edit := range []func(p *plan.Plan){
		func(p *plan.Plan) { p.Package = "other" },
		func(p *plan.Plan) { p.Weights[0].N++ },
		func(p *plan.Plan) { p.Weights[1].Elem = ir.BF16 },
		func(p *plan.Plan) { p.Weights[1].Elem = ir.Q8 },
		func(p *plan.Plan) { p.Weights[1].Elem = ir.Q4 },
		func(p *plan.Plan) { p.Weights[2].Elems = []ir.Elem{ir.F32, ir.BF16} },
		func(p *plan.Plan) { p.Weights[1].Half = 5 },
		func(p *plan.Plan) { p.Weights[2].Layers = 3 },
		func(p *plan.Plan) { p.Weights[2].Sources[0].Scale = 3 },
		func(p *plan.Plan) { p.Weights[2].Sources[0].Gain = "g" },
		func(p *plan.Plan) { p.Weights[0].Alias = "" },
		func(p *plan.Plan) { p.Weights[0], p.Weights[1] = p.Weights[1], p.Weights[0] },
	} {
		p := small()
		if edit(p); p.Fingerprint() == want {
			t.Errorf("edit %d leaves the fingerprint", i)
		}
	}
	p := small()
	p.Source, p.Context, p.Slots[1].Offset, p.Stages[1].Steps[1].Sync = "elsewhere.yaml", 9, 0, false
	if p.Fingerprint() != want {
		t.Error("the fingerprint depends on more than the weights")
	}
}

// TestIdentity: it changes with all that results and states depend on, but for the weights' values, and not with
// where things are or how long a session may be.
func TestIdentity(t *testing.T) {
	want := small().Identity()
	for i, edit := range []func(p *plan.Plan){
		func(p *plan.Plan) { p.Package = "other" },
		func(p *plan.Plan) { p.CacheElem = ir.Q8 },
		func(p *plan.Plan) { p.Weights[1].Elem = ir.BF16 },
		func(p *plan.Plan) { p.Objects[0].Fields[1].Value = 100.00000000000001 },
		func(p *plan.Plan) { p.States[1].Layers = 3 },
		func(p *plan.Plan) { p.Stages[0].Repeat = 2 },
		func(p *plan.Plan) { p.Stages[1].Steps = p.Stages[1].Steps[:1] },
	} {
		p := small()
		if edit(p); p.Identity() == want {
			t.Errorf("edit %d leaves the identity", i)
		}
	}
	p := small()
	p.Source, p.Context, p.Slots[1].Offset = "elsewhere.yaml", 9, 0
	if p.Identity() != want {
		t.Error("the identity depends on more than states and results")
	}
}

// TestMeet: slots meet where some stage has a step of both.
func TestMeet(t *testing.T) {
	in := func(lives ...plan.Live) *plan.Slot { return &plan.Slot{Live: lives} }
	self := func(from, to int) plan.Live { return plan.Live{Stage: "self", From: from, To: to} }
	cross := func(from, to int) plan.Live { return plan.Live{Stage: "cross", From: from, To: to} }
	for _, c := range []struct {
		a, b *plan.Slot
		want bool
	}{
		{in(), in(), true},
		{in(), in(self(3, 3)), true},
		{in(self(0, 2)), in(self(2, 3)), true},
		{in(self(0, 1)), in(self(2, 3)), false},
		{in(self(0, 9)), in(self(4, 5)), true},
		{in(self(0, 9)), in(cross(0, 9)), false},
		{in(self(0, 1), cross(4, 5)), in(self(2, 3), cross(5, 6)), true},
		{in(self(0, 1), cross(4, 5)), in(self(2, 3), cross(6, 6)), false},
	} {
		if plan.Meet(c.a, c.b) != c.want || plan.Meet(c.b, c.a) != c.want {
			t.Errorf("%s and %s: want %v", c.a.When(), c.b.When(), c.want)
		}
	}
}

// TestTables: names are unique, parameters have types that assembly can be declared with, and a
// level has all that the one before it has.
func TestTables(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range plan.Kernels {
		if seen[k.Name] || k.Doc == "" || strings.HasSuffix(k.Doc, ".") {
			t.Errorf("kernel %s: %q", k.Name, k.Doc)
		}
		seen[k.Name] = true
		for _, p := range slices.Concat(k.Params, k.Results) {
			if !slices.Contains([]string{"[]float32", "[]uint16", "[]int8", "[]int32", "[]byte", "float32", "int32", "int", "bool"}, p.Type) {
				t.Errorf("kernel %s: %s is a %s", k.Name, p.Name, p.Type)
			}
		}
	}
	for i, l := range plan.Levels {
		if i > 0 && (l.Lanes <= plan.Levels[i-1].Lanes || fmt.Sprint(l.Features[:len(plan.Levels[i-1].Features)]) != fmt.Sprint(plan.Levels[i-1].Features)) {
			t.Errorf("level %s does not have all of %s", l.Name, plan.Levels[i-1].Name)
		}
	}
}
