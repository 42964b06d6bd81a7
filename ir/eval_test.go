package ir

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// tiny is the base of the verifier's cases.
func tiny(t *testing.T) *Program {
	text, err := os.ReadFile("testdata/verify/programs")
	if err != nil {
		t.Fatal(err)
	}
	_, base, _ := strings.Cut(string(text), "base\n")
	base, _, _ = strings.Cut(base, "----")
	p, err := Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRun: rows asked for, positions that go on, states as they are exported.
func TestRun(t *testing.T) {
	p := tiny(t)
	tokens := []int32{1, 5, 9, 2, 7}
	m := NewMachine(p, noise)
	run := func(entry string, tokens []int32) [][]float64 {
		rows, err := m.Run(p.Entry(entry), tokens)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	all := run("score", tokens)
	if len(all) != 5 || len(all[0]) != 10 {
		t.Fatalf("score gives %d rows, want 5", len(all))
	}
	m.Reset()
	for i, cut := range []int{2, 3, 5} {
		from := []int{0, 2, 3}[i]
		last := run("prefill", tokens[from:cut])
		if len(last) != 1 || !near(last[0], all[cut-1]) {
			t.Errorf("prefill to %d gives %v, want %v", cut, last, all[cut-1])
		}
	}
	for _, c := range []struct {
		state string
		layer int
		shape []int
	}{{"ring", 0, []int{3, 1, 4}}, {"ring", 1, []int{3, 1, 4}}, {"kv", 0, []int{5, 1, 4}}} {
		data, shape := m.State(c.state, c.layer, "k")
		if !slices.Equal(shape, c.shape) || len(data) != c.shape[0]*4 {
			t.Errorf("state %s has shape %v and %d elements, want %v", c.state, shape, len(data), c.shape)
		}
	}
	panics(t, func() { m.State("kv", 0, "key") }, "no part key of layer 0 of state $kv")
}

// near reports whether two results are the same but for the order of summation.
func near(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !(math.Abs(a[i]-b[i]) <= 1e-12*max(1, math.Abs(a[i]))) {
			return false
		}
	}
	return true
}

func TestRunErrors(t *testing.T) {
	p := tiny(t)
	for _, c := range []struct {
		tokens []int32
		entry  *Entry
		load   func(w *Weight, layer int) ([]float64, error)
		want   string
	}{
		{nil, p.Entry("score"), noise, "no tokens"},
		{[]int32{0, 10}, p.Entry("score"), noise, "token 1 is 10, want 0 to 9"},
		{[]int32{-1}, p.Entry("score"), noise, "token 0 is -1, want 0 to 9"},
		{[]int32{1}, &Entry{Name: "x"}, noise, "entry x has rows for 0 stages, want 5"},
		{[]int32{1}, p.Entry("score"), func(w *Weight, layer int) ([]float64, error) { return make([]float64, 3), nil }, "weight @embed: 3 values, want f32[10 4]"},
		{[]int32{1}, p.Entry("score"), func(w *Weight, layer int) ([]float64, error) { return nil, os.ErrNotExist }, "file does not exist"},
	} {
		_, err := NewMachine(p, c.load).Run(c.entry, c.tokens)
		if err == nil || err.Error() != c.want {
			t.Errorf("error is %v, want %s", err, c.want)
		}
	}
}

// TestLoad: each layer of each weight is asked for once, by the numbers of the layers.
func TestLoad(t *testing.T) {
	p := tiny(t)
	var asked []int
	m := NewMachine(p, func(w *Weight, layer int) ([]float64, error) {
		asked = append(asked, layer)
		return noise(w, layer)
	})
	for range 2 {
		m.Reset()
		if _, err := m.Run(p.Entry("prefill"), []int32{1, 2}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{-1, 0, 1}; !slices.Equal(asked, want) {
		t.Errorf("layers asked for are %v, want %v", asked, want)
	}
}

// TestPacked: sources are stacked, scaled, and their columns multiplied by the gain.
func TestPacked(t *testing.T) {
	load := Packed(func(role string, layer int) ([]float64, error) {
		if layer != 3 {
			t.Errorf("%s of layer %d, want 3", role, layer)
		}
		return map[string][]float64{"a": {1, 2}, "b": {3, 4, 5, 6}, "norm": {10, 100}, "long": {1, 2, 3}}[role], nil
	})
	w := &Weight{Name: "w", Type: Of(3, 2), Pack: Pack{[]Source{{Role: "a", Scale: 1, Rows: 1}, {Role: "b", Scale: 2, Gain: "norm", Rows: 2}}}}
	got, err := load(w, 3)
	if want := []float64{1, 2, 60, 800, 100, 1200}; err != nil || !slices.Equal(got, want) {
		t.Errorf("weight is %v, %v, want %v", got, err, want)
	}
	w.Pack.Sources[1].Rows = 1
	if _, err := load(w, 3); err == nil || err.Error() != "weight @w: source b has 4 values, want 2" {
		t.Errorf("error is %v", err)
	}
	w.Pack.Sources[0].Gain = "long"
	if _, err := load(w, 3); err == nil || err.Error() != "weight @w: gain long has 3 values, want 2" {
		t.Errorf("error is %v", err)
	}
}

// TestShortConv: taps ascend to the token itself, zeros stand before the first, and pieces go on.
func TestShortConv(t *testing.T) {
	p, err := Parse(`program t
state $conv carry {x:f32[2 1]}
weight @x f32[4 1]
weight @w f32[1 1 3]
stage only
  %0:f32[1] = embed @x
  %1:f32[1] = shortconv %0 @w $conv
  return %1
`)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMachine(p, func(w *Weight, _ int) ([]float64, error) {
		return map[string][]float64{"x": {1, 2, 3, 4}, "w": {100, 10, 1}}[w.Name], nil
	})
	var got []float64
	for _, tokens := range [][]int32{{0}, {1, 2, 3}} {
		rows, err := m.Run(&Entry{Rows: []Rows{All}, Want: All}, tokens)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			got = append(got, r...)
		}
	}
	if want := []float64{1, 12, 123, 234}; !slices.Equal(got, want) {
		t.Errorf("convolution gives %v, want %v", got, want)
	}
	if tail, _ := m.State("conv", 0, "x"); !slices.Equal(tail, []float64{3, 4}) {
		t.Errorf("the state is %v, want the last two inputs", tail)
	}
}
