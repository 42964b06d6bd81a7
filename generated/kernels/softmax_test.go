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
		want := s.testQ8(t, set, x, bytesOf(scales), ahead)
		for i := range scales {
			if i < s.lo || i >= s.hi {
				scales[i] = []float32{float32(math.NaN()), float32(math.Inf(1))}[i%2]
			}
		}
		kerneltest.Same(t, what+": scales that no row sees", s.testQ8(t, set, x, bytesOf(scales), ahead), want)
	}
}

// testQ8 compares SoftmaxQ8 with the reference, in place and not, and returns what that makes of rows and stats.
func (s softmaxShape) testQ8(t testing.TB, set kernel.Set, x []float32, scales, ahead []byte) []float32 {
	what := fmt.Sprintf("SoftmaxQ8 %+v", s)
	p, stats := newArrays(t, len(x)), newArrays(t, (s.rows-1)*s.lds+4)
	factors := guarded(t, scales)
	q := guarded(t, make([]int8, 4*(s.rows-1)*s.ldp+4*s.blocks*blockTokens))
	run := func(set kernel.Set, q []int8, p, stats []float32, i int) [][]float32 {
		copy(p, x)
		set.SoftmaxQ8(q, p, s.ldp, s.rows, s.blocks, s.lo, s.hi, stats, s.lds, factors[i], [][]byte{nil, ahead}[i])
		var rows [][]float32
		for r := range s.rows {
			rows = append(rows, weightIntegers(set, q[4*r*s.ldp:], s.blocks))
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
	return slices.Concat(append(want, stats.want)...)
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
	for name, format := range map[string]kernel.Format{"f32": kernel.F32, "bf16": kernel.BF16, "q8": kernel.Q8, "q4": kernel.Q4} {
		r := rand.New(rand.NewPCG(25, 1))
		rows := func(n int) kernel.Rows {
			x := kernel.Rows{Data: make([]float32, tokens*n), Stride: n}
			kerneltest.Values(r, x.Data)
			return x
		}
		q, k, v := rows(heads*dim), rows(kvHeads*dim), rows(kvHeads*dim)
		run := func(set kernel.Set, chunk int) []float32 {
			spec := &kernel.CacheSpec{KVHeads: kvHeads, Dim: dim, Format: format}
			attend := &kernel.AttendSpec{Heads: heads, KVHeads: kvHeads, Dim: dim, Scale: 0.1, Cache: spec}
			const spans = (tokens + kernel.SpanTokens - 1) / kernel.SpanTokens
			memory := aligned(spans * spec.Bytes() / 4)
			cache := cacheIn(spec, unsafe.Slice((*byte)(unsafe.Pointer(&memory[0])), spans*spec.Bytes()))
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

// TestAttendUnseen: of positions that no row sees, as those behind one that was gone back to, nothing reaches a result,
// even if keys and values there are no numbers, and from a row's own position on nothing reaches those before it.
func TestAttendUnseen(t *testing.T) {
	const tokens, seen, heads, kvHeads, dim = 600, 470, 3, 1, 48
	for name, format := range map[string]kernel.Format{"f32": kernel.F32, "bf16": kernel.BF16, "q8": kernel.Q8, "q4": kernel.Q4} {
		r := rand.New(rand.NewPCG(27, 1))
		rows := func(n int) kernel.Rows {
			x := kernel.Rows{Data: make([]float32, tokens*n), Stride: n}
			kerneltest.Values(r, x.Data)
			return x
		}
		q, k, v := rows(heads*dim), rows(kvHeads*dim), rows(kvHeads*dim)
		spec := &kernel.CacheSpec{KVHeads: kvHeads, Dim: dim, Format: format}
		attend := &kernel.AttendSpec{Heads: heads, KVHeads: kvHeads, Dim: dim, Scale: 0.1, Cache: spec}
		for _, set := range Sets() {
			memory := bytesOf(aligned(2 * spec.Bytes() / 4))
			cache := cacheIn(spec, memory)
			partial := aligned(attend.Partial(tokens))
			w := kernel.NewWorker(0, 1, set, aligned(kernel.AttendScratch(heads, kvHeads, dim, tokens)), new(kernel.Barrier))
			run := func(from, to int) []float32 {
				dst := kernel.Rows{Data: make([]float32, len(q.Data)), Stride: q.Stride}
				kernel.Attend(w, attend, dst.From(from), q.From(from), nil, &cache, kernel.Phases{}, partial, from, to-from)
				return dst.Data[from*q.Stride : min(to, seen)*q.Stride]
			}
			kernel.Append(w, spec, &cache, k, v, nil, kernel.Phases{}, 0, tokens)
			one, chunk, whole := run(seen-1, seen), run(400, seen), run(400, tokens)
			for i, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				k, v := kernel.Rows{Data: slices.Clone(k.Data), Stride: k.Stride}, kernel.Rows{Data: slices.Clone(v.Data), Stride: v.Stride}
				for at := seen * k.Stride; at < len(k.Data); at += 1 + i*7 {
					k.Data[at], v.Data[at] = float32(bad), float32(bad)
				}
				kernel.Append(w, spec, &cache, k, v, nil, kernel.Phases{}, 0, tokens)
				what := fmt.Sprintf("%s, %s, %v", name, set.Level(), bad)
				kerneltest.Same(t, what+", one row", run(seen-1, seen), one)
				kerneltest.Same(t, what+", a chunk", run(400, seen), chunk)
				kerneltest.Same(t, what+", rows before", run(400, tokens), whole)
			}
		}
	}
}

// TestWindowUnseen: what a ring holds of positions that no row sees reaches no result, even if values there are no numbers: those
// of tokens that it went ahead by and back, those that a window has left behind, and those of later rows of a chunk.
func TestWindowUnseen(t *testing.T) {
	const tokens, ahead, heads, kvHeads, dim, window = 300, 140, 6, 2, 48, 70
	r := rand.New(rand.NewPCG(28, 1))
	rows := func(n int) kernel.Rows {
		x := kernel.Rows{Data: make([]float32, tokens*n), Stride: n}
		kerneltest.Values(r, x.Data)
		return x
	}
	q, k, v := rows(heads*dim), rows(kvHeads*dim), rows(kvHeads*dim)
	astray := rows(kvHeads * dim)
	for i := 0; i < len(astray.Data); i += 11 {
		astray.Data[i] = float32(math.NaN())
	}
	v.Row(30, v.Stride)[5], v.Row(155, v.Stride)[50] = float32(math.Inf(1)), float32(math.NaN())
	for name, format := range map[string]kernel.Format{"f32": kernel.F32, "bf16": kernel.BF16} {
		spec := &kernel.CacheSpec{KVHeads: kvHeads, Dim: dim, Format: format, Window: window}
		attend := &kernel.AttendSpec{Heads: heads, KVHeads: kvHeads, Dim: dim, Scale: 0.1, Window: window, Cache: spec}
		run := func(set kernel.Set, chunk int, lost bool) []float32 {
			cache := cacheIn(spec, bytesOf(aligned(spec.Bytes()/4)))
			dst := kernel.Rows{Data: make([]float32, len(q.Data)), Stride: q.Stride}
			w := kernel.NewWorker(0, 1, set, aligned(kernel.AttendScratch(heads, kvHeads, dim, chunk)), new(kernel.Barrier))
			add := func(v kernel.Rows, from, to int) {
				for ; from < to; from += chunk {
					kernel.AttendWindow(w, attend, dst.From(from), q.From(from), k.From(from), v.From(from), &cache, kernel.Phases{}, from, min(chunk, to-from))
				}
			}
			add(v, 0, ahead)
			if lost {
				end := ahead
				for end < tokens && spec.Rewindable(end+1, ahead) {
					end++
				}
				if end < ahead+50 {
					t.Fatalf("a ring that was %d ahead does not serve", end-ahead)
				}
				add(astray, ahead, end)
			}
			add(v, ahead, tokens)
			return dst.Data
		}
		want := run(reference, 1, false)
		for pos := range tokens {
			sees, bad := pos-30 < window && pos >= 30 || pos-155 < window && pos >= 155, false
			for _, x := range want[pos*q.Stride:][:q.Stride] {
				bad = bad || x-x != 0
			}
			if bad != sees {
				t.Fatalf("%s, position %d: not finite is %v, want %v", name, pos, bad, sees)
			}
		}
		for _, set := range Sets() {
			for _, chunk := range []int{1, 50, 131} {
				what := fmt.Sprintf("%s, %s, chunks of %d", name, set.Level(), chunk)
				kerneltest.Same(t, what, run(set, chunk, false), want)
				kerneltest.Same(t, what+", back from others", run(set, chunk, true), want)
			}
		}
	}
}

// cacheIn is the cache whose spans follow one another in memory, which it fills, or the ring that lies there.
func cacheIn(spec *kernel.CacheSpec, memory []byte) kernel.Cache {
	spans := kernel.Spans(slices.Collect(slices.Chunk(memory, spec.Bytes())))
	at := kernel.NewStates(memory, &spans)
	return spec.View(&at)
}
