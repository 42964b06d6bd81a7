package host

import (
	"slices"
	"testing"
)

// TestHostFollow generates a text that repeats itself, in pieces, and finds the session as it was.
func TestHostFollow(t *testing.T) {
	c := opened(t, Options{Context: 100})
	_, err := c.Prefill([]int32{1, 2}, nil)
	must(t, err)
	want, err := c.Logits()
	must(t, err)
	text := slices.Repeat([]int32{5, 6, 7, 8, 9}, 12)
	r, err := c.Follow(FollowRequest{Tokens: text, Speculate: 3, Piece: 25})
	must(t, err)
	g := r.Speculation
	if len(r.Without) != 3 || len(r.With) != 3 || g.Accepted == 0 || g.Drafted < g.Accepted || g.Passes+g.Accepted > len(text) {
		t.Errorf("%+v", r)
	}
	got, err := c.Logits()
	must(t, err)
	if !slices.Equal(got, want) {
		t.Error("the session has other logits")
	}
	for _, q := range []FollowRequest{
		{Speculate: 1, Piece: 1},
		{Tokens: text, Piece: 1},
		{Tokens: text, Speculate: 1},
		{Tokens: []int32{vocab}, Speculate: 1, Piece: 1},
		{Tokens: make([]int32, 99), Speculate: 1, Piece: 50},
	} {
		if _, err := c.Follow(q); err == nil {
			t.Errorf("%d tokens, %d in pieces of %d: no error", len(q.Tokens), q.Speculate, q.Piece)
		}
	}
}
