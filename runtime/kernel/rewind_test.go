package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A rewindCase is a state of some kind and what advances it, by rows of a sequence from position pos on: of the right
// one or of another.
type rewindCase struct {
	name    string
	spec    interface{ Rewindable(from, to int) bool }
	scratch int
	fresh   func() (advance func(w *Worker, dst Rows, right bool, pos, rows int))
	cols    int
}

const rewindTokens = 330

func rewindCases() []rewindCase {
	rng := rand.New(rand.NewPCG(41, 41))
	retain, astray := newRetainCase(rng, 2, 24, rewindTokens, 16), newRetainCase(rng, 2, 24, rewindTokens, 16)
	delta, off := newDeltaCase(rng, 1, 2, 24, 20, rewindTokens, true), newDeltaCase(rng, 1, 2, 24, 20, rewindTokens, true)
	off.in.aLog, off.in.dt, off.in.norm = delta.in.aLog, delta.in.dt, delta.in.norm
	list := []rewindCase{
		{"retention", &retain.RetainSpec, RetainScratch(24, rewindTokens), func() func(*Worker, Rows, bool, int, int) {
			st := retain.State(make([]float32, retain.StateFloats()))
			return func(w *Worker, dst Rows, right bool, pos, rows int) {
				c := retain
				if !right {
					c = astray
				}
				Retain(w, &c.RetainSpec, dst.From(pos), c.q.From(pos), c.k.From(pos), c.v.From(pos), c.g.From(pos), c.a.From(pos), &st, c.ph.from(pos), pos, rows)
			}
		}, 48},
		{"delta rule", &delta.DeltaSpec, delta.Scratch(rewindTokens), func() func(*Worker, Rows, bool, int, int) {
			st := delta.State(make([]float32, delta.StateFloats()))
			return func(w *Worker, dst Rows, right bool, pos, rows int) {
				in := delta.in.from(pos)
				if !right {
					in = off.in.from(pos)
				}
				DeltaGated(w, &delta.DeltaSpec, dst.From(pos), in.q, in.k, in.v, in.a, in.b, in.g, in.aLog, in.dt, in.norm, &st, pos, rows)
			}
		}, 40},
	}
	for _, format := range []Format{F32, BF16, Q8, Q4} {
		c, astray := newAttendCase(rng, 2, 1, 16, 0, rewindTokens, format), newAttendCase(rng, 2, 1, 16, 0, rewindTokens, format)
		list = append(list, rewindCase{fmt.Sprint("cache of format ", format), c.Cache, AttendScratch(2, 1, 16, rewindTokens), func() func(*Worker, Rows, bool, int, int) {
			cache, partial := empty(c.Cache, rewindTokens), make([]float32, c.Partial(rewindTokens))
			return func(w *Worker, dst Rows, right bool, pos, rows int) {
				x := c
				if !right {
					x = astray
				}
				Append(w, c.Cache, &cache, x.k.From(pos), x.v.From(pos), x.Rope, x.ph.from(pos), pos, rows)
				Attend(w, &c.AttendSpec, dst.From(pos), x.q.From(pos), nil, &cache, x.ph.from(pos), partial, pos, rows)
			}
		}, 32})
	}
	for _, window := range []int{1, 8, 64, 65, 66, 100} {
		c, astray := newAttendCase(rng, 1, 1, 16, window, rewindTokens, F32), newAttendCase(rng, 1, 1, 16, window, rewindTokens, F32)
		c.Cache.Window = window
		list = append(list, rewindCase{fmt.Sprint("window of ", window), c.Cache, AttendScratch(1, 1, 16, rewindTokens), func() func(*Worker, Rows, bool, int, int) {
			cache := empty(c.Cache, rewindTokens)
			return func(w *Worker, dst Rows, right bool, pos, rows int) {
				x := c
				if !right {
					x = astray
				}
				AttendWindow(w, &c.AttendSpec, dst.From(pos), x.q.From(pos), x.k.From(pos), x.v.From(pos), &cache, x.ph.from(pos), pos, rows)
			}
		}, 16})
	}
	return list
}

// TestRewindable: a state that says that it can be rewound gives the bits of one that never went on.
func TestRewindable(t *testing.T) {
	rng := rand.New(rand.NewPCG(42, 42))
	for _, c := range rewindCases() {
		t.Run(c.name, func(t *testing.T) {
			team(1, c.scratch, func(w *Worker) {
				want := blank(rewindTokens, c.cols)
				c.fresh()(w, want, true, 0, rewindTokens)
				tried, refused := 0, 0
				for tried < 60 {
					to := rng.IntN(rewindTokens)
					from := min(rewindTokens-1, to+rng.IntN(130))
					if tried%3 == 0 { // in one block
						from = min(from, to/blockTokens*blockTokens+blockTokens-1)
					}
					if !c.spec.Rewindable(from, to) {
						refused++
						if from == to {
							t.Fatalf("can't be rewound from %d to %d", from, to)
						}
						continue
					}
					tried++
					advance, dst := c.fresh(), blank(rewindTokens, c.cols)
					if to > 0 {
						advance(w, dst, true, 0, to)
					}
					if from > to {
						advance(w, dst, false, to, from-to)
					}
					for pos := to; pos < rewindTokens; {
						n := min(1+rng.IntN(90), rewindTokens-pos)
						advance(w, dst, true, pos, n)
						pos += n
					}
					same(t, fmt.Sprintf("from %d to %d", from, to), dst.Data, want.Data)
				}
				t.Logf("%d tried, %d refused", tried, refused)
			})
		})
	}
}

// TestRewindableBounds: what moves with every token can't be rewound, what moves with a block within it, and a ring as
// long as what its window holds is there.
func TestRewindableBounds(t *testing.T) {
	ring := &CacheSpec{KVHeads: 1, Dim: 16, Window: 66} // three blocks
	for _, c := range []struct {
		spec     interface{ Rewindable(from, to int) bool }
		from, to int
		want     bool
	}{
		{&ConvSpec{Channels: 1, Taps: 4}, 9, 9, true},
		{&ConvSpec{Channels: 1, Taps: 4}, 9, 8, false},
		{&ScanSpec{Channels: 1, States: 1}, 9, 9, true},
		{&ScanSpec{Channels: 1, States: 1}, 1, 0, false},
		{&RetainSpec{}, 127, 64, true},
		{&RetainSpec{}, 128, 127, false},
		{&DeltaSpec{}, 63, 0, true},
		{&DeltaSpec{}, 64, 0, false},
		{&CacheSpec{}, 1 << 20, 0, true},
		{ring, 192, 66, true}, // position 0 is there until position 192 comes
		{ring, 193, 66, false},
		{ring, 193, 67, true},
		{ring, 300, 0, true},
		{ring, 193, 10, false},
	} {
		if got := c.spec.Rewindable(c.from, c.to); got != c.want {
			t.Errorf("%T from %d to %d: %v", c.spec, c.from, c.to, got)
		}
	}
}
