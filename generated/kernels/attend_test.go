package kernels

import (
	"encoding/binary"
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

// cacheBlocks are blocks of bytes, stride apart, each with 64 float32 scales behind its integers.
func cacheBlocks(r *rand.Rand, blocks, integers, stride, least int, fill func(*rand.Rand, []float32)) []byte {
	if blocks == 0 {
		return nil
	}
	x := make([]byte, (blocks-1)*stride+integers+4*blockTokens)
	scales := make([]float32, blockTokens)
	for b := range blocks {
		block := x[b*stride:]
		for i := range block[:integers] {
			block[i] = byte(int8(max(least, r.IntN(256)-128)))
			if r.IntN(4) == 0 {
				block[i] = byte([]int{least, 127}[r.IntN(2)])
			}
		}
		fill(r, scales)
		for i, s := range scales {
			binary.LittleEndian.PutUint32(block[integers+4*i:], math.Float32bits(s))
		}
	}
	return x
}

// split is integers in [-most, most] and as large as that, in halves: the high ones at q[i], the low
// ones at q[i+low].
func split(r *rand.Rand, q []int8, n, low, least, most int) (sum int32) {
	for i := range n {
		v := least + r.IntN(most-least+1)
		if r.IntN(4) == 0 {
			v = []int{least, most}[r.IntN(2)]
		}
		half := 0
		if least < 0 {
			half = 64
		}
		high := (v + half) >> 7
		q[i], q[low+i] = int8(high), int8(v-high<<7)
		sum -= 128 * int32(v)
	}
	return sum
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
	ldd, ldq, stride := g.blocks*blockTokens+g.pad, 2*g.size+8*g.pad, (g.size+4)*blockTokens+64*g.pad
	q, sums, scale := make([]int8, g.rows*ldq), make([]int32, g.rows), make([]float32, g.rows)
	fill(r, scale)
	for row := range g.rows {
		sums[row] = split(r, q[row*ldq:], g.size, ldq/2, -queryMax, queryMax)
	}
	if g.rows > 0 {
		q = q[:(g.rows-1)*ldq+ldq/2+g.size]
	}
	k := cacheBlocks(r, g.blocks, g.size*blockTokens, stride, -128, fill)
	n := 0
	if g.rows > 0 && g.blocks > 0 {
		n = (g.rows-1)*ldd + g.blocks*blockTokens
	}
	dst, before := newArrays(t, n), make([]float32, n)
	fill(r, before)
	dst.set(before)
	reference.ScoreQ8(dst.want, ldd, q, ldq, scale, sums, k, stride, g.size, g.blocks, g.rows)
	qs, ss, fs, ks := guarded(t, q), guarded(t, sums), guarded(t, scale), guarded(t, k)
	for i, out := range [][]float32{dst.start, dst.end} {
		set.ScoreQ8(out, ldd, qs[i], ldq, fs[i], ss[i], ks[i], stride, g.size, g.blocks, g.rows)
	}
	dst.same(t, fmt.Sprintf("ScoreQ8 %+v", g))
}

func TestWeighQ8(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(22, 1))
		for _, g := range attendShapes(r, 16, 32, 48, 64, 112, 128) {
			g.weigh(t, set, r, fills[r.IntN(2)].fill)
		}
	})
}

func (g attendQ8) weigh(t testing.TB, set kernel.Set, r *rand.Rand, fill func(*rand.Rand, []float32)) {
	t.Helper()
	ldd, ldp, lds := g.size+g.pad, 2*g.blocks*blockTokens+g.pad, g.blocks+g.pad
	stride := (g.size+4)*blockTokens + 64*g.pad
	p, scale := make([]int8, g.rows*ldp), make([]float32, g.rows*lds)
	fill(r, scale)
	for row := range g.rows {
		for b := range g.blocks {
			split(r, p[row*ldp+b*2*blockTokens:], blockTokens, blockTokens, 0, weightMax)
		}
	}
	n := 0
	if g.rows > 0 {
		p, scale = p[:len(p)-g.pad], scale[:len(scale)-g.pad]
		n = (g.rows-1)*ldd + g.size
	}
	v := cacheBlocks(r, g.blocks, g.size*blockTokens, stride, -127, fill)
	dst, before := newArrays(t, n), make([]float32, n)
	fill(r, before)
	dst.set(before)
	reference.WeighQ8(dst.want, ldd, p, ldp, scale, lds, v, stride, g.size, g.blocks, g.rows)
	ps, ss, vs := guarded(t, p), guarded(t, scale), guarded(t, v)
	for i, out := range [][]float32{dst.start, dst.end} {
		set.WeighQ8(out, ldd, ps[i], ldp, ss[i], lds, vs[i], stride, g.size, g.blocks, g.rows)
	}
	dst.same(t, fmt.Sprintf("WeighQ8 %+v", g))
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
	want := make([]int8, 2*n)
	scale, sum := reference.SplitQuery(want, x)
	xs := guarded(t, x)
	for i, q := range guarded(t, slices.Repeat([]int8{99}, 2*n)) {
		s, total := set.SplitQuery(q, xs[i])
		kerneltest.Same(t, fmt.Sprintf("SplitQuery of %d: scale", len(x)), []float32{s}, []float32{scale})
		if total != sum || !slices.Equal(q, want) {
			t.Fatalf("SplitQuery of %v: %v, sum %d, want %v, %d", x, q, total, want, sum)
		}
	}
	top := float64(0)
	for _, y := range x {
		top = math.Max(top, math.Abs(float64(y)))
	}
	for i, y := range x {
		if v := float64(scale) * float64(128*int(want[i])+int(want[n+i])); top <= math.MaxFloat32 && math.Abs(v-float64(y)) > top*(0.5/queryMax+0x1p-22)+0x1p-100 {
			t.Fatalf("SplitQuery of %d: element %d is %v, want %v", len(x), i, v, y)
		}
	}
}

func TestSplitWeights(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(24, 1))
		for blocks := range 9 {
			for _, f := range fills {
				for round := range 8 {
					positive := func(r *rand.Rand, x []float32) {
						f.fill(r, x)
						for i := range x {
							x[i] = float32(math.Abs(float64(x[i])))
						}
					}
					p := make([]float32, blocks*blockTokens)
					positive(r, p)
					if blocks > 0 && round > 0 {
						i := r.IntN(blocks)
						clear(p[i*blockTokens:][:blockTokens])
						p[i*blockTokens+r.IntN(blockTokens)] = odd[r.IntN(len(odd))]
					}
					testSplitWeights(t, set, p, cacheBlocks(r, blocks, 0, 4*blockTokens+64*round, 0, positive), 4*blockTokens+64*round)
				}
			}
		}
	})
}

func testSplitWeights(t testing.TB, set kernel.Set, p []float32, v []byte, stride int) {
	t.Helper()
	n := len(p) / blockTokens
	want, scale := make([]int8, 2*len(p)), make([]float32, n)
	reference.SplitWeights(want, scale, p, v, stride)
	ps, vs := guarded(t, p), guarded(t, v)
	for i, q := range guarded(t, slices.Repeat([]int8{99}, 2*len(p))) {
		s := guarded(t, make([]float32, n))[i]
		set.SplitWeights(q, s, ps[i], vs[i], stride)
		kerneltest.Same(t, fmt.Sprintf("SplitWeights of %d: scales", len(p)), s, scale)
		if !slices.Equal(q, want) {
			t.Fatalf("SplitWeights of %v: %v, want %v", p, q, want)
		}
		if n > 0 {
			place := unsafe.Slice((*int8)(unsafe.Pointer(&ps[i][0])), 4*len(p))[:2*len(p)]
			set.SplitWeights(place, s, ps[i], vs[i], stride)
			if !slices.Equal(place, want) {
				t.Fatalf("SplitWeights of %v: in place %v, want %v", p, place, want)
			}
		}
	}
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
