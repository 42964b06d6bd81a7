package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/kernel/kerneltest"
)

// reference is what every set is compared with, bit for bit.
var reference kernel.Set = kernel.Portable{}

// eachSet runs a test for every set in assembly that this machine has.
func eachSet(t *testing.T, test func(t *testing.T, set kernel.Set)) {
	for _, set := range Sets()[1:] {
		t.Run(set.Level(), func(t *testing.T) { test(t, set) })
	}
}

// fills are the kinds of numbers that kernels are tested with.
var fills = []struct {
	name string
	fill func(*rand.Rand, []float32)
}{
	{"ordinary", kerneltest.Values},
	{"special", kerneltest.Special},
}

// arrays are copies of one array for the reference and for the kernel under test: one that
// begins behind a page that cannot be touched, one that ends before such a page.
type arrays struct{ want, start, end []float32 }

func newArrays(t testing.TB, n int) arrays {
	start, end := kerneltest.Guarded[float32](t, n)
	return arrays{make([]float32, n), start, end}
}

// set copies x into all three.
func (a arrays) set(x []float32) {
	copy(a.want, x)
	copy(a.start, x)
	copy(a.end, x)
}

// same compares the results.
func (a arrays) same(t testing.TB, what string) {
	t.Helper()
	kerneltest.Same(t, what+", start", a.start, a.want)
	kerneltest.Same(t, what+", end", a.end, a.want)
}

// elementwise are the kernels that map arrays of n elements to one of n.
var elementwise = []struct {
	name    string
	inputs  int  // arrays besides dst
	inPlace int  // the first so many may be dst
	even    bool // n is
	call    func(s kernel.Set, dst []float32, in [3][]float32, c float32)
}{
	{"RMSNorm", 2, 1, false, func(s kernel.Set, dst []float32, in [3][]float32, c float32) {
		s.RMSNorm(dst, in[0], in[1], c*c)
	}},
	{"RMSNorm without gain", 1, 1, false, func(s kernel.Set, dst []float32, in [3][]float32, c float32) {
		s.RMSNorm(dst, in[0], nil, c*c)
	}},
	{"LayerNorm", 3, 1, false, func(s kernel.Set, dst []float32, in [3][]float32, c float32) {
		s.LayerNorm(dst, in[0], in[1], in[2], c*c)
	}},
	{"SwiGLU", 2, 2, false, func(s kernel.Set, dst []float32, in [3][]float32, c float32) {
		s.SwiGLU(dst, in[0], in[1])
	}},
	{"ExpDiff", 1, 1, false, func(s kernel.Set, dst []float32, in [3][]float32, c float32) {
		s.ExpDiff(dst, in[0], c)
	}},
	{"Mul", 2, 2, false, func(s kernel.Set, dst []float32, in [3][]float32, c float32) {
		s.Mul(dst, in[0], in[1])
	}},
	{"Scale", 1, 1, false, func(s kernel.Set, dst []float32, in [3][]float32, c float32) {
		s.Scale(dst, in[0], c)
	}},
	{"Merge", 1, 0, false, func(s kernel.Set, dst []float32, in [3][]float32, c float32) {
		s.Merge(dst, in[0], c, 1-c)
	}},
	{"Div", 1, 1, false, func(s kernel.Set, dst []float32, in [3][]float32, c float32) {
		s.Div(dst, in[0], c)
	}},
}

func TestElementwise(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(1, 2))
		sizes := []int{100, 127, 128, 129, 255, 256, 1000, 2048}
		for n := range 70 {
			sizes = append(sizes, n)
		}
		for _, k := range elementwise {
			for _, f := range fills {
				for _, n := range sizes {
					if k.even && n%2 == 1 {
						continue
					}
					what := fmt.Sprintf("%s of %d %s", k.name, n, f.name)
					var c [1]float32
					f.fill(r, c[:])
					testElementwise(t, what, set, k.call, k.inputs, k.inPlace, n, c[0], func(x []float32) { f.fill(r, x) })
				}
			}
		}
	})
}

// testElementwise compares a kernel with the reference, into another array and in place.
func testElementwise(t testing.TB, what string, set kernel.Set, call func(kernel.Set, []float32, [3][]float32, float32), inputs, inPlace, n int, c float32, fill func([]float32)) {
	t.Helper()
	dst, x := newArrays(t, n), make([]float32, n)
	fill(x)
	dst.set(x)
	var in [3]arrays
	for i := range inputs {
		in[i] = newArrays(t, n)
		fill(x)
		in[i].set(x)
	}
	call(reference, dst.want, [3][]float32{in[0].want, in[1].want, in[2].want}, c)
	call(set, dst.start, [3][]float32{in[0].start, in[1].start, in[2].start}, c)
	call(set, dst.end, [3][]float32{in[0].end, in[1].end, in[2].end}, c)
	dst.same(t, what)
	for place := range inPlace {
		saved := append([]float32(nil), in[place].want...)
		call(set, in[place].start, [3][]float32{in[0].start, in[1].start, in[2].start}, c)
		kerneltest.Same(t, what+", in place", in[place].start, dst.want)
		copy(in[place].start, saved)
	}
}

func TestGemm(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, width := range []int{16, 32, 64} {
			for rows := range 15 {
				for _, k := range []int{0, 1, 2, 3, 4, 5, 7, 16, 33, 64, 129, 130} {
					for _, f := range fills {
						g := gemm{width: width, k: k, rows: rows, acc: r.IntN(2) == 0, padD: r.IntN(3), padX: r.IntN(3), behind: r.IntN(3) * k * width / 2}
						g.test(t, set, r, f.fill)
					}
				}
			}
		}
	})
}

// A gemm is the shape of a matrix product; pad is what lies between rows.
type gemm struct {
	width, k, rows int
	acc            bool
	padD, padX     int
	behind         int // elements of w behind the panel, which may be read
}

// test compares both formats of the product with the reference.
func (g gemm) test(t testing.TB, set kernel.Set, r *rand.Rand, fill func(*rand.Rand, []float32)) {
	t.Helper()
	ldd, ldx := g.width+g.padD, g.k+g.padX
	sizeD, sizeX := 0, 0
	if g.rows > 0 {
		sizeD, sizeX = (g.rows-1)*ldd+g.width, (g.rows-1)*ldx+g.k
	}
	dst, x := newArrays(t, sizeD), newArrays(t, sizeX)
	before := make([]float32, sizeD)
	fill(r, before)
	xs := make([]float32, sizeX)
	fill(r, xs)
	x.set(xs)

	w := make([]float32, g.k*g.width+g.behind)
	fill(r, w)
	start, end := kerneltest.Guarded[float32](t, len(w))
	copy(start, w)
	copy(end, w)
	dst.set(before)
	reference.GemmF32(dst.want, ldd, x.want, ldx, w, g.width, g.k, g.rows, g.acc)
	set.GemmF32(dst.start, ldd, x.start, ldx, start, g.width, g.k, g.rows, g.acc)
	set.GemmF32(dst.end, ldd, x.end, ldx, end, g.width, g.k, g.rows, g.acc)
	dst.same(t, fmt.Sprintf("GemmF32 %+v", g))

	h := make([]uint16, (g.k+1)/2*2*g.width)
	kerneltest.Halves(r, h, fill)
	startH, endH := kerneltest.Guarded[uint16](t, len(h))
	copy(startH, h)
	copy(endH, h)
	dst.set(before)
	reference.GemmBF16(dst.want, ldd, x.want, ldx, h, g.width, g.k, g.rows, g.acc)
	set.GemmBF16(dst.start, ldd, x.start, ldx, startH, g.width, g.k, g.rows, g.acc)
	set.GemmBF16(dst.end, ldd, x.end, ldx, endH, g.width, g.k, g.rows, g.acc)
	dst.same(t, fmt.Sprintf("GemmBF16 %+v", g))
}

// TestExp compares every level's exponential with kernel.Exp over a sweep of all exponents.
func TestExp(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		g, got, want := make([]float32, 4096), make([]float32, 4096), make([]float32, 4096)
		bits := uint32(0)
		for bits < 0xffff0000 {
			for i := range g {
				g[i] = -math.Float32frombits(bits)
				want[i] = kernel.Exp(-g[i])
				bits += 0x1357
				bits = max(bits, 0x1357)
				if bits > 0xffff0000 {
					bits = 0xffff0000
				}
			}
			set.ExpDiff(got, g, 0)
			kerneltest.Same(t, fmt.Sprintf("exp near %v", g[0]), got, want)
		}
	})
}

// TestExp2 compares every level's powers of two, those of a softmax whose greatest score is zero, with kernel.Exp2
// over a sweep of all that are not above zero.
func TestExp2(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		p, want, stats := make([]float32, 512), make([]float32, 512), make([]float32, 2)
		for bits := uint32(0x80000000); bits < 0xffff0000; {
			first := math.Float32frombits(bits)
			for i := range p {
				p[i] = math.Float32frombits(bits)
				if i == len(p)/2 {
					p[i] = 0
				}
				want[i] = kernel.Exp2(p[i])
				bits = min(bits+0x1357, 0xffff0000)
			}
			set.Softmax(p, len(p), 1, len(p)/blockTokens, 0, len(p), stats, 2, nil)
			kerneltest.Same(t, fmt.Sprintf("powers near %v", first), p, want)
		}
	})
}

func FuzzGemm(f *testing.F) {
	f.Add(uint64(1), uint8(2), uint8(7), uint8(5), true)
	f.Fuzz(func(t *testing.T, seed uint64, width, k, rows uint8, acc bool) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := gemm{width: 16 << (width % 3), k: int(k), rows: int(rows % 16), acc: acc, padD: r.IntN(3), padX: r.IntN(3), behind: r.IntN(1 << 15)}
		for _, set := range Sets()[1:] {
			g.test(t, set, r, fills[seed%2].fill)
		}
	})
}

// FuzzElementwise takes the numbers themselves from the fuzzer.
func FuzzElementwise(f *testing.F) {
	f.Add(uint8(0), uint64(1), uint16(37), uint32(0x3f800000), uint32(0x80000001), uint32(0x7f7fffff))
	f.Fuzz(func(t *testing.T, which uint8, seed uint64, n uint16, c, special, other uint32) {
		r := rand.New(rand.NewPCG(seed, 2))
		fill := func(x []float32) {
			fills[seed%2].fill(r, x)
			for i := range x {
				switch r.IntN(8) {
				case 0:
					x[i] = math.Float32frombits(special)
				case 1:
					x[i] = math.Float32frombits(other)
				}
			}
		}
		size := int(n % 1024)
		for _, set := range Sets()[1:] {
			if int(which)%(len(elementwise)+1) == len(elementwise) {
				newSoftmaxShape(r).test(t, set, fill)
				continue
			}
			k := elementwise[int(which)%(len(elementwise)+1)]
			if k.even {
				size &^= 1
			}
			testElementwise(t, k.name, set, k.call, k.inputs, k.inPlace, size, math.Float32frombits(c), fill)
		}
	})
}

// aligned is n elements that begin a cache line.
func aligned(n int) []float32 {
	x := make([]float32, n+16)
	skip := int(uintptr(unsafe.Pointer(&x[0]))/4) % 16
	return x[(16-skip)%16:][:n]
}
