package kernel

import (
	"math/rand/v2"
	"testing"
)

// Routines run for every token: none allocates, neither for one row nor for a chunk.
func TestNoAllocations(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 13))
	const tokens, k, n = 70, 40, 96
	retain := newRetainCase(rng, 2, 24, tokens, 16)
	attend := newAttendCase(rng, 4, 2, 24, 0, tokens, Q8)
	attend.QNormEps, attend.gain = 1e-5, floats(rng, 24)
	window := newAttendCase(rng, 2, 2, 16, 8, tokens, F32)
	window.Cache.Window = 8
	state := retain.State(make([]float32, retain.StateFloats()))
	cache, ring := empty(attend.Cache, tokens), empty(window.Cache, tokens)
	partial := make([]float32, attend.Partial(tokens))
	m, _ := pack(rng, n, k, true)
	table := &Table{Vocab: n, Dim: k, BF16: m.BF16, Packed: true}
	conv := newConvCase(rng, 40, 4, tokens, true, true)
	tail := conv.State(make([]float32, conv.StateFloats()))
	delta := newDeltaCase(rng, 2, 4, 24, 24, tokens, true)
	deltaState := delta.State(make([]float32, delta.StateFloats()))
	in := Normed(random(rng, tokens, k), nil, 1e-5, blank(tokens, k))
	dst, x := random(rng, tokens, n), blank(tokens, k)
	ids := make([]int32, tokens)
	scratch := max(LinearScratch(k, tokens), RetainScratch(24, tokens), AttendScratch(4, 2, 24, tokens), AttendScratch(2, 2, 16, tokens), conv.Scratch(tokens), delta.Scratch(tokens))
	var b Barrier
	w := NewWorker(0, 1, Portable{}, make([]float32, scratch), &b)
	for _, rows := range []int{1, tokens} {
		for name, f := range map[string]func(){
			"Linear":       func() { Linear(w, dst, in, m, nil, rows) },
			"LinearAdd":    func() { LinearAdd(w, dst, in, m, nil, rows) },
			"LinearSwiGLU": func() { LinearSwiGLU(w, dst, in, &Matrix{N: 64, K: k, BF16: m.BF16}, rows) },
			"Embed":        func() { Embed(w, x, table, ids[:rows], 2) },
			"Rotate":       func() { Rotate(w, retain.ph, retain.Rope, 0, rows) },
			"Retain": func() {
				Retain(w, &retain.RetainSpec, retain.q, retain.q, retain.k, retain.v, retain.g, retain.a, &state, retain.ph, 0, rows)
			},
			"ShortConv": func() {
				ShortConv(w, &conv.ConvSpec, x, conv.x, conv.weight, conv.bias, &tail, 0, rows)
			},
			"Activate": func() { Activate(w, x, conv.x, k, rows) },
			"DeltaGated": func() {
				x := &delta.in
				DeltaGated(w, &delta.DeltaSpec, dst, x.q, x.k, x.v, x.a, x.b, x.g, x.aLog, x.dt, x.norm, &deltaState, 0, rows)
			},
			"Append": func() { Append(w, attend.Cache, &cache, attend.k, attend.v, attend.Rope, attend.ph, 0, rows) },
			"Attend": func() {
				Attend(w, &attend.AttendSpec, attend.q, attend.q, attend.gain, &cache, attend.ph, partial, 0, rows)
			},
			"AttendWindow": func() {
				AttendWindow(w, &window.AttendSpec, window.q, window.q, window.k, window.v, &ring, window.ph, 0, rows)
			},
		} {
			if allocs := testing.AllocsPerRun(2, f); allocs != 0 {
				t.Errorf("%s, %d rows: %v allocations", name, rows, allocs)
			}
		}
	}
}
