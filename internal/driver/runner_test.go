package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/host"
)

// TestPromise fills sessions to the last token: the process's memory at its peak is not more than
// what was promised.
func TestPromise(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("compiles models, and reads the process's memory from /proc")
	}
	c := cache(t)
	seed := uint64(1)
	for _, test := range []struct {
		name, spec string
		o          Options
		context    int
	}{
		{"retention", models8m, Options{}, 6000},
		{"short", models8m, Options{}, 40},
		{"q4", models8m, Options{Weights: "q4"}, 3000},
		{"bf16 cache", models8m, Options{KV: "bf16"}, 9000},
		{"window", "../../generated/testdata/specs/flaswa.yaml", Options{Random: &seed}, 3000},
		{"own caches", "../../generated/testdata/specs/plain.yaml", Options{Random: &seed, Weights: "q8", KV: "q8"}, 5000},
		{"stack", "../../generated/testdata/specs/mixed.yaml", Options{Random: &seed}, 3000},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := load(t, test.spec, test.o)
			r, err := c.Run(context.Background(), m, RunOptions{Context: test.context, Threads: 2}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			tokens := make([]int32, test.context-8)
			for i := range tokens {
				tokens[i] = rand.Int32N(int32(m.Spec.Vocab))
			}
			n := 0
			stats, err := r.Generate(tokens, rt.Sampling{MaxTokens: 8}, nil, func(int32) error { n++; return nil })
			if err != nil || n != 8 || stats.PromptTokens != len(tokens) {
				t.Fatalf("%d tokens after %d, %v", n, stats.PromptTokens, err)
			}
			mem, err := r.Stats()
			if err != nil {
				t.Fatal(err)
			}
			promise := NewMemory(m, 2).Total(test.context)
			t.Logf("promised %d, measured %d, %d less", promise, mem.PeakRSS, promise-mem.PeakRSS)
			if mem.PeakRSS > promise {
				t.Errorf("the process took %d bytes, promised are %d", mem.PeakRSS, promise)
			}
		})
	}
}

// TestBatchPromise: several sessions of a process stay within what was promised.
func TestBatchPromise(t *testing.T) {
	c := cache(t)
	m := load(t, models8m, Options{KV: "bf16"})
	const context, sessions = 3000, 8
	r, err := c.Run(t.Context(), m, RunOptions{Context: context, Threads: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Client.Bench(host.BenchRequest{TG: 8, Depth: context - 64, Reps: 1, Batch: sessions}); err != nil {
		t.Fatal(err)
	}
	mem, err := r.Stats()
	if err != nil {
		t.Fatal(err)
	}
	promise := NewMemory(m, 2).Batch(context, sessions)
	t.Logf("promised %d, measured %d, %d less", promise, mem.PeakRSS, promise-mem.PeakRSS)
	if mem.PeakRSS > promise {
		t.Errorf("the process took %d bytes, promised are %d", mem.PeakRSS, promise)
	}
}

// TestDeepPromise: so does a process whose sessions have held so many tokens, one session after another, that these count:
// what the first has left on the heap is not collected before the second is nearly full.
func TestDeepPromise(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads the process's memory from /proc")
	}
	c := cache(t)
	seed := uint64(1)
	m := load(t, "../../generated/testdata/specs/flaswa.yaml", Options{Random: &seed, KV: "q8"})
	const context = 2 << 20
	r, err := c.Run(t.Context(), m, RunOptions{Context: context, Threads: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 3 {
		if err := r.Open(RunOptions{Context: context, Threads: 2}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Client.Bench(host.BenchRequest{TG: 1, Depth: context - 8, Synthetic: true, Reps: 1}); err != nil {
			t.Fatal(err)
		}
	}
	mem, err := r.Stats()
	if err != nil {
		t.Fatal(err)
	}
	promise := NewMemory(m, 2).Total(context)
	t.Logf("promised %d, measured %d, %d less", promise, mem.PeakRSS, promise-mem.PeakRSS)
	if mem.PeakRSS > promise {
		t.Errorf("the process took %d bytes, promised are %d", mem.PeakRSS, promise)
	}
}

// TestUnusable: of logits that are no numbers is said where they come from, of nothing else.
func TestUnusable(t *testing.T) {
	err := unusable(fmt.Errorf("%w: that of token 3 is NaN", rt.ErrLogits))
	if !errors.Is(err, rt.ErrLogits) || !strings.HasSuffix(err.Error(), "is NaN: most likely the checkpoint holds NaN or infinite values") {
		t.Error(err)
	}
	if unusable(nil) != nil || unusable(io.EOF) != io.EOF {
		t.Error("other errors changed")
	}
}
