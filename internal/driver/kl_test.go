package driver

import (
	"context"
	"errors"
	"math"
	"os"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// TestDivergence compares with distributions whose divergence is known.
func TestDivergence(t *testing.T) {
	log := func(ps ...float64) []float32 {
		var x []float32
		for _, p := range ps {
			x = append(x, float32(math.Log(p)+3)) // a constant more changes nothing
		}
		return x
	}
	var k divergences
	for _, c := range []struct {
		p, q []float32
	}{
		{log(0.5, 0.25, 0.25), log(0.5, 0.25, 0.25)},                      // 0
		{log(0.5, 0.25, 0.25), log(0.25, 0.5, 0.25)},                      // 0.25 ln 2
		{log(0.9, 0.1), log(0.1, 0.9)},                                    // 0.8 ln 9
		{[]float32{0, float32(math.Inf(-1))}, []float32{0, 0}},            // ln 2
		{[]float32{100, -100, -100}, []float32{100, -100, -100}},          // 0
		{log(0.5, 0.5), []float32{float32(math.Log(3)), 0}},               // 0.5 ln(4/3)
		{log(0.25, 0.25, 0.25, 0.25), log(0.25, 0.25, 0.25, 0.25+1.0e-7)}, // 0, or nearly
	} {
		if err := k.row(c.p, c.q, 0); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []float64{0, 0.25 * math.Ln2, 0.8 * math.Log(9), math.Ln2, 0, 0.5 * math.Log(4./3), 0} {
		if got := k.kl[i]; math.Abs(got-want) > 1e-6 || got < 0 {
			t.Errorf("case %d: %v, want %v", i, got, want)
		}
	}
	s := k.summary()
	if s.Tokens != 7 || s.Max != k.kl[6] || s.P99 != s.Max || s.Median != k.kl[3] || math.Abs(s.Top1-4./7) > 1e-9 {
		t.Errorf("%+v of %v", s, k.kl)
	}
	if err := k.row([]float32{0, float32(math.NaN())}, []float32{0, 0}, 0); !errors.Is(err, rt.ErrLogits) {
		t.Errorf("NaN: error %v", err)
	}
}

// TestKL runs the trained model beside itself in f32. Windows cross chunks.
func TestKL(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles models")
	}
	text, err := os.ReadFile("../../models/yoco-8m/README.md")
	if err != nil {
		t.Fatal(err)
	}
	c := cache(t)
	run := func(o Options) *Runner {
		r, err := c.Run(context.Background(), load(t, models8m, o), RunOptions{Context: 200}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	ref := run(Options{}.Reference())
	codec, err := NewText(ref.Model.Spec)
	if err != nil {
		t.Fatal(err)
	}
	// The bounds of the mean are about ten times what this text gave: 1.1e-6 and 6.6e-4.
	for _, c := range []struct {
		o    Options
		mean float64 // at most
		top  float64 // at least
		off  float64 // of the perplexities' ratio from 1, at most
	}{
		{Options{KV: "bf16"}, 1e-5, 0.99, 1e-3},
		{Options{Weights: "q8"}, 1e-2, 0.95, 1e-2},
	} {
		r := run(c.o)
		k, err := r.KL(ref, codec, string(text), 200, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v: %+v", c.o, *k)
		if !(k.Mean > 0 && k.Mean < c.mean && k.Median <= k.P99 && k.P99 <= k.Max && k.Top1 > c.top && math.Abs(k.Ratio-1) < c.off) {
			t.Errorf("%+v: %+v", c.o, *k)
		}
		for _, each := range []struct {
			r    *Runner
			want float64
		}{{ref, k.Reference}, {r, k.Perplexity}} {
			p, err := each.r.Perplexity(codec, string(text), 200, nil)
			if err != nil || p.Tokens != k.Tokens || math.Abs(p.Perplexity/each.want-1) > 1e-9 {
				t.Errorf("%+v: perplexity %+v, %v, want %v of %d tokens", c.o, p, err, each.want, k.Tokens)
			}
		}
	}
}
