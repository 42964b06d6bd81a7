package driver

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// The figures of arXiv 2405.05254v2, section 4.4, against our planner.

// planned is the memory of a spec of models with weights in bf16.
func planned(t *testing.T, spec, kv string) *Memory {
	t.Helper()
	return NewMemory(load(t, spec, Options{Weights: "bf16", KV: kv}), 2)
}

// TestPaperMemory holds the planner to figure 7a, total inference memory of the 3B models, Transformer /
// YOCO, by context.
//
// The paper prints the six ratios and YOCO's 12.4 GB at 1M. GB are GiB: between 32K and 1M the
// Transformer that these figures give grows by 105 KB a token, by 99 KB if they were 10^9, and its cache
// takes 106,496 bytes. Since nothing of YOCO grows but 4,096 bytes a token, the one total gives those at
// all lengths, and the ratios the Transformer's.
//
// What the paper's programs take beside weights, states and cache (PyTorch, activations of its
// prefill) is not published: it has to come out as one constant for each of the two, whatever the
// length, and not negative.
func TestPaperMemory(t *testing.T) {
	const gib = 1 << 30
	ratios := []struct {
		context int
		ratio   float64
	}{{1 << 15, 1.95}, {1 << 16, 2.32}, {1 << 17, 3.01}, {1 << 18, 4.16}, {1 << 19, 6.39}, {1 << 20, 9.38}}
	yoco, plain := planned(t, "../../models/yoco-3b.yaml", "bf16"), planned(t, "../../models/transformer-3b.yaml", "bf16")

	if yoco.CachePerToken != 2*8*128*2 || plain.CachePerToken != 26*2*8*128*2 {
		t.Errorf("%d and %d bytes a token, want 4,096 and 106,496", yoco.CachePerToken, plain.CachePerToken)
	}
	if yoco.State != 13*24*128*128*4 || plain.State != 0 {
		t.Errorf("%d and %d bytes of state, want 20.4 MB and none", yoco.State, plain.State)
	}
	beside := 12.4*gib - float64(yoco.Total(1<<20))
	if beside < 0 || beside > 3*gib {
		t.Errorf("YOCO-3B at 1M takes %.1f GiB, the paper's 12.4", float64(yoco.Total(1<<20))/gib)
	}
	var sum float64 // of what the Transformer takes beside
	for _, r := range ratios {
		sum += r.ratio*(float64(yoco.Total(r.context))+beside) - float64(plain.Total(r.context))
	}
	besidePlain := sum / float64(len(ratios))
	if besidePlain < 0 {
		t.Errorf("the paper's Transformers take %.1f GiB less than planned", -besidePlain/gib)
	}
	for _, r := range ratios {
		y, p := float64(yoco.Total(r.context)), float64(plain.Total(r.context))
		got := (p + besidePlain) / (y + beside)
		t.Logf("%7d tokens: %.2fx as planned, %.2fx with what the paper's programs take beside, %.2fx in the paper", r.context, p/y, got, r.ratio)
		// 12.4 is rounded by 0.4 %, 1.95 by 0.3 %; 1 % is what the Transformer's extra memory may differ
		// by between lengths, 0.8 GB at 256K.
		if math.Abs(got/r.ratio-1) > 0.017 {
			t.Errorf("%d tokens: %.3fx, the paper has %.2fx", r.context, got, r.ratio)
		}
	}
	// With nothing beside, the ratio is that of the arithmetic. The planner adds what it promises besides:
	// process, logits, activations of a chunk, workers, YOCO's open blocks, which together are less than
	// 100 MB, 1.5 % of the weights.
	for _, r := range ratios {
		n := float64(r.context)
		want := (2*float64(plain.Params) + n*106496) / (2*float64(yoco.Params) + 13*24*128*128*4 + n*4096)
		if got := float64(plain.Total(r.context)) / float64(yoco.Total(r.context)); math.Abs(got/want-1) > 0.015 {
			t.Errorf("%d tokens: %.3fx, by arithmetic %.3fx", r.context, got, want)
		}
	}
}

// TestPaperCache holds the planner to figure 7b, cache of a token, Transformer / YOCO, by size: 24x (1.2B), 32x
// (6.4B), 40x (13B), 64x (30B), 80x (65B). These are the numbers of layers, with equal key/value heads; widths
// are those that 12 x layers x width² gives the named sizes with, in heads of 128.
func TestPaperCache(t *testing.T) {
	for _, size := range []struct {
		name                  string
		params                float64 // of the layers
		layers, width, kvHead int
	}{
		{"1.2B", 1.2e9, 24, 2048, 16},
		{"6.4B", 6.4e9, 32, 4096, 32},
		{"13B", 13e9, 40, 5120, 40},
		{"30B", 30e9, 64, 6144, 48},
		{"65B", 65e9, 80, 8192, 64},
		{"65B, 8 key/value heads", 65e9, 80, 8192, 8},
	} {
		// two halves of retention or cross-attention, and FFN, against as many layers of attention
		yoco := paperSpec(t, size.width, size.kvHead, size.layers/2, "gated-retention\n    heads: %d\n    gate_normalizer: 16", fmt.Sprintf(`cache:
  kv_heads: %d
  rope: {theta: 10000, freq: yoco, pairing: interleaved}
cross:
  layers: %d
  heads: %d
  ffn: {hidden: %d}
`, size.kvHead, size.layers/2, size.width/128, 8*size.width/3))
		plain := paperSpec(t, size.width, size.kvHead, size.layers, "attention\n    heads: %d\n    kv_heads: "+fmt.Sprint(size.kvHead), "")
		formats := []string{"bf16"}
		if size.layers == 24 {
			formats = []string{"f32", "bf16", "q8", "q4"}
		}
		for _, kv := range formats {
			y, p := planned(t, yoco, kv), planned(t, plain, kv)
			if p.CachePerToken != int64(size.layers)*y.CachePerToken {
				t.Errorf("%s: %d and %d bytes a token in %s, want %dx", size.name, p.CachePerToken, y.CachePerToken, kv, size.layers)
			}
			const vocab = 2 * 32000
			layers := float64(p.Params) - vocab*float64(size.width)
			if low, high := 0.96, 1.04; size.kvHead*128 == size.width && (layers < low*size.params || layers > high*size.params) {
				t.Errorf("%s: the layers have %.3g parameters", size.name, layers) // names of sizes are rounded
			}
			// What grows is the cache; a row of attention's partial sums for each head and segment of 512
			// tokens: 128 sums, and at most a line of 64 bytes with the maximum and the total; and of Go's heap
			// what describes these tokens, as much in one model as in the other.
			partial := float64(size.width/128) * 4 * (128 + 16) / 512
			heap := float64(rt.CollectedHeap(1)) / 512
			got := float64(p.Total(1<<20)-p.Total(1<<19)) / float64(y.Total(1<<20)-y.Total(1<<19))
			if want := float64(size.layers); got > want || got < want/(1+(partial+heap)/float64(y.CachePerToken))*0.999 {
				t.Errorf("%s: tokens from 512K to 1M take %.2fx in %s, want %dx", size.name, got, kv, size.layers)
			}
		}
	}
}

// paperSpec writes a spec of so many layers below, whose mixer takes its number of heads.
func paperSpec(t *testing.T, width, kvHeads, layers int, mixer, rest string) string {
	t.Helper()
	scale := ""
	if rest == "" {
		scale = "embed_scale: none\n"
	}
	text := fmt.Sprintf(`name: paper
vocab: 32000
dim: %d
context: 2048
norm_eps: 1.0e-5
tie_embeddings: false
%sself:
  layers: %d
  mixer:
    kind: %s
    rope: {theta: 10000, freq: yoco, pairing: interleaved}
  ffn: {hidden: %d}
%s`, width, scale, layers, fmt.Sprintf(mixer, width/128), 8*width/3, rest)
	path := filepath.Join(t.TempDir(), "paper.yaml")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBatch: a session more costs what a session takes, not the weights.
func TestBatch(t *testing.T) {
	m := planned(t, "../../models/yoco-3b.yaml", "bf16")
	one, two, many := m.Batch(1<<15, 1), m.Batch(1<<15, 2), m.Batch(1<<15, 100)
	if one != m.Total(1<<15) || many-one != 99*(two-one) {
		t.Errorf("%d, %d and %d bytes for 1, 2 and 100 sessions", one, two, many)
	}
	// its cache, its retention matrices and their open block, and 256 tokens' activations
	cache := int64(4096) << 15
	if more := two - one; more < cache+m.State+m.OpenBlock || more > cache+m.State+m.OpenBlock+100<<20 {
		t.Errorf("a session more takes %d bytes, its cache %d", more, cache)
	}
}
