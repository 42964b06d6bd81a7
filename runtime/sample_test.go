package runtime

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
)

// distribution computes what choose should draw from, in the plainest way.
func distribution(logits []float32, p Sampling) []float64 {
	order := make([]int, len(logits))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return logits[order[a]] > logits[order[b]] })
	if p.TopK > 0 && p.TopK < len(order) {
		order = order[:p.TopK]
	}
	top := float64(logits[order[0]])
	prob := func(i int) float64 { return math.Exp(float64(logits[i]) - top) }
	if p.TopP > 0 && p.TopP < 1 {
		total, sum := 0.0, 0.0
		for _, i := range order {
			total += prob(i)
		}
		for n, i := range order {
			if sum += prob(i); sum >= float64(p.TopP)*total {
				order = order[:n+1]
				break
			}
		}
	}
	out := make([]float64, len(logits))
	total := 0.0
	for _, i := range order {
		if prob(i) >= float64(p.MinP) {
			out[i] = math.Exp((float64(logits[i]) - top) / float64(p.Temperature))
			total += out[i]
		}
	}
	for i := range out {
		out[i] /= total
	}
	return out
}

func TestSampleDistribution(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const n, draws = 60, 12000
	for _, p := range []Sampling{
		{Temperature: 1},
		{Temperature: 0.5},
		{Temperature: 2, TopK: 7},
		{Temperature: 1, TopP: 0.6},
		{Temperature: 1.5, MinP: 0.1},
		{Temperature: 1, MinP: 1},
		{Temperature: 3, TopK: 1},
		{Temperature: 1, TopK: n + 5, TopP: 1},
		{Temperature: 0.9, TopK: 40, TopP: 0.95, MinP: 0.05},
		{Temperature: 1, TopK: 20, TopP: 0.8},
	} {
		logits := make([]float32, n)
		for i := range logits {
			logits[i] = float32(math.Round(r.NormFloat64()*8)) / 4 // with ties
		}
		logits[3] = float32(math.Inf(-1))
		var s sampler
		p.Seed = r.Uint64()
		if err := s.start(p, n); err != nil {
			t.Fatal(err)
		}
		count := make([]int, n)
		for range draws {
			token, err := s.choose(logits)
			if err != nil {
				t.Fatal(err)
			}
			count[token]++
		}
		for i, want := range distribution(logits, p) {
			sigma := math.Sqrt(want * (1 - want) / draws)
			if got := float64(count[i]) / draws; math.Abs(got-want) > 5*sigma || want == 0 && got > 0 {
				t.Errorf("%+v: token %d has %v, want %v ± %v", p, i, got, want, sigma)
			}
		}
	}
}

func TestSampleGreedy(t *testing.T) {
	var s sampler
	if err := s.start(Sampling{}, 4); err != nil {
		t.Fatal(err)
	}
	inf := float32(math.Inf(1))
	if token, err := s.choose([]float32{-inf, 2, 3, 3}); token != 2 || err != nil {
		t.Errorf("token %d, %v; want the lower one of two equals", token, err)
	}
}

func TestSampleRefuses(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, p := range []Sampling{{}, Defaults()} {
		var s sampler
		if err := s.start(p, 3); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			logits []float32
			want   string
		}{
			{[]float32{0, nan, 0}, "unusable logits: that of token 1 is NaN"},
			{[]float32{0, 0, inf}, "unusable logits: that of token 2 is +Inf"},
			{[]float32{-inf, -inf, -inf}, "unusable logits: all are -Inf"},
		} {
			if _, err := s.choose(c.logits); !errors.Is(err, ErrLogits) || err.Error() != c.want {
				t.Errorf("%v: %v", c.logits, err)
			}
		}
	}
}

// These tokens must never change: users keep seeds.
func TestSampleSeed(t *testing.T) {
	logits := make([]float32, 1000)
	for i := range logits {
		logits[i] = float32(i*7919%1000) / 250
	}
	var s sampler
	p := Defaults()
	p.Seed = 42
	if err := s.start(p, len(logits)); err != nil {
		t.Fatal(err)
	}
	var got []int32
	for range 8 {
		token, err := s.choose(logits)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, token)
	}
	if want := []int32{25, 605, 235, 235, 531, 321, 272, 284}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestSampleAllocates(t *testing.T) {
	logits := make([]float32, 5000)
	for i := range logits {
		logits[i] = float32(i*7919%5000) / 250
	}
	for _, p := range []Sampling{{}, {Temperature: 1}, {Temperature: 1, TopP: 0.9}, Defaults()} {
		var s sampler
		if err := s.start(p, len(logits)); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(20, func() { s.choose(logits) }); n != 0 {
			t.Errorf("%+v: %v allocations", p, n)
		}
	}
}

func TestExp(t *testing.T) {
	for x := 0.0; x > -700; x -= 0.0137 {
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 4.5e-16*want {
			t.Fatalf("exp(%v) is %v, want %v", x, got, want)
		}
	}
	if exp(math.Inf(-1)) != 0 || exp(-701) != 0 || !math.IsNaN(exp(math.NaN())) || exp(0) != 1 {
		t.Error("exp is wrong at its ends")
	}
}

func BenchmarkSample(b *testing.B) {
	logits := make([]float32, 100352)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range logits {
		logits[i] = float32(r.NormFloat64() * 3)
	}
	for _, c := range []struct {
		name string
		p    Sampling
	}{{"greedy", Sampling{}}, {"defaults", Defaults()}, {"topp", Sampling{Temperature: 1, TopP: 0.95}}, {"plain", Sampling{Temperature: 1}}} {
		b.Run(c.name, func(b *testing.B) {
			var s sampler
			if err := s.start(c.p, len(logits)); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.choose(logits); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
