package driver

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/yococ/yococ/models"
)

const note = `{"note": "Token classes: 0 bos, 1 query mark, 2..65 keys, 66..129 values, 130..255 filler."}`

func TestClasses(t *testing.T) {
	c, err := parseClasses([]byte(note), 256)
	if want := (classes{class{0, 0}, class{1, 1}, class{2, 65}, class{66, 129}, class{130, 255}}); err != nil || *c != want {
		t.Errorf("%+v, %v, want %+v", c, err, want)
	}
	for text, want := range map[string]string{
		`{}`:                                     `note: the token class "bos" is not told: want such as 2..65 bos`,
		`[]`:                                     "cannot unmarshal array",
		strings.Replace(note, "255", "256", 1):   "note: 130..256 filler: want tokens from 0 to 255",
		strings.Replace(note, "2..65", "9..", 1): `note: the token class "keys" is not told`,
		strings.Replace(note, "2..65", "9..8", 1): "note: 9..8 keys: want tokens from 0 to 255",
	} {
		if _, err := parseClasses([]byte(text), 256); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestHaystack: every needle is there once, as deep as it should be unless others are there, and the rest
// is hay.
func TestHaystack(t *testing.T) {
	c, err := parseClasses([]byte(note), 256)
	if err != nil {
		t.Fatal(err)
	}
	pairs := func(count int, depths ...int) *Needles {
		n := &Needles{front: []int32{0}, options: NeedleOptions{Depths: depths, Count: count, Lengths: []int{100}}}
		n.needles = c.pairs(rand.New(rand.NewPCG(1, 1)), count*len(depths))
		for i := range n.needles {
			n.needles[i].depth = depths[i/count]
		}
		n.hay = func(r *rand.Rand) []int32 { return []int32{c.filler.draw(r)} }
		return n
	}
	for _, x := range []struct {
		n      *Needles
		length int
		want   []int
	}{
		{pairs(1, 0, 50, 100), 103, []int{1, 51, 101}},
		{pairs(2, 0, 50, 100), 103, []int{1, 3, 51, 53, 99, 101}},
		{pairs(2, 0, 50, 100), 13, []int{1, 3, 5, 7, 9, 11}},
		{pairs(3, 99, 100), 20, []int{8, 10, 12, 14, 16, 18}},
	} {
		at, err := x.n.places(x.length)
		if err != nil || !slices.Equal(at, x.want) {
			t.Errorf("%d tokens: needles at %v, %v, want %v", x.length, at, err, x.want)
			continue
		}
		tokens := x.n.haystack(x.length)
		if len(tokens) != x.length || tokens[0] != 0 || !slices.Equal(tokens, x.n.haystack(x.length)) {
			t.Errorf("%d tokens: %v", x.length, tokens)
		}
		for i, p := range at {
			if !slices.Equal(tokens[p:p+2], x.n.needles[i].planted) {
				t.Errorf("%d tokens: at %d is %v, want %v", x.length, p, tokens[p:p+2], x.n.needles[i].planted)
			}
		}
		for _, token := range tokens[1:] {
			if token < 130 {
				x.length--
			}
		}
		if hay := len(tokens) - 2*len(at); x.length != hay {
			t.Errorf("%d tokens of hay, want %d", x.length, hay)
		}
	}
	if _, err := pairs(2, 0, 50, 100).places(12); fmt.Sprint(err) != "a haystack of 12 tokens has no room for 6 needles: want 13 or more" {
		t.Error(err)
	}
}

// TestCityNumbers: of a model with a tokenizer haystacks are text.
func TestCityNumbers(t *testing.T) {
	m := &Model{Spec: &models.Spec{Tokenizer: "../../models/tokenizer/testdata/tokenizer.json", Vocab: 4096}}
	text, err := NewText(m.Spec)
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewNeedles(m, text, NeedleOptions{Lengths: []int{500, 300}, Depths: []int{100, 0, 50, 0}, Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	got := text.tok.Decode(n.haystack(500))
	for _, x := range n.needles {
		if says := text.tok.Decode(slices.Concat(x.question, x.answer)) + "."; strings.Count(got, says) != 1 || !strings.HasPrefix(says, "\nOne of the special magic numbers for ") {
			t.Errorf("%q is not once in %q", says, got)
		}
	}
	if len(n.needles) != 6 || strings.Count(got, "The grass is green.") < 5 || n.Context() <= 500 {
		t.Errorf("%d needles in %q", len(n.needles), got)
	}
	if _, err := NewNeedles(&Model{Spec: &models.Spec{Vocab: 9}}, &Text{vocab: 9}, n.options); err == nil || !strings.Contains(err.Error(), "needs a tokenizer") {
		t.Error(err)
	}
}
