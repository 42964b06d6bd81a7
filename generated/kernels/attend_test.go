package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/kernel/kerneltest"
)

// blockTokens is the number of tokens of a block of the cache.
const blockTokens = kernel.PanelCols

// The largest integer that a query is rounded to, and the sum of a segment's weights.
const (
	queryMax  = 127
	weightSum = 1 << 14
)

// cacheBytes are n integers of a cache, not below least, the extremes among them.
func cacheBytes(r *rand.Rand, n, least int) []byte {
	x := make([]byte, n)
	for i := range x {
		x[i] = byte(int8(max(least, r.IntN(256)-128)))
		if r.IntN(4) == 0 {
			x[i] = byte([]int{least, 127}[r.IntN(2)])
		}
	}
	return x
}

// integers are n float32 in [least, most], all of them integers, as large as that often and once at least, so that
// rounding them to integers of that size changes none.
func integers(r *rand.Rand, n, least, most int) []float32 {
	x := make([]float32, n)
	for i := range x {
		v := least + r.IntN(most-least+1)
		if r.IntN(4) == 0 || i == 0 {
			v = []int{max(-most, least), most}[r.IntN(2)]
		}
		x[i] = float32(v)
	}
	if n > 0 && math.Abs(float64(x[0])) != float64(most) {
		x[0] = float32(most)
	}
	return x
}

// An attendQ8 is the shape of a product with a cache of integers.
type attendQ8 struct {
	blocks, rows, size int // size: elements of a key, or columns of values
	pad                int
	each               int // elements a byte: 2 if they are codes of 4 bits
}

func attendShapes(r *rand.Rand, each int, sizes ...int) []attendQ8 {
	var shapes []attendQ8
	for rows := range 9 {
		for _, blocks := range []int{0, 1, 2, 3, 7, 8} {
			for _, n := range sizes {
				shapes = append(shapes, attendQ8{blocks, rows, n, r.IntN(3), each})
			}
		}
	}
	return shapes
}

func TestScoreQ8(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(21, 1))
		for _, g := range attendShapes(r, 1, 4, 8, 60, 128, 256) {
			g.score(t, set, r, fills[r.IntN(2)].fill)
		}
	})
}

func TestScoreQ4(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(26, 1))
		for _, g := range attendShapes(r, 2, 8, 24, 128, 256) {
			g.score(t, set, r, fills[r.IntN(2)].fill)
		}
	})
}

func (g attendQ8) score(t testing.TB, set kernel.Set, r *rand.Rand, fill func(*rand.Rand, []float32)) {
	t.Helper()
	ldd, ldq := g.blocks*blockTokens+g.pad, 2*g.size+8*g.pad
	sums, scale := make([]int32, g.rows), make([]float32, g.rows)
	fill(r, scale)
	n, size := 0, 0
	if g.rows > 0 {
		size = (g.rows-1)*ldq + 2*g.size
		if g.blocks > 0 {
			n = (g.rows-1)*ldd + g.blocks*blockTokens
		}
	}
	q, want := make([]int8, size), make([]int8, size)
	for row := range g.rows {
		x := integers(r, g.size, -queryMax, queryMax)
		_, sums[row] = splitQuery(set, q[row*ldq:][:2*g.size], x)
		splitQuery(reference, want[row*ldq:][:2*g.size], x)
	}
	k, factors := []byte{}, make([]float32, blockTokens)
	for range g.blocks {
		fill(r, factors)
		k = append(append(k, cacheBytes(r, g.size*blockTokens/g.each, -128)...), bytesOf(factors)...)
	}
	dst, before := newArrays(t, n), make([]float32, n)
	fill(r, before)
	dst.set(before)
	scoreOf := func(set kernel.Set) func([]float32, int, []int8, int, []float32, []int32, []byte, int, int, int) {
		if g.each == 2 {
			return set.ScoreQ4
		}
		return set.ScoreQ8
	}
	scoreOf(reference)(dst.want, ldd, want, ldq, scale, sums, k, g.size, g.blocks, g.rows)
	qs, ss, fs, ks := guarded(t, q), guarded(t, sums), guarded(t, scale), guarded(t, k)
	for i, out := range [][]float32{dst.start, dst.end} {
		scoreOf(set)(out, ldd, qs[i], ldq, fs[i], ss[i], ks[i], g.size, g.blocks, g.rows)
	}
	dst.same(t, fmt.Sprintf("score %+v", g))
}

func TestWeighQ8(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(22, 1))
		for _, g := range attendShapes(r, 1, 16, 32, 48, 64, 112, 128) {
			if g.blocks == 0 {
				continue
			}
			g.weigh(t, set, r, fills[r.IntN(2)].fill)
		}
	})
}

func TestWeighQ4(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(27, 1))
		for _, g := range attendShapes(r, 2, 16, 32, 48, 64, 112, 128) {
			if g.blocks == 0 {
				continue
			}
			g.weigh(t, set, r, fills[r.IntN(2)].fill)
		}
	})
}

func (g attendQ8) weigh(t testing.TB, set kernel.Set, r *rand.Rand, fill func(*rand.Rand, []float32)) {
	t.Helper()
	n := g.blocks * blockTokens
	ldd, ldp, lds, tokens := g.size+g.pad, 4*n+2*g.pad, 1+g.pad, n+g.pad*blockTokens
	scale := make([]float32, max(0, g.rows*lds-g.pad))
	fill(r, scale)
	outputs, size := 0, 0
	if g.rows > 0 {
		outputs, size = (g.rows-1)*ldd+g.size, g.rows*ldp-2*g.pad
	}
	p, want := make([]int8, size), make([]int8, size)
	for row := range g.rows {
		x, at := weightsOf(r, n), row*ldp
		splitWeights(set, p[at:][:4*n], x)
		splitWeights(reference, want[at:][:4*n], x)
	}
	// The last panel ends where its tokens do.
	last := 16
	for _, width := range []int{64, 32} {
		if g.size%64 == width%64 {
			last = width
		}
	}
	v := cacheBytes(r, (g.size*tokens-last*(tokens-n))/g.each, -127)
	dst, before := newArrays(t, outputs), make([]float32, outputs)
	fill(r, before)
	dst.set(before)
	weighOf := func(set kernel.Set) func([]float32, int, []int8, int, []float32, int, []byte, int, int, int, int) {
		if g.each == 2 {
			return set.WeighQ4
		}
		return set.WeighQ8
	}
	weighOf(reference)(dst.want, ldd, want, ldp, scale, lds, v, tokens, g.size, g.blocks, g.rows)
	ps, ss, vs := guarded(t, p), guarded(t, scale), guarded(t, v)
	for i, out := range [][]float32{dst.start, dst.end} {
		weighOf(set)(out, ldd, ps[i], ldp, ss[i], lds, vs[i], tokens, g.size, g.blocks, g.rows)
	}
	dst.same(t, fmt.Sprintf("weigh %+v", g))
}

// weightsOf are n integers whose sum is weightSum, so that rounding them to steps of it changes none: a few that
// take up to all of it, or many that are about 1/64 of it, and what is left for all alike.
func weightsOf(r *rand.Rand, n int) []float32 {
	x, left := make([]float32, n), weightSum
	most := []int{weightSum, 8192, 300, 256, 32}[r.IntN(5)]
	for range r.IntN(2 * n) {
		y := min(left, r.IntN(most+1))
		x[r.IntN(n)] += float32(y)
		left -= y
	}
	for i := range x {
		x[i] += float32(left / n)
	}
	x[r.IntN(n)] += float32(left % n)
	return x
}

// splitWeights splits integers as SoftmaxQ8 does weights: the scores are equal, so that weights are one and the
// scales of values are what is split.
func splitWeights(set kernel.Set, q []int8, x []float32) {
	if len(x) > 0 {
		p, stats := make([]float32, len(x)), make([]float32, 4)
		set.SoftmaxQ8(q, p, len(x), 1, len(x)/blockTokens, 0, len(x), stats, 4, bytesOf(x), nil)
	}
}

// bytesOf are the bytes of floats.
func bytesOf(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

// queryIntegers are the integers of a split query, by products with keys of which one element is one.
func queryIntegers(set kernel.Set, q []int8, sum int32) []float32 {
	dim := len(q) / 2
	blocks := (dim + blockTokens - 1) / blockTokens
	size := (dim + 4) * blockTokens
	k, ones := make([]byte, blocks*size), slices.Repeat([]float32{1}, blockTokens)
	for b := range blocks {
		for c := range blockTokens {
			for i := range dim {
				one := byte(0)
				if i == b*blockTokens+c {
					one = 1
				}
				k[b*size+(i/4*blockTokens+c)*4+i%4] = 128 + one
			}
		}
		copy(k[b*size+dim*blockTokens:], bytesOf(ones))
	}
	dst := make([]float32, blocks*blockTokens)
	if dim > 0 {
		set.ScoreQ8(dst, len(dst), q, len(q), []float32{1}, []int32{sum}, k, dim, blocks, 1)
	}
	return dst[:dim]
}

// weightIntegers are the integers of split weights of blocks: the reference's words, or products with values of which
// one is one.
func weightIntegers(set kernel.Set, q []int8, blocks int) []float32 {
	n := blocks * blockTokens
	all := make([]float32, n)
	if set == reference {
		for j := range all {
			all[j] = float32(*(*int16)(unsafe.Pointer(&q[2*j])))
		}
		return all
	}
	v := make([]byte, n*blockTokens)
	for b := range blocks {
		block := v[b*blockTokens*blockTokens:][:blockTokens*blockTokens]
		for j := range blockTokens {
			block[(j/4*blockTokens+j)*4+j%4] = 1
		}
		set.WeighQ8(all[b*blockTokens:][:blockTokens], blockTokens, q, 0, []float32{1}, 0, v, n, blockTokens, blocks, 1)
		clear(block)
	}
	return all
}

// odd are numbers that make a maximum what it seldom is: too small, infinite, none.
var odd = []float32{0, 0x1p-101, 0x1p-100, 0x1.fffffep-101, math.MaxFloat32, float32(math.Inf(1)), float32(math.NaN()), -float32(math.NaN())}

func TestSplitQueries(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(23, 1))
		for n := range 150 {
			for _, f := range fills {
				x := make([]float32, n)
				f.fill(r, x)
				testSplitQuery(t, set, x)
				for _, y := range odd {
					for i := range x {
						x[i] = 0
					}
					if n > 0 {
						x[r.IntN(n)] = y
						testSplitQuery(t, set, x)
					}
				}
			}
		}
	})
}

// splitQuery splits one query.
func splitQuery(set kernel.Set, q []int8, x []float32) (float32, int32) {
	var scale [1]float32
	var sum [1]int32
	set.SplitQueries(q, 0, x, 0, len(x), 1, 1, scale[:], sum[:], nil)
	return scale[0], sum[0]
}

// TestSplitRows: rows apart are split as each alone, multiplied before, and what lies between them stays.
func TestSplitRows(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(24, 1))
		for _, n := range []int{1, 3, 16, 31, 64, 100, 128} {
			for rows := range 5 {
				ldq, ldx, factor := 2*((n+3)/4*4)+8*r.IntN(3), n+r.IntN(3), float32(r.NormFloat64())
				x, y := make([]float32, max(0, (rows-1)*ldx+n)), make([]float32, n)
				fills[r.IntN(len(fills))].fill(r, x)
				for i, q := range guarded(t, slices.Repeat([]int8{99}, max(0, (rows-1)*ldq+2*((n+3)/4*4)))) {
					scale, sums := guarded(t, make([]float32, rows))[i], guarded(t, make([]int32, rows))[i]
					set.SplitQueries(q, ldq, guarded(t, x)[i], ldx, n, rows, factor, scale, sums, make([]byte, r.IntN(2048)))
					for row := range rows {
						reference.Scale(y, x[row*ldx:][:n], factor)
						want := slices.Repeat([]int8{99}, 2*((n+3)/4*4))
						s, sum := splitQuery(set, want, y)
						kerneltest.Same(t, fmt.Sprintf("scale of row %d of %d", row, n), scale[row:][:1], []float32{s})
						if sums[row] != sum || !slices.Equal(q[row*ldq:][:len(want)], want) {
							t.Fatalf("row %d of %d, %d elements: %v, sum %d, want %v, %d", row, rows, n, q[row*ldq:][:len(want)], sums[row], want, sum)
						}
						if gap := q[row*ldq+len(want):]; row < rows-1 && slices.ContainsFunc(gap[:ldq-len(want)], func(v int8) bool { return v != 99 }) {
							t.Fatalf("what lies behind row %d of %d, %d elements, was written", row, rows, n)
						}
					}
				}
			}
		}
	})
}

func testSplitQuery(t testing.TB, set kernel.Set, x []float32) {
	t.Helper()
	n := (len(x) + 3) / 4 * 4
	q := make([]int8, 2*n)
	scale, sum := splitQuery(reference, q, x)
	want := queryIntegers(reference, q, sum)
	xs := guarded(t, x)
	for i, q := range guarded(t, slices.Repeat([]int8{99}, 2*n)) {
		s, total := splitQuery(set, q, xs[i])
		kerneltest.Same(t, fmt.Sprintf("a query of %d: scale", len(x)), []float32{s}, []float32{scale})
		if got := queryIntegers(set, q, total); total != sum || !slices.Equal(got, want) {
			t.Fatalf("a query of %v: %v, sum %d, want %v, %d", x, got, total, want, sum)
		}
	}
	top := float64(0)
	for _, y := range x {
		top = math.Max(top, math.Abs(float64(y)))
	}
	for i, y := range x {
		if v := float64(scale) * float64(want[i]); top <= math.MaxFloat32 && math.Abs(v-float64(y)) > top*(0.5/queryMax+0x1p-22)+0x1p-100 {
			t.Fatalf("a query of %d: element %d is %v, want %v", len(x), i, v, y)
		}
	}
}
