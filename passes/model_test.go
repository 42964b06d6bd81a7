package passes

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/build"
	"github.com/yococ/yococ/models"
)

// variants are specs that have, between them, all that a spec can say, at small sizes.
var variants = map[string]string{
	"official": `
name: official
vocab: 13
dim: 16
self: {layers: 2, mixer: {kind: gated-retention, heads: 2}, ffn: {hidden: 24}}
cache: {kv_heads: 2}
cross: {layers: 2, heads: 4, ffn: {hidden: 24}}
`,
	"window": `
name: window
vocab: 13
dim: 16
self: {layers: 2, mixer: {kind: sliding-window, heads: 4, kv_heads: 2, window: 3}, ffn: {hidden: 24}}
cache: {kv_heads: 1}
cross: {layers: 2, heads: 2, ffn: {hidden: 24}}
`,
	"fla": `
name: fla
vocab: 13
dim: 16
norm_eps: 1.0e-6
self: {layers: 2, mixer: {kind: sliding-window, heads: 4, kv_heads: 4, window: 4, bias: true, rope: {freq: fla, pairing: half-split}}, ffn: {hidden: 20}}
cache: {kv_heads: 4, bias: true, rope: {freq: fla, pairing: half-split, theta: 500}}
cross: {layers: 2, heads: 4, bias: true, q_norm: true, ffn: {hidden: 20}}
`,
	"tied": `
name: tied
vocab: 13
dim: 16
tie_embeddings: true
self: {layers: 1, mixer: {kind: gated-retention, heads: 4, gate_normalizer: 12}, ffn: {hidden: 24}}
cache: {kv_heads: 4}
cross: {layers: 1, heads: 4, ffn: {hidden: 24}}
`,
	"unequal": `
name: unequal
vocab: 13
dim: 16
self: {layers: 3, mixer: {kind: gated-retention, heads: 1}, ffn: {hidden: 40}}
cache: {kv_heads: 2, rope: {pairing: half-split}}
cross: {layers: 1, heads: 8, q_norm: true, ffn: {hidden: 10}}
`,
	"delta": `
name: delta
vocab: 13
dim: 16
self: {layers: 2, mixer: {kind: gated-deltanet, heads: 2, v_heads: 4, head_dim: 8, expand_v: 1.25, conv_size: 3}, ffn: {hidden: 24}}
cache: {kv_heads: 2}
cross: {layers: 1, heads: 4, ffn: {hidden: 24}}
`,
	"plain": `
name: plain
vocab: 13
dim: 16
tie_embeddings: true
self: {layers: 3, mixer: {kind: attention, heads: 4, kv_heads: 2}, ffn: {hidden: 24}}
`,
	"mixed": `
name: mixed
vocab: 13
dim: 16
self:
  stack:
    - repeat: 2
      layers:
        - {mixer: {kind: gated-retention, heads: 2}, ffn: {hidden: 24}}
        - {mixer: {kind: sliding-window, heads: 4, kv_heads: 2, window: 3}, ffn: {hidden: 24}}
    - {mixer: {kind: gated-retention, heads: 2}, ffn: {hidden: 24}}
    - {mixer: {kind: attention, heads: 2, kv_heads: 1, rope: none}, ffn: {hidden: 20}}
    - {mixer: {kind: sliding-window, heads: 4, kv_heads: 2, window: 5, rope: none}, ffn: {hidden: 24}}
cache: {kv_heads: 2}
cross:
  stack:
    - {repeat: 2, mixer: {kind: cross-attention, heads: 4}, ffn: {hidden: 24}}
    - {mixer: {kind: cross-attention, heads: 4, bias: true}, ffn: {hidden: 40}}
`,
	"shares": `
name: shares
vocab: 13
dim: 16
self:
  stack:
    - repeat: 2
      mixer: {kind: sliding-window, heads: 4, kv_heads: 2, window: 3}
      ffn: {hidden: 24}
    - {mixer: {kind: attention, heads: 4, kv_heads: 2, shares: true}, ffn: {hidden: 24}}
cross: {layers: 2, heads: 4, ffn: {hidden: 24}}
`,
	"local": `
name: local
vocab: 13
dim: 16
self:
  stack:
    - repeat: 2
      layers:
        - {mixer: {kind: attention, heads: 2, kv_heads: 1}, ffn: {hidden: 24}}
        - {mixer: {kind: sliding-window, heads: 4, kv_heads: 2, window: 3}, ffn: {hidden: 24}}
`,
	"mamba": `
name: mamba
vocab: 13
dim: 16
self: {layers: 2, mixer: {kind: mamba, expand: 1}, ffn: {hidden: 24}}
`,
	"differential": `
name: differential
vocab: 13
dim: 16
self: {layers: 3, mixer: {kind: attention, heads: 4, kv_heads: 2, rope: none, differential: true}, ffn: {hidden: 24}}
`,
	"sambay": `
name: sambay
vocab: 13
dim: 16
norm: layer
tie_embeddings: true
embed_scale: none
self:
  stack:
    - repeat: 2
      layers:
        - {mixer: {kind: mamba, states: 3, conv: 3, rank: 2}, ffn: {hidden: 24}}
        - {mixer: {kind: sliding-window, heads: 4, kv_heads: 2, window: 3, bias: true, out_bias: true, rope: none, differential: true}, ffn: {hidden: 24}}
    - {mixer: {kind: mamba, states: 3, conv: 3, rank: 2}, ffn: {hidden: 24}}
    - {mixer: {kind: attention, heads: 4, kv_heads: 2, bias: true, out_bias: true, rope: none, differential: true, shares: true}, ffn: {hidden: 24}}
cross:
  stack:
    - repeat: 2
      layers:
        - {mixer: {kind: gated-memory}, ffn: {hidden: 24}}
        - {mixer: {kind: cross-attention, heads: 4, bias: true, out_bias: true, differential: true}, ffn: {hidden: 24}}
`,
	"bare": `
name: bare
vocab: 13
dim: 16
self: {layers: 1, mixer: {kind: gated-deltanet, heads: 2, head_dim: 4, use_gate: false, use_short_conv: false, allow_neg_eigval: true}, ffn: {hidden: 24}}
cache: {kv_heads: 2}
cross: {layers: 1, heads: 4, ffn: {hidden: 24}}
`,
}

// formats are the targets that make a difference to the passes.
var formats = []Target{
	{Weights: ir.F32, Checkpoint: ir.F32},
	{Weights: ir.F32, Checkpoint: ir.BF16},
	{Weights: ir.BF16, Checkpoint: ir.F32, KV: ir.BF16},
	{Weights: ir.BF16, Checkpoint: ir.BF16},
	{Weights: ir.Q4, Activations: ir.Q8, Checkpoint: ir.BF16},
	{Weights: ir.BF16, Activations: ir.Q8, Checkpoint: ir.BF16, Precision: []Precision{ // the layers of a stage, and the readers of a norm, in several formats
		{Role: "self.o", From: 1, To: 1, Elem: ir.Q8},
		{Role: "self.v", From: 0, To: 1, Elem: ir.F32},
		{Role: "self.ffn.down", From: 0, To: 0, Elem: ir.Q4},
		{Role: "cross.ffn.gate", From: 0, To: 0, Elem: ir.Q4},
		{Role: "cross.ffn.up", From: 0, To: 0, Elem: ir.Q4},
		{Role: "cache.v", From: -1, To: -1, Elem: ir.Q8},
	}},
}

// naive builds a variant, and completes a target with what a plan needs.
func naive(t *testing.T, variant string, target *Target) *ir.Program {
	t.Helper()
	spec, err := models.Parse(variant+".yaml", []byte(variants[variant]))
	if err != nil {
		t.Fatal(err)
	}
	p, err := build.Program(spec)
	if err != nil {
		t.Fatal(err)
	}
	target.Package, target.Source, target.Context = spec.Name, variant+".yaml", 64
	target.Self, target.Cross = spec.Self.Len(), spec.Cross.Len()
	return p
}

// eachModel calls test for every variant and target.
func eachModel(t *testing.T, test func(t *testing.T, variant string, target Target)) {
	for variant := range variants {
		for _, target := range formats {
			name := fmt.Sprintf("%s/%v-from-%v-%d", variant, target.Weights, target.Checkpoint, len(target.Precision))
			t.Run(name, func(t *testing.T) { test(t, variant, target) })
		}
	}
}

// TestModels: every pass leaves every model with the same meaning, and a plan comes of it; also
// with independent values in other orders before each pass.
func TestModels(t *testing.T) {
	eachModel(t, func(t *testing.T, variant string, target Target) {
		p := naive(t, variant, &target)
		full := p.String()
		for seed := range uint64(4) {
			var reorder func(*ir.Program)
			if seed > 0 {
				reorder = shuffler(seed)
			}
			last, err := ir.Parse(string(runAll(t, variant, full, Names(), target, reorder)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Plan(last, target); err != nil {
				t.Errorf("seed %d: %v\n%v", seed, err, last)
			}
			if reorder == nil {
				if err := Optimize(p, target); err != nil || p.String() != last.String() {
					t.Errorf("Optimize gives %v\n%v\nthe passes one by one\n%v", err, p, last)
				}
			}
		}
	})
}

// TestSkip: without any one pass the program is valid and means the same; a plan comes of it, or
// an error that says where and what is missing.
func TestSkip(t *testing.T) {
	eachModel(t, func(t *testing.T, variant string, target Target) {
		want := []outcome(nil)
		for _, name := range Names() {
			target.Skip = []string{name}
			p := naive(t, variant, &target)
			roles := rolesOf(p)
			if want == nil {
				want = evaluate(t, p, roles)
			}
			if err := Optimize(p, target); err != nil {
				t.Errorf("without %s: %v", name, err)
				continue
			}
			if diff := difference(want, evaluate(t, p, roles)); diff != "" {
				t.Errorf("without %s: %s\n%v", name, diff, p)
			}
			if _, err := Plan(p, target); err != nil && !strings.HasPrefix(err.Error(), "stage ") {
				t.Errorf("without %s: %v", name, err)
			}
		}
	})
}

// TestNoPasses: a naive program is no plan, and the error names the first value that has no routine.
func TestNoPasses(t *testing.T) {
	target := Target{Skip: Names()}
	p := naive(t, "official", &target)
	if err := Optimize(p, target); err != nil {
		t.Fatal(err)
	}
	if _, err := Plan(p, target); err == nil || !strings.HasPrefix(err.Error(), "stage embed: ") {
		t.Errorf("error is %v", err)
	}
}

// skipCase lists what becomes of the plan of a variant without each of the passes.
//
//	skip VARIANT weights=f32|bf16 checkpoint=f32|bf16
func skipCase(t *testing.T, d *datadriven.TestData) string {
	var b strings.Builder
	for _, name := range Names() {
		variant, target := modelArgs(t, d)
		target.Skip = []string{name}
		p := naive(t, variant, &target)
		if err := Optimize(p, target); err != nil {
			d.Fatalf(t, "%v", err)
		}
		if _, err := Plan(p, target); err != nil {
			fmt.Fprintf(&b, "%s: %v\n", name, err)
		} else {
			fmt.Fprintf(&b, "%s: ok\n", name)
		}
	}
	return b.String()
}

// planCase prints the plan of a variant, or a part of it.
//
//	plan VARIANT [weights=FORMAT] [activations=f32|q8] [precision=(ROLE/FROM-TO/FORMAT,…)] [checkpoint=f32|bf16] [kv=f32|bf16] [skip=PASS] [entries|kernels|steps]
func planCase(t *testing.T, d *datadriven.TestData) string {
	variant, target := modelArgs(t, d)
	p := naive(t, variant, &target)
	if err := Optimize(p, target); err != nil {
		d.Fatalf(t, "%v", err)
	}
	plan, err := Plan(p, target)
	if err != nil {
		return err.Error()
	}
	text := plan.String()
	if again, err := Plan(p, target); err != nil || again.String() != text || again.Fingerprint() != plan.Fingerprint() {
		t.Errorf("%s: a second plan of the program is %v\n%v", d.Pos, err, again)
	}
	if d.HasArg("steps") {
		_, text, _ = strings.Cut(text, "\nweights\n")
		text, _, _ = strings.Cut(text, "\nentries\n")
	}
	if d.HasArg("kernels") {
		_, text, _ = strings.Cut(text, "\nkernels\n")
	}
	if d.HasArg("entries") {
		_, text, _ = strings.Cut(text, "\nentries\n")
		text, _, _ = strings.Cut(text, "\nkernels\n")
	}
	return text
}

func modelArgs(t *testing.T, d *datadriven.TestData) (variant string, target Target) {
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "weights":
			target.Weights = elem(t, d, a.Vals[0])
		case "checkpoint":
			target.Checkpoint = elem(t, d, a.Vals[0])
		case "kv":
			target.KV = elem(t, d, a.Vals[0])
		case "skip":
			target.Skip = a.Vals
		case "activations":
			target.Activations = elem(t, d, a.Vals[0])
		case "precision": // ROLE/FROM-TO/FORMAT
			for _, v := range a.Vals {
				var from, to int
				parts := strings.Split(v, "/")
				if _, err := fmt.Sscanf(parts[1], "%d-%d", &from, &to); err != nil {
					d.Fatalf(t, "%v", err)
				}
				target.Precision = append(target.Precision, Precision{Role: parts[0], From: from, To: to, Elem: elem(t, d, parts[2])})
			}
		case "entries", "kernels", "steps":
		default:
			variant = a.Key
		}
	}
	if variants[variant] == "" {
		d.Fatalf(t, "no variant %q", variant)
	}
	return variant, target
}

// TestTargets: what Optimize and Plan refuse.
func TestTargets(t *testing.T) {
	target := Target{Skip: []string{"fuse-swigloo"}}
	p := naive(t, "official", &target)
	if err := Optimize(p, target); err == nil || !strings.HasPrefix(err.Error(), `no pass "fuse-swigloo", want one of cse, peel-last, split-stage, fold, `) {
		t.Errorf("error is %v", err)
	}
	for _, c := range []struct {
		edit func(*ir.Program, *Target)
		want string
	}{
		{func(_ *ir.Program, t *Target) { t.Weights = ir.F16 }, "weights in f16, want f32, bf16, q8 or q4"},
		{func(_ *ir.Program, t *Target) { t.Weights = ir.Q8 }, "activations in f32, and weights in q8 or q4, which multiply q8 activations alone"},
		{func(_ *ir.Program, t *Target) { t.Activations = ir.Q8 }, "activations in q8, and no weights in q8 or q4 that multiply them"},
		{func(_ *ir.Program, t *Target) { t.Activations = ir.BF16 }, "activations in bf16, and no weights in bf16 that multiply them"},
		{func(_ *ir.Program, t *Target) { t.Activations = ir.I32 }, "activations in i32, want f32, bf16 or q8"},
		{func(_ *ir.Program, t *Target) { t.KV = ir.I32 }, "cache in i32, want f32, bf16, q8 or q4"},
		{func(p *ir.Program, _ *Target) { p.Entries = p.Entries[1:] }, "program has no entry prefill"},
		{func(p *ir.Program, _ *Target) { p.Stages[4].Name = "tail" }, "program has no stage head"},
		{func(p *ir.Program, _ *Target) { p.Stages[0].Name = "tokens" }, "program has no stage embed"},
		{func(p *ir.Program, _ *Target) { p.Entries[0].Rows[1] = ir.Last }, "entry prefill: stage share needs all rows after one that needs the last"},
		{func(p *ir.Program, _ *Target) { p.Entries[0].Rows, p.Entries[0].Want = make([]ir.Rows, 5), ir.All }, "plan: entry last has no stage"},
		{func(p *ir.Program, _ *Target) {
			s := *p.States[1]
			s.Name = "other"
			p.States = append(p.States, &s)
		}, "state $other: nothing writes it"},
		{func(p *ir.Program, _ *Target) {
			p.Stage("cross").Func.Values[1].Weights[0] = p.Weight("self.o")
		}, "stage cross: weight @self.o: a matrix of stage self and a matrix of stage cross, want one use, or a table and one matrix"},
	} {
		target := Target{}
		p := naive(t, "official", &target)
		if err := Optimize(p, target); err != nil {
			t.Fatal(err)
		}
		c.edit(p, &target)
		if _, err := Plan(p, target); err == nil || err.Error() != c.want {
			t.Errorf("error is %v, want %s", err, c.want)
		}
	}
}

// TestDump: the program comes out naive and after each pass, numbered.
func TestDump(t *testing.T) {
	var names []string
	target := Target{Skip: []string{"fuse-bias"}}
	target.Dump = func(n int, name, program string) {
		names = append(names, fmt.Sprint(n, " ", name))
		if _, err := ir.Parse(program); err != nil {
			t.Error(err)
		}
	}
	if err := Optimize(naive(t, "fla", &target), target); err != nil {
		t.Fatal(err)
	}
	if len(names) != len(Passes) || !slices.Equal(names[:6], []string{"0 naive", "1 cse", "2 peel-last", "3 split-stage", "4 fold", "6 fuse-rope"}) {
		t.Errorf("dumps are %v", names)
	}
}

// TestFusedBy: an op has a routine or is a part of one, and the error names a pass that there is.
func TestFusedBy(t *testing.T) {
	for op, pass := range fusedBy {
		if selectors[op] != nil || !slices.Contains(Names(), pass) {
			t.Errorf("%s is fused by %q and has a selector: %v", op.Name, pass, selectors[op] != nil)
		}
	}
}
