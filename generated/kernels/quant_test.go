package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/kernel/kerneltest"
)

// halfCols is the number of columns of a quantized product: half a panel.
const halfCols = kernel.PanelCols / 2

// quantBlock is the inputs of a quantized block.
const quantBlock = kernel.Q8Block

// gemmOf is a quantized product, with scratch of its own.
type gemmOf func(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool, next []float32, ldn int)

// A quantFormat is a format of quantized weights.
type quantFormat struct {
	name        string
	below, most int // the smallest and largest value of a weight
	sums        int // a block
	packed      func(n, k int) int
	put         func(r *rand.Rand, dst []byte, k, n, b int, q []int8, scale uint16, extreme bool)
	gemm        func(s kernel.Set, tmp []byte) gemmOf
	gemv        func(s kernel.Set, dst []float32, x []int8, sums []int32, w []byte, blocks int, tmp []byte)
}

var formats = []quantFormat{
	{
		"GemmQ8", -127, 127, 1, kernel.PackedQ8,
		func(_ *rand.Rand, dst []byte, k, n, b int, q []int8, scale uint16, _ bool) {
			kernel.PutQ8(dst, k, n, b, q, scale)
		},
		func(s kernel.Set, tmp []byte) gemmOf {
			return func(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool, next []float32, ldn int) {
				s.GemmQ8(dst, ldd, x, ldx, sums, lds, w, blocks, rows, acc, next, ldn, tmp)
			}
		},
		func(s kernel.Set, dst []float32, x []int8, sums []int32, w []byte, blocks int, _ []byte) {
			s.GemvQ8(dst, x, sums, w, blocks)
		},
	},
	{
		"GemmQ4", -8, 7, 5, kernel.PackedQ4,
		func(r *rand.Rand, dst []byte, k, n, b int, q []int8, scale uint16, extreme bool) {
			var factors [4]int
			for i := range factors {
				factors[i] = r.IntN(2*kernel.Q4Factor+1) - kernel.Q4Factor
				if extreme {
					factors[i] = kernel.Q4Factor * (1 - r.IntN(2)*2)
				}
			}
			kernel.PutQ4(dst, k, n, b, q, kernel.Q4Scales(kernel.BF16ToFloat32(scale&0x7ff8), factors))
		},
		func(s kernel.Set, tmp []byte) gemmOf {
			return func(dst []float32, ldd int, x []int8, ldx int, sums []int32, lds int, w []byte, blocks, rows int, acc bool, next []float32, ldn int) {
				s.GemmQ4(dst, ldd, x, ldx, sums, lds, w, blocks, rows, acc, next, ldn, tmp)
			}
		},
		kernel.Set.GemvQ4,
	},
}

// sumsOf are the sums of a block of activations, for a format with some of them.
func sumsOf(x []int8, n int) []int32 {
	sums := make([]int32, n)
	for i, q := range x {
		sums[0] -= 128 * int32(q)
		if n > 1 {
			sums[1+i/kernel.Q4Part] -= 8 * int32(q)
		}
	}
	return sums
}

// guarded is twice a copy of x, between pages that cannot be touched.
func guarded[T kerneltest.Element](t testing.TB, x []T) [2][]T {
	start, end := kerneltest.Guarded[T](t, len(x))
	copy(start, x)
	copy(end, x)
	return [2][]T{start, end}
}

// A gemmQuant is the shape of a quantized product; pads are what lies between rows.
type gemmQuant struct {
	blocks, rows     int
	acc, extreme     bool // extreme: all integers are as large as they may be
	padD, padX, padS int
}

func TestGemmQuant(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(7, 8))
		for rows := range 40 + 12 {
			if rows >= 40 {
				rows += 12 // many tiles, and what is left of them
			}
			for _, blocks := range []int{0, 1, 2, 3, 5} {
				for _, extreme := range []bool{false, true} {
					g := gemmQuant{blocks, rows, r.IntN(2) == 0, extreme, r.IntN(3), 4 * r.IntN(3), r.IntN(3)}
					g.test(t, set, r)
				}
			}
		}
	})
}

func FuzzGemmQuant(f *testing.F) {
	f.Add(uint64(1), uint8(2), uint8(7), false, true)
	f.Fuzz(func(t *testing.T, seed uint64, blocks, rows uint8, acc, extreme bool) {
		r := rand.New(rand.NewPCG(seed, 3))
		g := gemmQuant{int(blocks % 9), int(rows % 64), acc, extreme, r.IntN(3), r.IntN(9), r.IntN(3)}
		for _, set := range Sets()[1:] {
			g.test(t, set, r)
		}
	})
}

func TestGemvQuant(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(5, 6))
		for halves := range 6 {
			for blocks := range 6 {
				for _, extreme := range []bool{false, true} {
					gemmQuant{blocks: blocks, rows: 1, extreme: extreme}.testRow(t, set, r, halves)
				}
			}
		}
	})
}

func FuzzGemvQuant(f *testing.F) {
	f.Add(uint64(1), uint8(2), uint8(7), true)
	f.Fuzz(func(t *testing.T, seed uint64, blocks, halves uint8, extreme bool) {
		r := rand.New(rand.NewPCG(seed, 5))
		for _, set := range Sets()[1:] {
			gemmQuant{blocks: int(blocks % 9), rows: 1, extreme: extreme}.testRow(t, set, r, int(halves%9))
		}
	})
}

// testRow compares products of one row and several halves with the reference, and that with the products of each half.
func (g gemmQuant) testRow(t testing.TB, set kernel.Set, r *rand.Rand, halves int) {
	t.Helper()
	for _, f := range formats {
		x, sums := g.activations(r, f.sums, g.blocks*quantBlock, g.blocks*f.sums)
		var w []byte
		for range halves {
			w = append(w, g.half(r, f)...)
		}
		dst, each := newArrays(t, halves*halfCols), make([]float32, halves*halfCols)
		dst.set(slices.Repeat([]float32{3}, len(each)))
		f.gemv(reference, dst.want, x, sums, w, g.blocks, nil)
		for h := range halves {
			f.gemm(reference, nil)(each[h*halfCols:], halfCols, x, 0, sums, 0, w[h*len(w)/halves:], g.blocks, 1, false, nil, 0)
		}
		kerneltest.Same(t, fmt.Sprintf("reference of %s %+v, %d halves", f.name, g, halves), dst.want, each)
		xs, ss, ws, tmp := guarded(t, x), guarded(t, sums), guarded(t, w), guarded(t, make([]byte, kernel.QuantScratch))
		for i, out := range [][]float32{dst.start, dst.end} {
			f.gemv(set, out, xs[i], ss[i], ws[i], g.blocks, tmp[i])
		}
		dst.same(t, fmt.Sprintf("one row, %s %+v, %d halves", f.name, g, halves))
	}
}

// test compares both formats with the reference.
func (g gemmQuant) test(t testing.TB, set kernel.Set, r *rand.Rand) {
	t.Helper()
	for _, f := range formats {
		ldd, ldx, lds := halfCols+g.padD, g.blocks*quantBlock+g.padX, g.blocks*f.sums+g.padS
		size := func(stride, last int) int { return max(0, (g.rows-1)*stride+min(1, g.rows)*last) }
		x, sums := g.activations(r, f.sums, ldx, lds)
		w := g.half(r, f)
		dst, before := newArrays(t, size(ldd, halfCols)), make([]float32, size(ldd, halfCols))
		fills[r.IntN(2)].fill(r, before)
		dst.set(before)
		f.gemm(reference, nil)(dst.want, ldd, x, ldx, sums, lds, w, g.blocks, g.rows, g.acc, nil, 0)
		xs, ss, ws, tmp := guarded(t, x), guarded(t, sums), guarded(t, w), guarded(t, make([]byte, kernel.QuantScratch))
		for i, out := range [][]float32{dst.start, dst.end} {
			f.gemm(set, tmp[i])(out, ldd, xs[i], ldx, ss[i], lds, ws[i], g.blocks, g.rows, g.acc, [][]float32{nil, out}[i], ldd)
		}
		dst.same(t, fmt.Sprintf("%s %+v", f.name, g))
	}
}

// activations are rows, and some sums for each of their blocks.
func (g gemmQuant) activations(r *rand.Rand, each, ldx, lds int) (x []int8, sums []int32) {
	size := func(stride, last int) int { return max(0, (g.rows-1)*stride+min(1, g.rows)*last) }
	x, sums = make([]int8, size(ldx, g.blocks*quantBlock)), make([]int32, size(lds, g.blocks*each))
	for i := range x {
		x[i] = int8(g.integer(r, 127, 127))
	}
	for row := range g.rows {
		for b := range g.blocks {
			copy(sums[row*lds+b*each:], sumsOf(x[row*ldx+b*quantBlock:][:quantBlock], each))
		}
	}
	return x, sums
}

// half is half a panel of a format.
func (g gemmQuant) half(r *rand.Rand, f quantFormat) []byte {
	w := make([]byte, f.packed(kernel.PanelCols, g.blocks*quantBlock)/2)
	q, scale := make([]int8, quantBlock), make([]uint16, 1)
	for b := range g.blocks {
		for c := range halfCols {
			for i := range q {
				q[i] = int8(g.integer(r, f.most, -f.below))
			}
			kerneltest.Halves(r, scale, fills[r.IntN(2)].fill)
			f.put(r, w, g.blocks*quantBlock, c, b, q, scale[0], g.extreme)
		}
	}
	return w
}

// integer is one of [-below, most].
func (g gemmQuant) integer(r *rand.Rand, most, below int) int {
	if g.extreme {
		return [...]int{-below, most, most}[r.IntN(3)]
	}
	return r.IntN(most+below+1) - below
}

func TestQuantizeRow(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(9, 10))
		sizes := []int{127, 128, 129, 255, 256, 257, 1000, 1024}
		for n := range 100 {
			sizes = append(sizes, n)
		}
		for _, n := range sizes {
			for _, f := range fills {
				x := make([]float32, n)
				f.fill(r, x)
				testQuantizeRow(t, set, x, f.name)
			}
			x := make([]float32, n)
			testQuantizeRow(t, set, x, "zeros")
			for i := range x {
				x[i] = float32(r.IntN(255)-127) / 2 // ties, if the largest is 127
			}
			for _, odd := range []float32{127, 0x1p-100, 0x1.fffffep-101, math.MaxFloat32, float32(math.Inf(-1)), float32(math.NaN())} {
				if n > 0 {
					y := slices.Clone(x)
					if odd < 1 {
						clear(y)
					}
					y[r.IntN(n)] = odd
					testQuantizeRow(t, set, y, fmt.Sprintf("one %v", odd))
				}
			}
		}
	})
}

func FuzzQuantizeRow(f *testing.F) {
	f.Add(uint64(1), uint16(100), uint32(0x7f7fffff), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, special uint32, many uint8) {
		r := rand.New(rand.NewPCG(seed, 4))
		x := make([]float32, n%1500)
		fills[seed%2].fill(r, x)
		for range many {
			if len(x) > 0 {
				x[r.IntN(len(x))] = math.Float32frombits(special)
			}
		}
		for _, set := range Sets()[1:] {
			testQuantizeRow(t, set, x, "fuzz")
		}
	})
}

// testQuantizeRow compares a row in blocks of all formats with the reference.
func testQuantizeRow(t testing.TB, set kernel.Set, x []float32, what string) {
	t.Helper()
	in := guarded(t, x)
	for _, f := range []struct{ of, block, zero int }{{128, 128, 128}, {128, 32, 8}, {32, 32, 8}} {
		size := (len(x) + f.of - 1) / f.of * f.of
		blocks := size / f.block
		want, wantSums := make([]int8, size), make([]int32, blocks)
		scale := reference.QuantizeRow(want, wantSums, x, f.block, f.zero)
		dirt := slices.Repeat([]int8{85}, len(want))
		q, sums := guarded(t, dirt), guarded(t, slices.Repeat([]int32{85}, blocks))
		for i := range q {
			got := set.QuantizeRow(q[i], sums[i], in[i], f.block, f.zero)
			kerneltest.Same(t, fmt.Sprintf("scale of %d, %s", len(x), what), []float32{got}, []float32{scale})
			if !slices.Equal(q[i], want) || !slices.Equal(sums[i], wantSums) {
				t.Fatalf("QuantizeRow of %d in blocks of %d, %s: got %v %v, want %v %v", len(x), f.block, what, q[i], sums[i], want, wantSums)
			}
		}
	}
}

func TestTile(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, rows := range []int{0, 1, 2, 5} {
			for n := range kernel.PanelCols + 1 {
				for mode := range 4 {
					testTile(t, set, r, rows, n, mode&1 > 0, mode&2 > 0)
				}
			}
		}
	})
}

// testTile compares the tile's kernels with the reference.
func testTile(t testing.TB, set kernel.Set, r *rand.Rand, rows, n int, scaled, biased bool) {
	t.Helper()
	fill := fills[r.IntN(2)].fill
	random := func(n int) []float32 {
		x := make([]float32, n)
		fill(r, x)
		return x
	}
	lds := 1 + r.IntN(3)
	var scale, bias []float32
	if scaled {
		scale = random(max(0, (rows-1)*lds+min(1, rows)))
	}
	if biased {
		bias = random(n)
	}
	tile := random(rows * kernel.PanelCols)
	tiles, scales, biases := guarded(t, tile), guarded(t, scale), guarded(t, bias)
	for _, k := range []struct {
		name string
		cols int
		call func(s kernel.Set, dst []float32, ldd int, tile, scale, bias []float32)
	}{
		{"TileStore", n, func(s kernel.Set, dst []float32, ldd int, tile, scale, bias []float32) {
			s.TileStore(dst, ldd, tile, scale, lds, bias, rows, n)
		}},
		{"TileAdd", n, func(s kernel.Set, dst []float32, ldd int, tile, scale, bias []float32) {
			s.TileAdd(dst, ldd, tile, scale, lds, bias, rows, n)
		}},
		{"TileSwiGLU", halfCols, func(s kernel.Set, dst []float32, ldd int, tile, scale, _ []float32) {
			s.TileSwiGLU(dst, ldd, tile, scale, lds, rows)
		}},
	} {
		ldd := k.cols + r.IntN(3)
		size := max(0, (rows-1)*ldd+min(1, rows)*k.cols)
		dst := newArrays(t, size)
		dst.set(random(size))
		k.call(reference, dst.want, ldd, tile, scale, bias)
		for i, out := range [][]float32{dst.start, dst.end} {
			s, b := scales[i], biases[i]
			if !scaled {
				s = nil
			}
			if !biased {
				b = nil
			}
			k.call(set, out, ldd, tiles[i], s, b)
		}
		dst.same(t, fmt.Sprintf("%s, %d rows of %d, scaled %t, biased %t", k.name, rows, n, scaled, biased))
	}
}
