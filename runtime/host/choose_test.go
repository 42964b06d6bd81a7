package host

import (
	"errors"
	"math"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// TestChoose: a choice's score is that of its tokens one by one, whatever was scored before it.
func TestChoose(t *testing.T) {
	c := opened(t, Options{})
	choices := []Choice{
		{Context: []int32{1, 2, 3}, Tokens: []int32{6}},        // the sum: what the fake expects
		{Context: []int32{1, 2, 3}, Tokens: []int32{6, 12, 5}}, // and once more
		{Context: []int32{1, 2, 3}, Tokens: []int32{7}},
		{Context: []int32{1, 2}, Tokens: []int32{3}},
		{Context: []int32{1, 2, 4}, Tokens: []int32{7, 14}},
	}
	got, err := c.Choose(choices)
	must(t, err)
	for i, choice := range choices {
		must(t, c.Reset())
		_, err := c.Prefill(choice.Context, nil)
		must(t, err)
		sum := 0.
		for _, token := range choice.Tokens {
			x, err := c.Logits()
			must(t, err)
			sum -= rt.NLL(x, token)
			_, err = c.Decode(token)
			must(t, err)
		}
		if math.Abs(got[i]-sum) > 1e-9 {
			t.Errorf("choice %d: %v, want %v", i, got[i], sum)
		}
	}
	if !(got[0] > -1 && got[1] < -50 && got[2] < -50 && got[3] > -1 && got[4] > -1) {
		t.Errorf("scores %v", got)
	}
	for _, bad := range []Choice{{Context: []int32{1}}, {Tokens: []int32{1}}, {Context: []int32{1}, Tokens: []int32{vocab}}, {Context: []int32{1}, Tokens: []int32{-1}}} {
		if _, err := c.Choose([]Choice{bad}); err == nil {
			t.Errorf("%v has been scored", bad)
		}
	}
	if _, err := c.Choose([]Choice{{Context: []int32{poisoned, 1}, Tokens: []int32{1}}}); !errors.Is(err, rt.ErrLogits) {
		t.Errorf("NaN: %v", err)
	}
}
