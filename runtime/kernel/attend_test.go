package kernel

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// attendCase is a sequence through one layer of attention.
type attendCase struct {
	AttendSpec
	tokens  int
	q, k, v Rows
	gain    []float32
	ph      Phases
}

func newAttendCase(rng *rand.Rand, heads, kvHeads, dim, window, tokens int, format Format) *attendCase {
	c := &attendCase{
		AttendSpec: AttendSpec{
			Heads: heads, KVHeads: kvHeads, Dim: dim, Window: window, Scale: float32(1 / math.Sqrt(float64(dim))),
			Rope: NewRope(dim, 10000, "fla", dim%3 == 0),
		},
		tokens: tokens,
		q:      random(rng, tokens, heads*dim), k: random(rng, tokens, kvHeads*dim), v: random(rng, tokens, kvHeads*dim),
	}
	c.Cache = &CacheSpec{KVHeads: kvHeads, Dim: dim, Format: format}
	c.ph = phases(c.Rope, tokens)
	return c
}

// run returns the outputs and the cache of the sequence cut up, by Append and Attend.
func (c *attendCase) run(cut cut) (dst Rows, cache Cache) {
	dst, cache = blank(c.tokens, c.Heads*c.Dim), empty(c.Cache, c.tokens)
	partial := make([]float32, c.Partial(c.tokens))
	team(cut.workers, AttendScratch(c.Heads, c.KVHeads, c.Dim, c.tokens), func(w *Worker) {
		cut.chunks(c.tokens, func(pos, rows int) {
			Append(w, c.Cache, &cache, c.k.From(pos), c.v.From(pos), c.Rope, c.ph.from(pos), pos, rows)
			w.Sync()
			Attend(w, &c.AttendSpec, dst.From(pos), c.q.From(pos), c.gain, &cache, c.ph.from(pos), partial, pos, rows)
			w.Sync()
		})
	})
	return dst, cache
}

// ring is run by AttendWindow.
func (c *attendCase) ring(cut cut) (dst Rows, cache Cache) {
	s := c.AttendSpec
	s.Cache = &CacheSpec{KVHeads: c.KVHeads, Dim: c.Dim, Format: c.Cache.Format, Window: c.Window}
	dst, cache = blank(c.tokens, c.Heads*c.Dim), empty(s.Cache, c.tokens)
	team(cut.workers, AttendScratch(c.Heads, c.KVHeads, c.Dim, c.tokens), func(w *Worker) {
		cut.chunks(c.tokens, func(pos, rows int) {
			AttendWindow(w, &s, dst.From(pos), c.q.From(pos), c.k.From(pos), c.v.From(pos), &cache, c.ph.from(pos), pos, rows)
			w.Sync()
		})
	})
	return dst, cache
}

func sameCache(t *testing.T, what string, got, want Cache) {
	t.Helper()
	if !bytes.Equal(got.ring, want.ring) {
		t.Fatalf("%s: bytes differ", what)
	}
	if got.spans == nil {
		return
	}
	for i, span := range *got.spans {
		if !bytes.Equal(span, (*want.spans)[i]) {
			t.Fatalf("%s: bytes of span %d differ", what, i)
		}
	}
}

// attendCases are contexts that cross blocks and segments, groups of 1 to 4 and more heads than a
// tile has rows, all widths of value panels, all formats.
func attendCases() []*attendCase {
	rng := rand.New(rand.NewPCG(11, 11))
	normed := newAttendCase(rng, 3, 1, 32, 0, 200, F32)
	normed.QNormEps, normed.gain = 1e-5, floats(rng, 32)
	still := newAttendCase(rng, 2, 2, 15, 0, 70, BF16) // an odd K block
	quantized := newAttendCase(rng, 2, 1, 15, 0, 600, Q8)
	quantized.Rope, quantized.ph, quantized.QNormEps, quantized.gain = nil, Phases{}, 1e-5, floats(rng, 15)
	coded := newAttendCase(rng, 2, 1, 15, 0, 600, Q4)
	coded.Rope, coded.ph, coded.QNormEps, coded.gain = nil, Phases{}, 1e-5, floats(rng, 15)
	still.Rope, still.ph, still.QNormEps = nil, Phases{}, 1e-5
	return []*attendCase{
		normed, still,
		newAttendCase(rng, 1, 1, 16, 0, longest, F32),
		newAttendCase(rng, 2, 2, 24, 0, 530, BF16),
		newAttendCase(rng, 4, 2, 16, 0, 600, F32),
		newAttendCase(rng, 4, 1, 24, 0, 200, F32),
		newAttendCase(rng, 50, 1, 2, 0, 90, F32),
		newAttendCase(rng, 6, 2, 64, 0, 140, BF16),
		newAttendCase(rng, 2, 1, 80, 0, 150, F32),
		newAttendCase(rng, 3, 3, 128, 0, 130, BF16),
		newAttendCase(rng, 1, 1, 7*2, 0, 90, BF16),
		quantized, // no multiple of four
		newAttendCase(rng, 6, 2, 128, 0, 140, Q8),
		newAttendCase(rng, 4, 1, 24, 0, longest, Q8),
		newAttendCase(rng, 2, 2, 112, 0, 90, Q8),
		newAttendCase(rng, 50, 1, 2, 0, 90, Q8),
		newAttendCase(rng, 60, 60, 2, 0, 90, F32), newAttendCase(rng, 52, 26, 4, 0, 530, Q8), // more heads than a tile has rows
		coded, newAttendCase(rng, 6, 2, 128, 0, 140, Q4),
		newAttendCase(rng, 4, 1, 48, 0, longest, Q4), // turned in blocks
		newAttendCase(rng, 2, 1, 64, 0, 700, Q4),
		newAttendCase(rng, 2, 2, 112, 0, 90, Q4),
		newAttendCase(rng, 50, 1, 2, 0, 90, Q4), newAttendCase(rng, 52, 26, 4, 0, 530, Q4),
	}
}

func windowCases() []*attendCase {
	rng := rand.New(rand.NewPCG(12, 12))
	return []*attendCase{
		newAttendCase(rng, 2, 2, 16, 1, 200, F32),
		newAttendCase(rng, 3, 1, 24, 8, 300, F32),
		newAttendCase(rng, 4, 2, 32, 16, 300, BF16),
		newAttendCase(rng, 2, 2, 80, 65, 200, BF16),
		newAttendCase(rng, 2, 1, 16, 512, longest, F32), // the ring has 9 blocks
		newAttendCase(rng, 1, 1, 64, 66, 250, F32),
		newAttendCase(rng, 2, 2, 128, 8, 140, F32),
		newAttendCase(rng, 2, 1, 16, 600, 350, BF16), // not all is used
	}
}

func (c *attendCase) String() string {
	return fmt.Sprintf("heads=%d/%d,dim=%d,window=%d,tokens=%d,format=%d", c.Heads, c.KVHeads, c.Dim, c.Window, c.tokens, c.Cache.Format)
}

func TestAttendInvariance(t *testing.T) {
	for _, c := range append(attendCases(), windowCases()[:4]...) {
		t.Run(c.String(), func(t *testing.T) {
			dst, cache := c.run(cut{1, 1})
			for _, cut := range cuts {
				d, kv := c.run(cut)
				same(t, cut.String()+": dst", d.Data, dst.Data)
				sameCache(t, cut.String()+": cache", kv, cache)
			}
		})
	}
}

// A ring gives the bits of a cache of all positions, and keeps the same bits itself.
func TestAttendWindowInvariance(t *testing.T) {
	for _, c := range windowCases() {
		t.Run(c.String(), func(t *testing.T) {
			dst, _ := c.run(cut{0, 1})
			_, ring := c.ring(cut{1, 1})
			for _, cut := range cuts {
				d, kv := c.ring(cut)
				same(t, cut.String()+": dst", d.Data, dst.Data)
				sameCache(t, cut.String()+": ring", kv, ring)
			}
		})
	}
}

// Values that are no finite numbers reach the rows that see them and no others, however the rows are cut: not those before
// them, and not those behind a window.
func TestAttendNotFinite(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 13))
	for _, c := range append(attendCases()[:8], windowCases()...) {
		t.Run(c.String(), func(t *testing.T) {
			for r := c.tokens / 4; r < c.tokens; r += 1 + rng.IntN(c.tokens/2) {
				bad := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[rng.IntN(3)]
				c.v.Data[r*c.v.Stride+rng.IntN(c.KVHeads*c.Dim)] = float32(bad)
			}
			dst, _ := c.run(cut{1, 1})
			for r := range c.tokens {
				for h := range c.Heads {
					sees := false
					for pos := c.first(r); pos <= r; pos++ {
						kv := h / c.group() * c.Dim
						sees = sees || !allFinite(c.v.Row(pos, kv+c.Dim)[kv:])
					}
					if got := !allFinite(dst.Row(r, (h+1)*c.Dim)[h*c.Dim:]); got != sees {
						t.Fatalf("position %d, head %d: not finite is %v, want %v", r, h, got, sees)
					}
				}
			}
			for _, cut := range cuts[:2] {
				d, _ := c.run(cut)
				same(t, cut.String()+": dst", d.Data, dst.Data)
				if c.Window > 0 {
					d, _ := c.ring(cut)
					same(t, cut.String()+": ring", d.Data, dst.Data)
				}
			}
		})
	}
}

// allFinite reports whether all of x are finite numbers.
func allFinite(x []float32) bool {
	for _, y := range x {
		if y-y != 0 {
			return false
		}
	}
	return true
}

// The output may take the place of the queries where a row is not split.
func TestAttendInPlace(t *testing.T) {
	for _, c := range windowCases()[:3] {
		want, _ := c.ring(cut{1, 1})
		before := c.q
		c.q = c.q.clone()
		s := c.AttendSpec
		s.Cache = &CacheSpec{KVHeads: c.KVHeads, Dim: c.Dim, Format: c.Cache.Format, Window: c.Window}
		cache := empty(s.Cache, c.tokens)
		team(2, AttendScratch(c.Heads, c.KVHeads, c.Dim, c.tokens), func(w *Worker) {
			AttendWindow(w, &s, c.q, c.q, c.k, c.v, &cache, c.ph, 0, c.tokens)
		})
		for r := range c.tokens {
			same(t, c.String()+": window", c.q.Row(r, c.Heads*c.Dim), want.Row(r, c.Heads*c.Dim))
		}
		_, cache = c.run(cut{0, 1})
		c.q = before.clone()
		team(2, AttendScratch(c.Heads, c.KVHeads, c.Dim, c.tokens), func(w *Worker) {
			Attend(w, &c.AttendSpec, c.q, c.q, c.gain, &cache, c.ph, nil, 0, c.tokens)
		})
		for r := range c.tokens {
			same(t, c.String()+": chunk", c.q.Row(r, c.Heads*c.Dim), want.Row(r, c.Heads*c.Dim))
		}
	}
}

// Append and Export: keys as rotated, values as they are, rounded to the cache's format.
func TestCacheReference(t *testing.T) {
	for _, c := range attendCases() {
		_, cache := c.run(cut{64, 3})
		const from = 3
		k, v := c.Cache.read(&cache, from, c.tokens)
		if want := (c.tokens - from) * c.KVHeads * c.Dim; len(k) != want || len(v) != want {
			t.Fatalf("%v: Export returns %d and %d floats, want %d", c, len(k), len(v), want)
		}
		for i := range k {
			pos, head, d := from+i/(c.KVHeads*c.Dim), i/c.Dim%c.KVHeads, i%c.Dim
			row := c.k.Row(pos, (head+1)*c.Dim)[head*c.Dim:]
			want := c.Rope.rotated(row, pos)
			bound, value := 0.0, c.v.Row(pos, (head+1)*c.Dim)[head*c.Dim+d]
			if c.Rope != nil {
				bound = 3 * ulp * math.Sqrt2 * magnitude(want, d, c.Rope)
			}
			rounding := 0.0
			switch c.Cache.Format {
			case BF16:
				bound += math.Abs(want[d])/256 + bound
				value = BF16ToFloat32(Float32ToBF16(value))
			case Q8: // half a step, and the roundings of the scale and of two products
				bound = 2*bound + top(want)*(1/254.0+4*ulp)
				rounding = float64(maxAbs(c.v.Row(pos, (head+1)*c.Dim)[head*c.Dim:])) * (1/254.0 + 4*ulp)
			case Q4:
				if d == 0 {
					exact := make([]float64, c.Dim)
					for d, x := range c.v.Row(pos, (head+1)*c.Dim)[head*c.Dim:] {
						exact[d] = float64(x)
					}
					what, known := fmt.Sprintf("%v: position %d", c, pos), 3*ulp*math.Sqrt2*top(want)
					c.Cache.nearRow(t, what+": key", k[i:][:c.Dim], want, known)
					c.Cache.nearRow(t, what+": value", v[i:][:c.Dim], exact, 0)
				}
				continue
			}
			close64(t, fmt.Sprintf("%v: key %d", c, pos), k[i], want[d], bound)
			close64(t, fmt.Sprintf("%v: value %d", c, pos), v[i], float64(value), rounding)
		}
	}
}

// Plain softmax attention in float64 over the keys and values that the cache holds. A score errs by
// the roundings of its chain, of the query's rotation and norm, and of the scaling, each at most the
// sum of magnitudes, and by what splitting the query rounds; a weight by twice that (its own and the maximum's) and exp's; the sums by one
// rounding a position, three a segment's merge, which has two exps too, and the quotient's.
func TestAttendReference(t *testing.T) {
	for _, c := range append(attendCases(), windowCases()...) {
		dst, cache := c.run(cut{100, 2})
		k, v := c.Cache.read(&cache, 0, c.tokens)
		n := c.Dim
		for pos := 0; pos < c.tokens; pos += 1 + pos/16 {
			for h := range c.Heads {
				q := c.query(pos, h)
				first := c.first(pos)
				scores, worst, highest, step := make([]float64, pos+1-first), 0.0, math.Inf(-1), top(c.Cache.turnedOr(q))/(2*queryMax)
				for j := range scores {
					size, coarse := 0.0, 0.0
					key := c.inCache(c.at(k, first+j, h))
					for _, x := range key {
						coarse += math.Abs(x) * step
					}
					if c.Cache.Format == Q4 {
						coarse += 2 * c.Cache.rotationBound(key, q)
					}
					for d, x := range c.at(k, first+j, h) {
						scores[j] += q[d] * float64(x)
						if c.Rope == nil {
							size += math.Abs(q[d] * float64(x))
						} else {
							size += math.Sqrt2 * magnitude(q, d, c.Rope) * math.Abs(float64(x))
						}
					}
					if !c.Cache.integers() {
						coarse = 0
					}
					worst = math.Max(worst, size*(float64(n)+float64(n)/32+20)*ulp+coarse*1.001)
					highest = math.Max(highest, scores[j])
				}
				o, size, sum := make([]float64, n), make([]float64, n), 0.0
				steps, weights := make([]float64, n), 0.0 // of a segment's split weights: what all of half a step give
				coarse := make([]float64, n)
				for j := range scores {
					p := math.Exp(scores[j] - highest)
					sum += p
					held := c.inCache(c.at(v, first+j, h))
					if scale := top(held) / c.Cache.highest(); c.Cache.integers() && scale > 0 {
						if (first+j)%segmentTokens == 0 {
							clear(steps)
							weights = 0
						}
						weights += p * scale
						for d, x := range held {
							steps[d] += math.Abs(x) / scale / (2 * weightSum)
						}
						if (first+j+1)%segmentTokens == 0 || j == len(scores)-1 {
							for d := range coarse {
								coarse[d] += weights * steps[d]
							}
						}
					}
					for d, x := range c.at(v, first+j, h) {
						o[d] += p * float64(x)
						size[d] += p * math.Abs(held[d])
					}
				}
				turning := c.Cache.turnedBack(size)
				c.Cache.turnedBack(coarse)
				rel := 2 * (2*worst + float64(len(scores)+10*(len(scores)/segmentTokens+2))*ulp)
				for d, x := range dst.Row(pos, (h+1)*n)[h*n:] {
					close64(t, fmt.Sprintf("%v: position %d, head %d", c, pos, h), x, o[d]/sum, (size[d]*(rel+turning)+coarse[d]*(1+rel))/sum*1.01)
				}
			}
		}
	}
}

// top is the largest magnitude of x.
func top(x []float64) float64 {
	m := 0.0
	for _, y := range x {
		m = math.Max(m, math.Abs(y))
	}
	return m
}

// query is the prepared query of a head, in float64.
func (c *attendCase) query(pos, h int) []float64 {
	x := append([]float32(nil), c.q.Row(pos, (h+1)*c.Dim)[h*c.Dim:]...)
	scale := float64(c.Scale)
	if c.QNormEps > 0 {
		sum := 0.0
		for i := range x {
			sum += float64(x[i]) * float64(x[i])
			if c.gain != nil {
				x[i] *= c.gain[i] // one rounding early; it is among those counted
			}
		}
		scale /= math.Sqrt(sum/float64(len(x)) + float64(c.QNormEps))
	}
	q := c.Rope.rotated(x, pos)
	for i := range q {
		q[i] *= scale
	}
	return q
}

// at is the key or value of a position that query head h reads, in Export's order.
func (c *attendCase) at(x []float32, pos, h int) []float32 {
	return x[(pos*c.KVHeads+h/(c.Heads/c.KVHeads))*c.Dim:][:c.Dim]
}
