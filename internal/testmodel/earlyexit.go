package testmodel

import (
	"context"
	"strings"
	"testing"

	"github.com/yococ/yococ/ir/plan"
	rt "github.com/yococ/yococ/runtime"
)

// EarlyExit holds the multiplications of a generated package to what its plan says, weight by
// weight and exactly: in prefill the self-decoder and the shared cache are computed for every row;
// cross-decoder, head and the stages that end in Exit for none but the one whose logits are asked for.
// That is so in the first chunk, in later ones and on a second turn. Where every row's logits are asked
// for, or if the model was compiled without early exit, they are computed for every row.
//
// open opens the package's model at path with kernels that count.
func EarlyExit(t *testing.T, name string, open func(path string, c *Counter) (*rt.Model, error)) {
	m := Named(name)
	loaded, err := m.Load()
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	path, err := m.Weights()
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{T: t, plan: loaded.Package.Plan, exits: m.Exits()}
	model, err := open(path, &c.Counter)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	for _, threads := range []int{1, 2} {
		o := rt.Options{Context: 256, Threads: threads, Chunk: 16}
		c.session(model, o)
		c.batch(model, o)
	}
}

// counted is a test with what it counts.
type counted struct {
	*testing.T
	Counter
	plan  *plan.Plan
	exits bool
}

func (c *counted) session(m *rt.Model, o rt.Options) {
	s, err := m.NewSession(o)
	if err != nil {
		c.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			c.Helper()
			c.Fatal(err)
		}
	}
	tokens := make([]int32, 64)
	for i := range tokens {
		tokens[i] = int32(i*37+11) % int32(c.plan.Vocab)
	}
	// What a prefill of n rows does for cross-decoder, then what asking for logits adds to it.
	prefill, logits := 0, 1
	for _, turn := range []struct {
		what string
		n    int
	}{{"the first chunk", 16}, {"three more chunks", 37}, {"a second turn", 5}} {
		if !c.exits {
			prefill, logits = turn.n, 0
		}
		must(s.Prefill(ctx, tokens[:turn.n]))
		c.check(turn.what, turn.n, prefill, 0)
		_, err = s.Logits()
		must(err)
		c.check("logits after "+turn.what, 0, logits, 1)
		_, err = s.Logits()
		must(err)
		c.check("the same logits again", 0, 0, 0)
	}
	_, err = s.Decode(ctx, tokens[0])
	must(err)
	c.check("a decoded token", 1, 1, 1)
	must(s.ScoreRows(ctx, tokens[:20], func(int, []float32) error { return nil }))
	c.check("every row's logits", 20, 20, 20)
}

// batch decodes for several sessions at once: their rows are multiplied, the weights read once.
func (c *counted) batch(m *rt.Model, o rt.Options) {
	var sessions []*rt.Session
	for range 5 {
		s, err := m.NewSession(o)
		if err != nil {
			c.Fatal(err)
		}
		defer s.Close()
		sessions = append(sessions, s)
	}
	if err := m.DecodeBatch(context.Background(), sessions, []int32{1, 2, 3, 4, 5}, nil); err != nil {
		c.Fatal(err)
	}
	c.compare("a batch of five", 5, 5, 5, 1)
}

// check compares the multiplications since the last check with so many rows of self-decoder and
// shared cache, of cross-decoder, and of the head.
func (c *counted) check(what string, self, cross, head int) {
	c.Helper()
	c.compare(what, self, cross, head, 0)
}

// compare is check; unless times is 0 it also compares how often every weight was read.
func (c *counted) compare(what string, self, cross, head, times int) {
	c.Helper()
	rows := func(stage string) int {
		switch {
		case stage == "head":
			return head
		case strings.HasPrefix(stage, "cross"), strings.HasSuffix(stage, "Exit"):
			return cross
		}
		return self
	}
	for i := range c.plan.Weights {
		w := &c.plan.Weights[i]
		if w.Form != plan.Matrix {
			continue
		}
		tensor := w.Name
		if w.Alias != "" {
			tensor = w.Alias
		}
		columns := (w.Outputs() + plan.Panel - 1) / plan.Panel * plan.Panel
		all := int64(columns) * int64(inputs(w)) * int64(max(w.Layers, 1))
		done, read := c.Take(tensor)
		if want := int64(rows(w.Stage)) * all; done != want {
			c.Errorf("%s: %d multiplications by %s, want %d: %d rows", what, done, w.Name, want, rows(w.Stage))
		}
		if want := int64(times) * all; times > 0 && read != want {
			c.Errorf("%s: %d elements of %s are read, want %d: %d times all", what, read, w.Name, want, times)
		}
	}
}

// inputs are those that a matrix is multiplied by: quantized ones come in whole blocks.
func inputs(w *plan.Weight) int {
	block := max(1, map[string]int{"q8": plan.Q8Block, "q4": plan.Q4Block}[w.Elem.String()])
	return (w.K + block - 1) / block * block
}
