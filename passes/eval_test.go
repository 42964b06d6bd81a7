package passes

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yococ/yococ/ir"
)

// A role is a checkpoint tensor: its size, and whether layers repeat it.
type role struct {
	size    int
	layered bool
}

// rolesOf are the tensors that a program is made from.
func rolesOf(p *ir.Program) map[string]role {
	roles := map[string]role{}
	for _, w := range p.Weights {
		row := w.Type.Size() / w.Type.Shape[0]
		for _, s := range w.Pack.Sources {
			rows := s.Rows
			if rows == 0 {
				rows = w.Type.Shape[0]
			}
			roles[s.Role] = role{rows * row, w.Layers > 0}
			if s.Gain != "" {
				roles[s.Gain] = role{w.Type.Shape[len(w.Type.Shape)-1], w.Layers > 0}
			}
		}
	}
	return roles
}

// An outcome is all that came of running a program: rows and states by what they are.
type outcome struct {
	name string
	x    []float64
}

// evaluate runs every entry over tokens in several pieces, on weights that depend on the roles'
// names alone, and gives the rows asked for and the states after them.
func evaluate(t *testing.T, p *ir.Program, roles map[string]role) []outcome {
	t.Helper()
	m := ir.NewMachine(p, ir.Packed(func(name string, layer int) ([]float64, error) {
		r, ok := roles[name]
		if !ok || r.layered != (layer >= 0) {
			return nil, fmt.Errorf("no tensor %s in layer %d", name, layer)
		}
		return noise(r.size, name, layer), nil
	}))
	vocab := 0
	for v := range p.Stages[0].Func.All(ir.Embed) {
		vocab = v.Weights[0].Type.Shape[0]
	}
	var out []outcome
	for _, e := range p.Entries {
		m.Reset()
		for i, n := range []int{4, 1, 5, 1} {
			tokens := make([]int32, n)
			for j := range tokens {
				tokens[j] = int32((7*i + 5*j + 3) % vocab)
			}
			rows, err := m.Run(e, tokens)
			if err != nil {
				t.Fatalf("entry %s: %v\n%v", e.Name, err, p)
			}
			for j, row := range rows {
				out = append(out, outcome{fmt.Sprintf("entry %s, piece %d, row %d", e.Name, i, j), slices.Clone(row)})
			}
		}
		for _, s := range p.States {
			for l := range s.Layers {
				for _, part := range s.Parts {
					x, _ := m.State(s.Name, l, part.Name)
					out = append(out, outcome{fmt.Sprintf("entry %s, %v state of layer %d, %s", e.Name, s.Kind, s.Layer(l), part.Name), x})
				}
			}
		}
	}
	return out
}

// noise are numbers that depend on a tensor's name and layer alone.
func noise(n int, name string, layer int) []float64 {
	h := fnv.New64a()
	fmt.Fprint(h, name, layer)
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	x := make([]float64, n)
	for i := range x {
		x[i] = 0.5 * r.NormFloat64()
	}
	return x
}

// tolerance is what another order of float64 operations may change, relative to the largest
// number beside it.
const tolerance = 1e-12

// difference says where two runs of one model differ, "" if nowhere.
func difference(want, got []outcome) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d results, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if w.name != g.name || len(w.x) != len(g.x) {
			return fmt.Sprintf("%s has %d numbers, want %s with %d", g.name, len(g.x), w.name, len(w.x))
		}
		size := 0.0
		for _, x := range w.x {
			size = max(size, math.Abs(x))
		}
		for j, x := range w.x {
			if !(math.Abs(g.x[j]-x) <= tolerance*size) {
				return fmt.Sprintf("%s: element %d is %g, want %g", w.name, j, g.x[j], x)
			}
		}
	}
	return ""
}

// shuffler gives a function that puts independent values into another order: arguments stay before
// their uses, and operations on states in their order.
func shuffler(seed uint64) func(*ir.Program) {
	r := rand.New(rand.NewPCG(seed, 2))
	return func(p *ir.Program) {
		for _, s := range p.Stages {
			f := s.Func
			var order []*ir.Value
			left := slices.Clone(f.Values)
			for len(left) > 0 {
				var ready []int
				effect := false // a value on a state is left before this one
				for i, v := range left {
					ok := !slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return !slices.Contains(order, a) })
					if ok && !(effect && v.Op.Effect != ir.Pure) {
						ready = append(ready, i)
					}
					effect = effect || v.Op.Effect != ir.Pure
					if v == f.Param {
						ready = []int{i}
						break
					}
				}
				i := ready[r.IntN(len(ready))]
				order = append(order, left[i])
				left = slices.Delete(left, i, i+1)
			}
			f.Values = order
			f.Renumber()
		}
	}
}

// TestHarness: the comparison sees a wrong program.
func TestHarness(t *testing.T) {
	const program = `program t
state $kv shared {k:f32[1 2] v:f32[1 2]}
weight @embed f32[5 4]
weight @q f32[2 4]
stage embed
  %0:f32[4] = embed @embed
  return %0
stage share
  %0:f32[4] = param
  %1:f32[2] = slice %0 {shape=[2]}
  %2:f32[2] = slice %0 {from=2 shape=[2]}
  %3 = share %1 %2 $kv
  return %0
stage head
  %0:f32[4] = param
  %1:f32[2] = linear %0 @q
  %2:f32[1 2] = attend %1 $kv {scale=1}
  return %2
entry prefill embed=all share=all head=last want=last
`
	parse := func() *ir.Program {
		p, err := ir.Parse(program)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	right := parse()
	roles := rolesOf(right)
	want := evaluate(t, right, roles)
	for name, edit := range map[string]func(*ir.Program){
		"scale": func(p *ir.Program) { p.Weight("q").Pack.Sources[0].Scale = 1 + 1e-9 },
		"cache": func(p *ir.Program) {
			for v := range p.Stage("share").Func.All(ir.Share) {
				v.Args[0], v.Args[1] = v.Args[1], v.Args[0]
			}
		},
	} {
		wrong := parse()
		edit(wrong)
		if difference(want, evaluate(t, wrong, roles)) == "" {
			t.Errorf("%s: no difference seen", name)
		}
	}
	orders := map[string]bool{}
	for seed := range uint64(8) {
		p := parse()
		shuffler(seed)(p)
		if err := ir.Verify(p); err != nil {
			t.Error(err)
		}
		orders[p.String()] = true
	}
	if len(orders) < 2 {
		t.Error("values were never reordered")
	}
}
