package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/kernel/kerneltest"
)

// A scanning is the shape of a selective scan; pad is what lies between rows.
type scanning struct{ channels, states, rows, pad int }

func TestScan(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(31, 7))
		for _, channels := range []int{1, 7, 8, 9, 15, 16, 17, 31, 32, 40, 64, 65} {
			for _, states := range []int{0, 1, 3, 8, 16, 17} {
				for _, rows := range []int{0, 1, 2, 5} {
					for _, f := range fills {
						scanning{channels, states, rows, r.IntN(3)}.test(t, set, r, f.fill)
					}
				}
			}
		}
	})
}

// test compares outputs and states with the reference, into another array and in place.
func (s scanning) test(t testing.TB, set kernel.Set, r *rand.Rand, fill func(*rand.Rand, []float32)) {
	t.Helper()
	random := func(n int) arrays {
		x, a := make([]float32, n), newArrays(t, n)
		fill(r, x)
		a.set(x)
		return a
	}
	ld, ldb := s.channels+s.pad, s.states+2*s.pad
	wide, narrow := 0, 0
	if s.rows > 0 {
		wide, narrow = (s.rows-1)*ld+s.channels, (s.rows-1)*ldb+s.states
	}
	padded, lda := (s.channels+15)/16*16, (s.channels+15)/16*16+s.pad
	dst, state, a, skip := random(wide), random(padded*s.states), random(max(0, (s.states-1)*lda+padded)), random(s.channels)
	v, d, b, c := random(wide), random(wide), random(narrow), random(narrow)
	before := append([]float32(nil), state.want...)
	run := func(set kernel.Set, of func(arrays) []float32, dst []float32) {
		set.Scan(dst, ld, of(state), of(a), lda, of(skip), of(v), ld, of(d), ld, of(b), ldb, of(c), ldb, s.states, s.rows)
	}
	start, end := func(a arrays) []float32 { return a.start }, func(a arrays) []float32 { return a.end }
	run(reference, func(a arrays) []float32 { return a.want }, dst.want)
	run(set, start, dst.start)
	run(set, end, dst.end)
	what := fmt.Sprintf("Scan %+v", s)
	dst.same(t, what)
	state.same(t, what+", state")
	for _, x := range []arrays{v, d} {
		copy(state.start, before)
		saved := append([]float32(nil), x.start...)
		between := append([]float32(nil), x.start...) // what lies between rows stays
		for i := range between {
			if i%ld < s.channels {
				between[i] = dst.want[i]
			}
		}
		run(set, start, x.start)
		kerneltest.Same(t, what+", in place", x.start, between)
		copy(x.start, saved)
	}
}
