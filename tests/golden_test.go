package tests

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/internal/testmodel"
	rt "github.com/yococ/yococ/runtime"
)

// cacheBar bounds how far states and the shared cache may be off, relative to the largest element.
const cacheBar = 1e-4

// TestGolden compares every generated package with results that were recorded in float64: logits
// within ten times what another float32 program differs by, and the same tokens.
func TestGolden(t *testing.T) {
	for _, level := range levels(t) {
		t.Run(level, func(t *testing.T) {
			for _, m := range testmodel.Models {
				if m.Golden == "" { // quantized: see TestQuantized
					continue
				}
				t.Run(m.Name, func(t *testing.T) { testGolden(t, m, level) })
			}
		})
	}
}

func testGolden(t *testing.T, m *testmodel.Model, level string) {
	g, err := m.OpenGolden()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	model := open(t, m.Name)
	c := &comparison{T: t, g: g, tolerance: g.Tolerance()}
	for _, chunk := range []int{1, 3, 64, 256} {
		for i, p := range g.Prompts {
			if slow(m, level) && (chunk != 64 || len(p.Tokens) > 100 || i%4 > 0 || race && i > 0) {
				continue
			}
			s := session(t, model, rt.Options{Context: len(p.Tokens) + len(p.Greedy), Chunk: chunk, Threads: 1 + i%2, ISA: level})
			steps := len(p.Greedy)
			if chunk != 64 || slow(m, level) {
				steps = min(steps, 8)
			}
			c.prompt(s, i, steps, fmt.Sprintf("prompt %d in chunks of %d", i, chunk))
			s.Close()
		}
	}
	t.Logf("largest differences: logits %.2e of %.2e, every row's %.2e, states and cache %.2e; greedy %d of %d",
		c.last, c.tolerance, c.rows, c.states, c.equal, c.greedy)
}

// slow reports whether a model takes so long at a level that the tests choose among its cases.
func slow(m *testmodel.Model, level string) bool {
	return level == "portable" && (m.Name == "yoco8m" || race || testing.Short())
}

// A comparison is a test, and the largest differences so far.
type comparison struct {
	*testing.T
	g                  *driver.Golden
	tolerance          float64
	last, rows, states float64
	equal, greedy      int
}

// prompt compares the logits after prompt i, states and caches, and as many of the tokens that
// follow as steps; then, after a reset, the logits of every row.
func (c *comparison) prompt(s *rt.Session, i, steps int, what string) {
	p := c.g.Prompts[i]
	prefill(c, s, p.Tokens)
	after := logits(c, s)
	c.within(&c.last, c.tolerance, what+": logits", after, c.g.Tensor(i, "logits_last"))
	c.memory(s, i, what)

	follow := c.g.Tensor(i, "decode_logits")
	for step, want := range p.Greedy[:steps] {
		c.greedy++
		if got := argmax(after); got == want {
			c.equal++
		} else if p.Gaps[step] > c.tolerance {
			c.Errorf("%s: token %d after it is %d, want %d", what, step, got, want)
		}
		after = decode(c, s, want)
		if n := len(after); len(follow) >= (step+1)*n {
			c.within(&c.last, c.tolerance, fmt.Sprintf("%s: logits of step %d", what, step), after, follow[step*n:(step+1)*n])
		}
	}
	c.everyRow(s, i, what)
}

func (c *comparison) everyRow(s *rt.Session, i int, what string) {
	want := c.g.Tensor(i, "logits")
	if want == nil {
		return
	}
	if err := s.Reset(); err != nil {
		c.Fatal(err)
	}
	seen := 0
	err := s.ScoreRows(context.Background(), c.g.Prompts[i].Tokens, func(row int, got []float32) error {
		c.within(&c.rows, c.tolerance, fmt.Sprintf("%s: logits of row %d", what, row), got, want[row*len(got):(row+1)*len(got)])
		seen += len(got)
		return nil
	})
	if err != nil || seen != len(want) {
		c.Fatalf("%s: %d logits of every row, want %d; error %v", what, seen, len(want), err)
	}
}

// memory compares the states and the shared cache with those of the golden folder, all of them.
func (c *comparison) memory(s *rt.Session, i int, what string) {
	tensors, err := s.Export()
	if err != nil {
		c.Fatal(err)
	}
	for _, name := range c.g.States(i) {
		at := slices.IndexFunc(tensors, func(t rt.Tensor) bool { return t.Name == name })
		if at < 0 {
			c.Errorf("%s: the model has no %s", what, name)
			continue
		}
		want := c.g.Tensor(i, name)
		largest := 0.0
		for _, x := range want {
			largest = max(largest, math.Abs(x))
		}
		var diff float64
		c.within(&diff, cacheBar*largest, what+": "+name, tensors[at].Data, want)
		if largest > 0 {
			c.states = max(c.states, diff/largest)
		}
	}
}

// within demands that got differs from want by at most limit, and notes the largest difference.
func (c *comparison) within(worst *float64, limit float64, what string, got []float32, want []float64) {
	c.Helper()
	if len(got) != len(want) {
		c.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for j, w := range want {
		d := math.Abs(float64(got[j]) - w)
		*worst = max(*worst, d)
		if !(d <= limit) {
			c.Errorf("%s: element %d is %v, want %v within %.1e", what, j, got[j], w, limit)
			return
		}
	}
}
