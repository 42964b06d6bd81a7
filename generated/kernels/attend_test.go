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

// Largest integers that are split.
const (
	queryMax  = 1<<13 - 1
	weightMax = 1<<14 - 1
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
}

func attendShapes(r *rand.Rand, sizes ...int) []attendQ8 {
	var shapes []attendQ8
	for rows := range 9 {
		for _, blocks := range []int{0, 1, 2, 8} {
			for _, n := range sizes {
				shapes = append(shapes, attendQ8{blocks, rows, n, r.IntN(3)})
			}
		}
	}
	return shapes
}

func TestScoreQ8(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(21, 1))
		for _, g := range attendShapes(r, 4, 8, 60, 128, 256) {
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
		_, sums[row] = set.SplitQuery(q[row*ldq:][:2*g.size], x)
		reference.SplitQuery(want[row*ldq:][:2*g.size], x)
	}
	k, factors := []byte{}, make([]float32, blockTokens)
	for range g.blocks {
		fill(r, factors)
		k = append(append(k, cacheBytes(r, g.size*blockTokens, -128)...), bytesOf(factors)...)
	}
	dst, before := newArrays(t, n), make([]float32, n)
	fill(r, before)
	dst.set(before)
	reference.ScoreQ8(dst.want, ldd, want, ldq, scale, sums, k, g.size, g.blocks, g.rows)
	qs, ss, fs, ks := guarded(t, q), guarded(t, sums), guarded(t, scale), guarded(t, k)
	for i, out := range [][]float32{dst.start, dst.end} {
		set.ScoreQ8(out, ldd, qs[i], ldq, fs[i], ss[i], ks[i], g.size, g.blocks, g.rows)
	}
	dst.same(t, fmt.Sprintf("ScoreQ8 %+v", g))
}

func TestWeighQ8(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(22, 1))
		for _, g := range attendShapes(r, 16, 32, 48, 64, 112, 128) {
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
	ldd, ldp, lds, tokens := g.size+g.pad, 2*n+2*g.pad, 1+g.pad, n+g.pad*blockTokens
	scale := make([]float32, max(0, g.rows*lds-g.pad))
	fill(r, scale)
	outputs, size := 0, 0
	if g.rows > 0 {
		outputs, size = (g.rows-1)*ldd+g.size, g.rows*ldp-2*g.pad
	}
	p, want := make([]int8, size), make([]int8, size)
	for row := range g.rows {
		x, at := integers(r, n, 0, weightMax), row*ldp
		splitWeights(set, p[at:][:2*n], x)
		splitWeights(reference, want[at:][:2*n], x)
	}
	// The last panel ends where its tokens do.
	last := 16
	for _, width := range []int{64, 32} {
		if g.size%64 == width%64 {
			last = width
		}
	}
	v := cacheBytes(r, g.size*tokens-last*(tokens-n), -127)
	dst, before := newArrays(t, outputs), make([]float32, outputs)
	fill(r, before)
	dst.set(before)
	reference.WeighQ8(dst.want, ldd, want, ldp, scale, lds, v, tokens, g.size, g.blocks, g.rows)
	ps, ss, vs := guarded(t, p), guarded(t, scale), guarded(t, v)
	for i, out := range [][]float32{dst.start, dst.end} {
		set.WeighQ8(out, ldd, ps[i], ldp, ss[i], lds, vs[i], tokens, g.size, g.blocks, g.rows)
	}
	dst.same(t, fmt.Sprintf("WeighQ8 %+v", g))
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

// weightIntegers are the integers of split weights of blocks, by products with values of which one is one.
func weightIntegers(set kernel.Set, q []int8) []float32 {
	var all []float32
	v := make([]byte, blockTokens*blockTokens)
	for j := range blockTokens {
		v[(j/4*blockTokens+j)*4+j%4] = 1
	}
	for b := 0; b < len(q); b += 2 * blockTokens {
		dst := make([]float32, blockTokens)
		set.WeighQ8(dst, blockTokens, q[b:], 0, []float32{1}, 0, v, blockTokens, blockTokens, 1, 1)
		all = append(all, dst...)
	}
	return all
}

// odd are numbers that make a maximum what it seldom is: too small, infinite, none.
var odd = []float32{0, 0x1p-101, 0x1p-100, 0x1.fffffep-101, math.MaxFloat32, float32(math.Inf(1)), float32(math.NaN()), -float32(math.NaN())}

func TestSplitQuery(t *testing.T) {
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

func testSplitQuery(t testing.TB, set kernel.Set, x []float32) {
	t.Helper()
	n := (len(x) + 3) / 4 * 4
	q := make([]int8, 2*n)
	scale, sum := reference.SplitQuery(q, x)
	want := queryIntegers(reference, q, sum)
	xs := guarded(t, x)
	for i, q := range guarded(t, slices.Repeat([]int8{99}, 2*n)) {
		s, total := set.SplitQuery(q, xs[i])
		kerneltest.Same(t, fmt.Sprintf("SplitQuery of %d: scale", len(x)), []float32{s}, []float32{scale})
		if got := queryIntegers(set, q, total); total != sum || !slices.Equal(got, want) {
			t.Fatalf("SplitQuery of %v: %v, sum %d, want %v, %d", x, got, total, want, sum)
		}
	}
	top := float64(0)
	for _, y := range x {
		top = math.Max(top, math.Abs(float64(y)))
	}
	for i, y := range x {
		if v := float64(scale) * float64(want[i]); top <= math.MaxFloat32 && math.Abs(v-float64(y)) > top*(0.5/queryMax+0x1p-22)+0x1p-100 {
			t.Fatalf("SplitQuery of %d: element %d is %v, want %v", len(x), i, v, y)
		}
	}
}

// A softmaxShape is rows of scores and where they lie.
type softmaxShape struct {
	rows, blocks, lo, hi int
	ldp, lds             int
}

func newSoftmaxShape(r *rand.Rand) softmaxShape {
	s := softmaxShape{rows: 1 + r.IntN(5), blocks: 1 + r.IntN(8)}
	n := s.blocks * blockTokens
	s.lo = r.IntN(n) * r.IntN(2)
	s.hi = n
	if r.IntN(2) == 0 {
		s.hi = s.lo + 1 + r.IntN(n-s.lo)
	}
	s.ldp, s.lds = n+r.IntN(3)*8, 4+r.IntN(3)
	return s
}

func TestSoftmax(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(3, 4))
		for range 120 {
			s := newSoftmaxShape(r)
			for _, f := range fills {
				s.test(t, set, func(x []float32) { f.fill(r, x) })
			}
			s.test(t, set, func(x []float32) {
				for i := range x {
					x[i] = float32(math.Copysign(0, -1))
				}
			})
			s.test(t, set, func(x []float32) {
				for i := range x {
					x[i] = float32(math.Inf(-i % 3))
				}
				x[len(x)/2] = -1e30
			})
		}
	})
}

// test compares both kernels with the reference. Where all scores are -Inf or none is a number, weights are no
// numbers either.
func (s softmaxShape) test(t testing.TB, set kernel.Set, fill func([]float32)) {
	t.Helper()
	what := fmt.Sprintf("Softmax %+v", s)
	p, stats := newArrays(t, (s.rows-1)*s.ldp+s.blocks*blockTokens), newArrays(t, (s.rows-1)*s.lds+4)
	x := make([]float32, len(p.want))
	fill(x)
	p.set(x)
	ahead := guarded(t, make([]byte, s.rows*s.blocks*4*blockTokens))[1]
	reference.Softmax(p.want, s.ldp, s.rows, s.blocks, s.lo, s.hi, stats.want, s.lds, nil)
	set.Softmax(p.start, s.ldp, s.rows, s.blocks, s.lo, s.hi, stats.start, s.lds, nil)
	set.Softmax(p.end, s.ldp, s.rows, s.blocks, s.lo, s.hi, stats.end, s.lds, ahead)
	p.same(t, what)
	stats.same(t, what+": m and l")

	for round := range 3 {
		scales := make([]float32, s.blocks*blockTokens)
		fill(scales)
		for i := range scales {
			scales[i] = float32(math.Abs(float64(scales[i])))
			if round > 0 {
				scales[i] = 0
			}
		}
		if round > 0 {
			scales[s.lo+(s.hi-s.lo)/2] = odd[(s.hi+s.rows+round)%len(odd)]
		}
		s.testQ8(t, set, x, bytesOf(scales), ahead)
	}
}

// testQ8 compares SoftmaxQ8 with the reference, in place and not.
func (s softmaxShape) testQ8(t testing.TB, set kernel.Set, x []float32, scales, ahead []byte) {
	what := fmt.Sprintf("SoftmaxQ8 %+v", s)
	p, stats := newArrays(t, len(x)), newArrays(t, (s.rows-1)*s.lds+4)
	factors := guarded(t, scales)
	q := guarded(t, make([]int8, 4*(s.rows-1)*s.ldp+2*s.blocks*blockTokens))
	run := func(set kernel.Set, q []int8, p, stats []float32, i int) [][]float32 {
		copy(p, x)
		set.SoftmaxQ8(q, p, s.ldp, s.rows, s.blocks, s.lo, s.hi, stats, s.lds, factors[i], [][]byte{nil, ahead}[i])
		var rows [][]float32
		for r := range s.rows {
			rows = append(rows, weightIntegers(set, q[4*r*s.ldp:][:2*s.blocks*blockTokens]))
		}
		return rows
	}
	want := run(reference, q[0], p.want, stats.want, 0)
	for i, a := range [][2][]float32{{p.start, stats.start}, {p.end, stats.end}} {
		for _, out := range [][]int8{q[i], unsafe.Slice((*int8)(unsafe.Pointer(&a[0][0])), 4*len(x))} {
			for r, got := range run(set, out, a[0], a[1], i) {
				if !slices.Equal(got, want[r]) {
					t.Fatalf("%s: row %d is split to %v, want %v", what, r, got, want[r])
				}
			}
		}
	}
	stats.same(t, what)
}

func TestMergeParts(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(26, 1))
		for _, size := range []int{32, 48, 80, 144, 272} {
			for rows := range 6 {
				for _, f := range fills {
					for range 4 {
						testMergeParts(t, set, rows, size, func(x []float32) { f.fill(r, x) })
					}
				}
			}
		}
	})
}

func testMergeParts(t testing.TB, set kernel.Set, rows, size int, fill func([]float32)) {
	t.Helper()
	dst, x, y := newArrays(t, rows*size), newArrays(t, rows*size), make([]float32, rows*size)
	fill(y)
	dst.set(y)
	fill(y)
	x.set(y)
	reference.MergeParts(dst.want, x.want, size)
	set.MergeParts(dst.start, x.start, size)
	set.MergeParts(dst.end, x.end, size)
	dst.same(t, fmt.Sprintf("MergeParts of %d rows of %d", rows, size))
}

// TestAttendFormats runs attention over a cache of each format by every set: token by token, and in
// chunks that end within blocks and segments. All give the bits of the portable kernels.
func TestAttendFormats(t *testing.T) {
	const tokens, heads, kvHeads, dim = 600, 3, 1, 80
	for name, format := range map[string]kernel.Format{"f32": kernel.F32, "bf16": kernel.BF16, "q8": kernel.Q8} {
		r := rand.New(rand.NewPCG(25, 1))
		rows := func(n int) kernel.Rows {
			x := kernel.Rows{Data: make([]float32, tokens*n), Stride: n}
			kerneltest.Values(r, x.Data)
			return x
		}
		q, k, v := rows(heads*dim), rows(kvHeads*dim), rows(kvHeads*dim)
		run := func(set kernel.Set, chunk int) []float32 {
			spec := &kernel.CacheSpec{KVHeads: kvHeads, Dim: dim, Format: format, Blocks: kernel.CacheBlocks(tokens)}
			attend := &kernel.AttendSpec{Heads: heads, KVHeads: kvHeads, Dim: dim, Scale: 0.1, Cache: spec}
			memory := aligned(int(spec.Bytes() / 4))
			cache := spec.View(unsafe.Slice((*byte)(unsafe.Pointer(&memory[0])), spec.Bytes()))
			dst := kernel.Rows{Data: make([]float32, len(q.Data)), Stride: q.Stride}
			partial := aligned(attend.Partial(tokens))
			var b kernel.Barrier
			w := kernel.NewWorker(0, 1, set, aligned(kernel.AttendScratch(heads, kvHeads, dim, chunk)), &b)
			for pos := 0; pos < tokens; pos += chunk {
				n := min(chunk, tokens-pos)
				kernel.Append(w, spec, &cache, k.From(pos), v.From(pos), nil, kernel.Phases{}, pos, n)
				kernel.Attend(w, attend, dst.From(pos), q.From(pos), nil, &cache, kernel.Phases{}, partial, pos, n)
			}
			return dst.Data
		}
		want := run(reference, 100)
		for _, set := range Sets()[1:] {
			for _, chunk := range []int{1, 100, 131} {
				kerneltest.Same(t, fmt.Sprintf("%s, %s, chunks of %d", name, set.Level(), chunk), run(set, chunk), want)
			}
		}
	}
}
