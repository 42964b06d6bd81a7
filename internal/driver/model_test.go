package driver

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/runtime/host"
)

const models8m = "../../models/yoco-8m.yaml"

func load(t *testing.T, path string, o Options) *Model {
	t.Helper()
	m, err := Load(path, o, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestFormats: the weights have the checkpoint's format unless something else is asked for.
func TestFormats(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want Formats
	}{
		{Options{}, Formats{Checkpoint: ir.BF16, Weights: ir.BF16, KV: ir.F32}},
		{Options{Weights: "f32", KV: "bf16"}, Formats{Checkpoint: ir.BF16, Weights: ir.F32, KV: ir.BF16}},
		{Options{Weights: "q4"}, Formats{Checkpoint: ir.BF16, Weights: ir.Q4, Activations: ir.Q8}},
		{Options{Weights: "q8", Activations: "q8"}, Formats{Checkpoint: ir.BF16, Weights: ir.Q8, Activations: ir.Q8}},
	} {
		if got := load(t, models8m, c.o).formats; got != c.want {
			t.Errorf("%+v: formats %v, want %v", c.o, got, c.want)
		}
	}
}

// TestIdentity: packed weights are found again, and not by another plan or seed.
func TestIdentity(t *testing.T) {
	seed := uint64(1)
	other := uint64(2)
	seen := map[string]int{}
	for i, o := range []Options{{}, {Weights: "f32"}, {Weights: "q8"}, {Weights: "q4"}, {Random: &seed}, {Random: &other}} {
		m := load(t, models8m, o)
		id, err := m.identity()
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := load(t, models8m, o).identity(); again != id {
			t.Errorf("options %d: identities %s and %s", i, id, again)
		}
		if j, taken := seen[id]; taken {
			t.Errorf("options %d and %d have the same identity", i, j)
		}
		seen[id] = i
	}
}

// TestDump: every pass leaves a numbered file, and the plan is there.
func TestDump(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	load(t, models8m, Options{DumpIR: dir})
	list := names(t, dir)
	if list[0] != "00_naive.ir" || list[len(list)-1] != "plan.txt" {
		t.Errorf("files %v", list)
	}
	for i, name := range list[:len(list)-1] {
		if !strings.HasSuffix(name, ".ir") || !strings.HasPrefix(name, []string{"0", "1"}[i/10]) {
			t.Errorf("file %s", name)
		}
	}
}

// TestMemory holds the paper's arithmetic: 4,096 bytes of cache a token, 20.4 MB of retention
// matrices, and nothing that grows but the cache.
func TestMemory(t *testing.T) {
	m := NewMemory(load(t, "../../models/yoco-3b.yaml", Options{KV: "bf16"}), 2)
	if m.CachePerToken != 4096 || m.State != 13*24*128*128*4 {
		t.Errorf("%d bytes of cache a token, %d of state", m.CachePerToken, m.State)
	}
	if low, high := 2*m.Params, 2*m.Params+2*m.Params/100; m.Weights < low || m.Weights > high {
		t.Errorf("%d bytes of weights for %d parameters in bf16", m.Weights, m.Params)
	}
	a, b := m.Total(1<<15), m.Total(1<<16)
	if grown := float64(b-a) / (1 << 15); grown < 4096 || grown > 4096*1.01 {
		t.Errorf("%v bytes a token from 32768 to 65536, want 4096", grown)
	}
	small, large := NewMemory(load(t, models8m, Options{}), 1), NewMemory(load(t, models8m, Options{}), 2)
	if small.Total(100) >= large.Total(100) {
		t.Error("another worker takes no memory")
	}
}

// TestCost compares with a count by hand.
func TestCost(t *testing.T) {
	p := load(t, models8m, Options{}).Package.Plan
	self := 2.0 * (4*256*256 + 4*256 + 3*256*640) * 4 // q k v g o is five, decay is 4 rows
	self += 2 * 256 * 256 * 4
	retention := 4.0 * 4 * 64 * 64 * 4
	share := 2.0 * 2 * 128 * 256
	cross := 2.0 * (2*256*256 + 3*256*640) * 4
	attention := 4.0 * 4 * 64 * 4 // a position
	head := 2.0 * 4096 * 256
	one := self + retention + share + cross + head
	if got, want := decodeCost(p, 9, 1).flops, one+10*attention; got != want {
		t.Errorf("decode of a token: %v operations, want %v", got, want)
	}
	if got, want := prefillCost(p, 0, 300).flops, 300*(self+retention+share)+cross+head+300*attention; got != want {
		t.Errorf("prefill of 300 tokens: %v operations, want %v", got, want)
	}
	b := decodeCost(p, 0, 1).bytes
	if low := 2.0 * (7938560 - 4096*256); b < low || b > 1.3*low {
		t.Errorf("decode of a token reads %v bytes, %v of them weights", b, low)
	}
	three, c := decodeCost(p, 9, 2).batch(p, 2, 3), decodeCost(p, 9, 2)
	// Beside weights: 2 tokens with an embedding, the states of four layers, 10 and 11 positions of the cache.
	retained := 4.0 * 4 * 4 * (64*64 + 64*64 + 64*64 + 64)
	own := 2*(2*256+retained) + 4*2*4*2*64*(10+11)
	if three.flops != 3*c.flops || three.bytes != c.bytes+2*own {
		t.Errorf("a batch of three: %v operations and %v bytes, want %v and %v", three.flops, three.bytes, 3*c.flops, c.bytes+2*own)
	}
}

func TestResult(t *testing.T) {
	mean, dev := spread([]float64{100, 200})
	if mean != 150 || math.Abs(dev-math.Sqrt(5000)) > 1e-9 {
		t.Errorf("mean %v, deviation %v", mean, dev)
	}
	if _, dev := spread([]float64{1}); dev != 0 {
		t.Errorf("deviation of one repetition: %v", dev)
	}
	if n := room(host.BenchRequest{PP: 10, Depth: 100, Reps: 5}); n != 160 {
		t.Errorf("room for %d tokens, want 160", n)
	}
	p := load(t, models8m, Options{}).Package.Plan
	bytes, flops := decodeCost(p, 100, 10).bytes, prefillCost(p, 0, 300).flops
	tg := result(p, host.BenchRequest{TG: 10, Depth: 100}, host.BenchResult{TG: []host.BenchRep{
		{Time: time.Second, Bytes: 4 * bytes},
	}}, 2)
	if f := tg.LimitFraction; f == nil || *f != 0.25 || tg.TokensPerS != 10 || math.Abs(tg.GBytesPerS*1e9/bytes-1) > 1e-9 || tg.Test != "tg10" {
		t.Errorf("%+v", tg)
	}
	pp := result(p, host.BenchRequest{PP: 300}, host.BenchResult{PP: []host.BenchRep{
		{Time: 2 * time.Second, Operations: 2 * flops},
		{Time: time.Second, Operations: flops / 0.75},
		{Time: time.Second, Operations: flops / 0.7},
	}}, 2)
	if f := pp.LimitFraction; f == nil || math.Abs(*f-0.7) > 1e-9 || math.Abs(pp.TokensPerS-250) > 1e-9 {
		t.Errorf("%+v", pp)
	}
	if r := result(p, host.BenchRequest{PP: 300}, host.BenchResult{PP: []host.BenchRep{{Time: time.Second}}}, 1); r.LimitFraction != nil {
		t.Errorf("not probed: %+v", r)
	}
}

// TestArithmetic: the parts are of what the model's matrices multiply, and make a whole.
func TestArithmetic(t *testing.T) {
	sum := 0.0
	for _, a := range arithmetic(load(t, models8m, Options{}).Package.Plan) {
		sum += a.Part
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("the parts make %v", sum)
	}
}

func TestGolden(t *testing.T) {
	g, err := OpenGolden("../../generated/testdata/goldens/yoco8m", "bf16")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if n := len(g.Tensor(0, "logits_last")); len(g.Prompts) != 14 || n != 4096 || g.Tensor(0, "nothing") != nil {
		t.Errorf("%d prompts, %d logits", len(g.Prompts), n)
	}
	if got := strings.Join(g.States(0), " "); got != "self0.S self1.S self2.S self3.S shared_k shared_v" {
		t.Errorf("states %s", got)
	}
	if g.Tolerance() != plainTolerance || g.Context() != 1121+48 {
		t.Errorf("tolerance %v, context %d", g.Tolerance(), g.Context())
	}
	dir := folder(t, map[string]string{"golden.json": `{"weights": {"f32": {"prompts": [{"tokens": []}]}}}`})
	for _, c := range [][2]string{{"bf16", "has no prompts for bf16 weights"}, {"f32", "weights.f32.prompts[0].tokens: is empty"}} {
		if _, err := OpenGolden(dir, c[0]); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: error %v, want %s", c[0], err, c[1])
		}
	}
}

// TestPackCanceled: nothing is left of a weight file that was not finished.
func TestPackCanceled(t *testing.T) {
	c := cache(t)
	ctx, cancel := context.WithCancel(context.Background())
	m := load(t, models8m, Options{})
	if _, err := c.Weights(ctx, m, func(string, int64, int64) { cancel() }); err == nil {
		t.Error("no error")
	}
	for _, kind := range []string{packed, sums, aside} {
		if left, _ := os.ReadDir(filepath.Join(c.dir, kind)); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	}
}

func TestWorse(t *testing.T) {
	if worse(1, 2) != 2 || !math.IsNaN(worse(math.NaN(), 2)) || !math.IsNaN(worse(2, math.NaN())) {
		t.Error("NaN is not worst")
	}
	for _, x := range []float64{math.NaN(), math.Inf(1)} {
		if _, err := json.Marshal(finite(x)); err != nil {
			t.Error(err)
		}
	}
	if d, l := compare([]float32{1, -2}, []float64{1.5, -4}); d != 2 || l != 4 {
		t.Errorf("difference %v, largest %v", d, l)
	}
	if largest([]float32{1, 3, 3}) != 1 {
		t.Error("of equal logits the first is the largest")
	}
}
