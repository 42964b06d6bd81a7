package tests

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/yococ/yococ/codegen/pack"
	"github.com/yococ/yococ/internal/testmodel"
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/build"
	"github.com/yococ/yococ/models"
	rt "github.com/yococ/yococ/runtime"
)

// TestStacks compares compiled models of made-up weights, for which there are no reference results,
// with an evaluation in float64 of the equations that their specs mean, before any pass: every row's
// logits, those after a prefill and after each decoded token, and the states that are left.
func TestStacks(t *testing.T) {
	for _, m := range testmodel.Models {
		if m.Random == 0 || m.Format != "f32" {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			for _, level := range levels(t) {
				testStack(t, m, level)
			}
		})
	}
}

// stackBar is how far logits and states in float32 may be off, relative to the larger of the number
// and 1; the most that was seen is 1.2e-5.
const stackBar = 3e-5

func testStack(t *testing.T, m *testmodel.Model, level string) {
	loaded, err := m.Load()
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	program, err := build.Program(loaded.Spec)
	if err != nil {
		t.Fatal(err)
	}
	machine := ir.NewMachine(program, ir.Packed(madeUp(loaded.Spec, m.Random)))
	evaluate := func(entry string, tokens []int32) [][]float64 {
		rows, err := machine.Run(program.Entry(entry), tokens)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	worst := 0.0
	compare := func(what string, got []float32, want []float64) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%s, %s: %d elements, want %d", level, what, len(got), len(want))
		}
		for i, x := range got {
			d := math.Abs(float64(x)-want[i]) / max(1, math.Abs(want[i]))
			if worst = max(worst, d); !(d <= stackBar) {
				t.Fatalf("%s, %s: [%d] is %v, want %v", level, what, i, x, want[i])
			}
		}
	}

	tokens := prompt(150, loaded.Spec.Vocab)
	if race || testing.Short() {
		tokens = tokens[:30]
	}
	compiled := open(t, m.Name)
	o := rt.Options{ISA: level, Threads: 2, Chunk: 64, Context: len(tokens) + 4}
	s := session(t, compiled, o)
	want := evaluate("score", tokens)
	err = s.ScoreRows(context.Background(), tokens, func(row int, l []float32) error {
		compare(fmt.Sprintf("score of row %d", row), l, want[row])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	machine.Reset()
	s = session(t, compiled, o)
	prefill(t, s, tokens)
	l := logits(t, s)
	compare("prefill", l, evaluate("prefill", tokens)[0])
	for range 4 {
		next := argmax(l)
		l = decode(t, s, next)
		compare("decode", l, evaluate("decode", []int32{next})[0])
	}
	exported, err := s.Export()
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range program.States {
		for l := range state.Layers {
			for _, part := range state.Parts {
				name := fmt.Sprintf("self%d.%s", state.Layer(l), part.Name)
				if state.Kind == ir.Shared {
					name = "shared_" + part.Name
				}
				i := slices.IndexFunc(exported, func(x rt.Tensor) bool { return x.Name == name })
				if i < 0 {
					t.Fatalf("%s: there is no %s among the exported states", level, name)
				}
				want, _ := machine.State(state.Name, l, part.Name)
				compare(name, exported[i].Data, want)
				exported = slices.Delete(exported, i, i+1)
			}
		}
	}
	if len(exported) > 0 {
		t.Errorf("%s: nothing was to be exported as %s", level, exported[0].Name)
	}
	t.Logf("%-8s largest difference %.1e of %.0e", level, worst, stackBar)
}

// madeUp gives the checkpoint tensors of made-up weights.
func madeUp(spec *models.Spec, seed uint64) func(role string, layer int) ([]float64, error) {
	type key struct {
		role  string
		layer int
	}
	src, all := pack.Random(seed), map[key][]float64{}
	for _, w := range spec.Weights() {
		x, k := make([]float32, w.Elems()), w.Shape[len(w.Shape)-1]
		if len(w.Shape) == 1 {
			k = 1
		}
		src.Read(x, string(w.Role), w.Layer, k, 0)
		values := make([]float64, len(x))
		for i, v := range x {
			values[i] = float64(v)
		}
		all[key{string(w.Role), w.Layer}] = values
	}
	return func(role string, layer int) ([]float64, error) { return all[key{role, layer}], nil }
}
