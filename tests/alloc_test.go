package tests

import (
	"context"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// TestDecodeAllocates nothing: neither memory nor, so, work for the collector while text is made.
func TestDecodeAllocates(t *testing.T) {
	if race {
		t.Skip("the race detector allocates")
	}
	m := open(t, "yoco8m")
	for _, threads := range []int{1, 2} {
		s := session(t, m, rt.Options{Context: 256, Threads: threads})
		prefill(t, s, prompt(60, m.Info().Vocab)) // a block of states ends on the way
		ctx := context.Background()
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := s.Decode(ctx, 7); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%d threads: a decoded token allocates %v times", threads, allocs)
		}
	}
}
