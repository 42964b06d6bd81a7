package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

// A block is rows of n elements; the last one ends where the array does.
type block struct{ rows, n, stride int }

func newBlock(r *rand.Rand, rows, n int) block { return block{rows, n, n + r.IntN(3)*r.IntN(20)} }

// size is how many elements the rows take.
func (b block) size() int {
	if b.rows == 0 {
		return 0
	}
	return (b.rows-1)*b.stride + b.n
}

// arrays are rows of numbers.
func (b block) arrays(t testing.TB, r *rand.Rand, fill func(*rand.Rand, []float32)) arrays {
	a, x := newArrays(t, b.size()), make([]float32, b.size())
	fill(r, x)
	a.set(x)
	return a
}

// TestRows compares the kernels of rows with the reference.
func TestRows(t *testing.T) {
	for _, k := range []struct {
		name     string
		inputs   int                          // arrays of rows besides dst
		inPlace  int                          // the first so many may be dst
		n        int                          // divides the number of elements
		shape    func(rows, n int) (int, int) // of dst; nil if that of the inputs
		call     func(s kernel.Set, dst []float32, d block, in [3][]float32, ins [3]block, c float32)
		sameStep bool // of the last two inputs
	}{
		{name: "GateNorm", inputs: 2, inPlace: 2, n: 1, call: func(s kernel.Set, dst []float32, d block, in [3][]float32, ins [3]block, c float32) {
			s.GateNorm(dst, d.stride, in[0], ins[0].stride, in[1], ins[1].stride, d.n, d.rows, c*c)
		}},
		{name: "RopeInterleaved", inputs: 3, inPlace: 1, n: 2, sameStep: true, call: func(s kernel.Set, dst []float32, d block, in [3][]float32, ins [3]block, _ float32) {
			s.RopeInterleaved(dst, d.stride, in[0], ins[0].stride, in[1], in[2], ins[1].stride, d.n, d.rows)
		}},
		{name: "RopeHalf", inputs: 3, n: 2, sameStep: true, call: func(s kernel.Set, dst []float32, d block, in [3][]float32, ins [3]block, _ float32) {
			s.RopeHalf(dst, d.stride, in[0], ins[0].stride, in[1], in[2], ins[1].stride, d.n, d.rows)
		}},
		{name: "ScaleRows", inputs: 1, inPlace: 1, n: 1, call: func(s kernel.Set, dst []float32, d block, in [3][]float32, ins [3]block, c float32) {
			factors := make([]float32, d.rows)
			for r := range factors {
				factors[r] = c + float32(r)
			}
			s.ScaleRows(dst, d.stride, in[0], ins[0].stride, factors, d.n, d.rows)
		}},
		{name: "Transpose", inputs: 1, n: 1, shape: func(rows, n int) (int, int) { return n, rows }, call: func(s kernel.Set, dst []float32, d block, in [3][]float32, ins [3]block, c float32) {
			s.Transpose(dst, d.stride, in[0], ins[0].stride, c, d.rows, d.n)
		}},
	} {
		eachSet(t, func(t *testing.T, set kernel.Set) {
			r := rand.New(rand.NewPCG(21, 22))
			for _, rows := range []int{0, 1, 2, 3, 8, 9, 16, 21, 33} {
				for n := 0; n < 140; n += k.n * (1 + r.IntN(1+n/8)) {
					for _, f := range fills {
						dstRows, dstN := rows, n
						if k.shape != nil {
							dstRows, dstN = k.shape(rows, n)
						}
						d := newBlock(r, dstRows, dstN)
						dst := d.arrays(t, r, f.fill)
						var in [3]arrays
						var ins [3]block
						for i := range k.inputs {
							ins[i] = newBlock(r, rows, n)
							if k.sameStep && i == 2 {
								ins[i] = ins[1]
							}
							in[i] = ins[i].arrays(t, r, f.fill)
						}
						var c [1]float32
						f.fill(r, c[:])
						k.call(reference, dst.want, d, [3][]float32{in[0].want, in[1].want, in[2].want}, ins, c[0])
						k.call(set, dst.start, d, [3][]float32{in[0].start, in[1].start, in[2].start}, ins, c[0])
						k.call(set, dst.end, d, [3][]float32{in[0].end, in[1].end, in[2].end}, ins, c[0])
						what := fmt.Sprintf("%s, %d rows of %d, %s", k.name, rows, n, f.name)
						dst.same(t, what)
						for i := range k.inPlace {
							x := [3][]float32{in[0].want, in[1].want, in[2].want}
							same := in[i]
							got := append([]float32(nil), same.want...)
							k.call(reference, same.want, ins[i], x, ins, c[0])
							x[i] = got
							k.call(set, got, ins[i], x, ins, c[0])
							copy(same.start, got)
							copy(same.end, got)
							same.same(t, what+", in place")
							in[i].set(got)
						}
					}
				}
			}
		})
	}
}

// TestDecay compares it with the reference, and what it does not see with zero.
func TestDecay(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(23, 24))
		for _, n := range []int{1, 2, 15, 16, 17, 31, 48, 63, 64, 100} {
			for first := 0; first < n; first += 1 + r.IntN(5) {
				for _, f := range fills {
					rows := 1 + r.IntN(n-first)
					b := newBlock(r, rows, n)
					p, g := b.arrays(t, r, f.fill), block{1, n, n}.arrays(t, r, f.fill)
					reference.Decay(p.want, b.stride, g.want, first, rows)
					set.Decay(p.start, b.stride, g.start, first, rows)
					set.Decay(p.end, b.stride, g.end, first, rows)
					p.same(t, fmt.Sprintf("%d rows from %d on of %d, %s", rows, first, n, f.name))
				}
			}
		}
	})
}

// TestHadamard compares blocks of every size with the reference.
func TestHadamard(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(28, 1))
		for n := 16; n <= 1024; n *= 2 {
			for blocks := range 4 {
				for _, f := range fills {
					x, before := newArrays(t, n*blocks), make([]float32, n*blocks)
					f.fill(r, before)
					x.set(before)
					reference.Hadamard(x.want, n)
					set.Hadamard(x.start, n)
					set.Hadamard(x.end, n)
					x.same(t, fmt.Sprintf("Hadamard of %d blocks of %d", blocks, n))
				}
			}
		}
	})
}
