package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// forgetting is a sequence through one layer whose state can be taken back within the open block.
type forgetting struct {
	name   string
	tokens int
	floats int
	step   func(state []float32, dst Rows, pos, rows int)
	forget func(state []float32, pos int)
}

func forgettings() []forgetting {
	rng := rand.New(rand.NewPCG(41, 41))
	var all []forgetting
	for _, dim := range []int{2, 16, 80} {
		c := newRetainCase(rng, 2, dim, 200, 16)
		all = append(all, forgetting{
			fmt.Sprintf("retention %d", dim), c.tokens, c.StateFloats(),
			func(state []float32, dst Rows, pos, rows int) {
				st := c.State(state)
				team(1, RetainScratch(c.Dim, c.tokens), func(w *Worker) {
					Retain(w, &c.RetainSpec, dst, c.q.From(pos), c.k.From(pos), c.v.From(pos), c.g.From(pos), c.a.From(pos),
						&st, c.ph.from(pos), pos, rows)
				})
			},
			func(state []float32, pos int) { st := c.State(state); c.Forget(&st, pos) },
		})
	}
	for _, dims := range [][2]int{{16, 32}, {24, 10}} {
		c := newDeltaCase(rng, 2, 4, dims[0], dims[1], 200, true)
		all = append(all, forgetting{
			fmt.Sprintf("delta %d", dims), c.tokens, c.StateFloats(),
			func(state []float32, dst Rows, pos, rows int) {
				st, in := c.State(state), c.in.from(pos)
				team(1, c.Scratch(c.tokens), func(w *Worker) {
					DeltaGated(w, &c.DeltaSpec, dst, in.q, in.k, in.v, in.a, in.b, in.g, in.aLog, in.dt, in.norm, &st, pos, rows)
				})
			},
			func(state []float32, pos int) { st := c.State(state); c.Forget(&st, pos) },
		})
	}
	return all
}

// TestForget takes a state back within its block, or not, and forgets: the memory is the same, and so
// is what follows.
func TestForget(t *testing.T) {
	for _, f := range forgettings() {
		whole, width := make([]float32, f.floats), 512
		want := blank(f.tokens, width)
		f.step(whole, want, 0, f.tokens)
		for _, pos := range []int{1, 63, 64, 65, 90, 127, 128, 190} {
			what := fmt.Sprintf("%s at %d", f.name, pos)
			plain, back := make([]float32, f.floats), make([]float32, f.floats)
			f.step(plain, blank(pos, width), 0, pos)
			later := max(pos, (pos+blockTokens)/blockTokens*blockTokens-1) // in the block of pos
			f.step(back, blank(later, width), 0, later)
			f.forget(plain, pos)
			f.forget(back, pos)
			same(t, what+": state", back, plain)
			dst := blank(f.tokens-pos, width)
			f.step(back, dst, pos, f.tokens-pos)
			same(t, what+": what follows", dst.Data, want.From(pos).Data)
			f.forget(back, f.tokens)
			f.step(plain, dst, pos, f.tokens-pos)
			f.forget(plain, f.tokens)
			same(t, what+": state in the end", back, plain)
		}
	}
}

// upTo are the first tokens of a sequence.
func (c *attendCase) upTo(tokens int) *attendCase {
	d := *c
	d.tokens = tokens
	return &d
}

// clone is a cache of the same bytes.
func (c Cache) clone() Cache {
	lines := func(b []byte) []byte {
		d := cacheLines(len(b))
		copy(d, b)
		return d
	}
	if c.spans == nil {
		c.ring = lines(c.ring)
		return c
	}
	var spans Spans
	for _, span := range *c.spans {
		spans = append(spans, lines(span))
	}
	c.spans = &spans
	return c
}

// follow adds the tokens from pos on to a cache and returns their outputs.
func (c *attendCase) follow(cache *Cache, pos int) Rows {
	n, dst := c.tokens-pos, blank(c.tokens-pos, c.Heads*c.Dim)
	partial := make([]float32, c.Partial(c.tokens))
	team(1, AttendScratch(c.Heads, c.KVHeads, c.Dim, c.tokens), func(w *Worker) {
		q, k, v, ph := c.q.From(pos), c.k.From(pos), c.v.From(pos), c.ph.from(pos)
		if c.Window > 0 {
			AttendWindow(w, &c.AttendSpec, dst, q, k, v, cache, ph, pos, n)
			return
		}
		Append(w, c.Cache, cache, k, v, c.Rope, ph, pos, n)
		Attend(w, &c.AttendSpec, dst, q, c.gain, cache, ph, partial, pos, n)
	})
	return dst
}

// TestForgetCache takes a cache back to a position and forgets: what it then holds is what a cache holds that never
// went further, and so is what follows.
func TestForgetCache(t *testing.T) {
	for _, c := range append(attendCases(), windowCases()...) {
		c = c.upTo(min(c.tokens, 530))
		run := (*attendCase).run
		if c.Window > 0 {
			run = (*attendCase).ring
			c.Cache = &CacheSpec{KVHeads: c.KVHeads, Dim: c.Dim, Format: c.Cache.Format, Window: c.Window}
		}
		want, end := run(c, cut{0, 1})
		for _, pos := range []int{0, 31, 64, 65, 514} {
			later := c.tokens
			if c.Window > 0 { // a ring goes back as long as nothing that pos looks at has been replaced
				later = min(later, (max(0, pos-c.Window+1)/blockTokens+c.Cache.ringBlocks())*blockTokens)
			}
			if pos >= c.tokens {
				continue
			}
			what := fmt.Sprintf("%v at %d", c, pos)
			_, plain := run(c.upTo(pos), cut{0, 1})
			back := end.clone()
			if later < c.tokens {
				_, back = run(c.upTo(later), cut{0, 1})
			}
			c.Cache.Forget(&plain, pos)
			c.Cache.Forget(&back, pos)
			if plain.spans != nil {
				whole := *back.spans
				*back.spans = whole[:len(*plain.spans)]
				sameCache(t, what, back, plain)
				*back.spans = whole
			} else {
				sameCache(t, what, back, plain)
			}
			got := c.follow(&back, pos)
			same(t, what+": what follows", got.Data, want.From(pos).Data)
		}
	}
}
