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
	o := Options{KV: "bf16"}
	ref, r := run(o.Reference()), run(o)
	codec, err := NewText(r.Model.Spec)
	if err != nil {
		t.Fatal(err)
	}
	k, err := r.KL(ref, codec, string(text), 200, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", *k)
	if !(k.Mean > 0 && k.Mean < 1e-3 && k.Median <= k.P99 && k.P99 <= k.Max && k.Top1 > 0.95 && math.Abs(k.Ratio-1) < 1e-2) {
		t.Errorf("a cache in bf16: %+v", *k)
	}
	for _, runner := range []struct {
		r    *Runner
		want float64
	}{{ref, k.Reference}, {r, k.Perplexity}} {
		p, err := runner.r.Perplexity(codec, string(text), 200, nil)
		if err != nil || p.Tokens != k.Tokens || math.Abs(p.Perplexity/runner.want-1) > 1e-9 {
			t.Errorf("perplexity %+v, %v, want %v of %d tokens", p, err, runner.want, k.Tokens)
		}
	}
}
