package runtime

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// latest is what draft looks for, in the plainest way: the end of the latest place before the end of text where its
// last n tokens stand, 0 for none.
func latest(text []int32, n int) int {
	for at := len(text) - 1; at >= n; at-- {
		if slices.Equal(text[at-n:at], text[len(text)-n:]) {
			return at
		}
	}
	return 0
}

// TestDrafterFinds compares what is found with a search of the whole text. A match goes on as long as it is right;
// one that begins is that of the last three tokens, or of two. A few are missed: another place has the same hash.
func TestDrafterFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d drafter
	var text []int32
	found, missed := 0, 0
	for range 5000 {
		token := r.Int32N(40)
		if len(text) > 50 && r.IntN(20) > 0 { // mostly copied
			token = text[len(text)-37]
		}
		goesOn := d.next > 0 && d.text[d.next] == token
		before := d.next
		d.add(token)
		text = append(text, token)
		want := 0
		switch {
		case goesOn:
			want = before + 1
		case latest(text, gram) > 0:
			want = latest(text, gram)
		case len(text) >= gram:
			want = latest(text, gram-1)
		}
		if d.next != want {
			if goesOn {
				t.Fatalf("%d tokens: the text goes on at %d, want %d", len(text), d.next, want)
			}
			missed++
		}
		if d.next == 0 {
			continue
		}
		found++
		n := 0
		for n < min(farthest, d.next) && text[d.next-1-n] == text[len(text)-1-n] {
			n++
		}
		if d.matched != n {
			t.Fatalf("%d tokens: a match of %d, want %d", len(text), d.matched, n)
		}
	}
	if found < 4000 || missed > 50 {
		t.Errorf("%d matches, %d were missed", found, missed)
	}
	var again drafter
	again.follow(text)
	if len(again.text) != len(text) || again.next != d.next || again.matched != d.matched {
		t.Errorf("anew: %d of %d tokens go on at %d, want %d", len(again.text), len(text), again.next, d.next)
	}
	d.follow(text[:100]) // rewound
	again = drafter{}
	again.follow(text[:100])
	if len(d.text) != 100 || again.next != d.next || again.matched != d.matched {
		t.Errorf("rewound: %d of 100 tokens go on at %d, want %d", len(d.text), d.next, again.next)
	}
}

// TestDraft learns a text that repeats itself, then one that never does.
func TestDraft(t *testing.T) {
	cheap := price{row: 0.05}
	var d drafter
	for i := range 300 {
		d.add(int32(i % 10))
	}
	if n, gain := d.worth(7, cheap); n != 7 || gain < 5 {
		t.Errorf("%d tokens are worth drafting, of 7, for a gain of %v", n, gain)
	}
	if got, want := d.draft([]int32{9}, 7), []int32{9, 0, 1, 2, 3, 4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("draft %v, want %v", got, want)
	}
	if n, _ := d.worth(7, price{row: 0.05, fixed: 9}); n != 0 {
		t.Errorf("%d tokens that cost more than they give", n)
	}
	d.follow([]int32{5, 6, 5, 6, 5})
	if got, want := d.draft(nil, 5), []int32{6, 5, 6, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("a draft that overlaps the end: %v, want %v", got, want)
	}
	r := rand.New(rand.NewPCG(1, 2))
	drafted := 0
	for range 5000 { // pairs come again, but what follows them does not
		d.add(r.Int32N(30))
		n, _ := d.worth(7, cheap)
		drafted += n
	}
	if drafted > 250 {
		t.Errorf("%d drafts for 5000 tokens of a text without repeats", drafted)
	}
}

func TestDraftAllocates(t *testing.T) {
	var d drafter
	d.follow(make([]int32, 2000))
	dst := make([]int32, 0, 8)
	if n := testing.AllocsPerRun(100, func() {
		d.add(7)
		k, _ := d.worth(7, price{})
		dst = d.draft(dst[:0], k)
	}); n > 0.2 { // the text grows
		t.Errorf("%v allocations a token", n)
	}
}

func BenchmarkDraft(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	text := make([]int32, 1<<20)
	for i := range text {
		text[i] = r.Int32N(5000)
	}
	var d drafter
	dst := make([]int32, 0, 8)
	i := 0
	for b.Loop() { // a token each
		d.add(text[i%len(text)])
		k, _ := d.worth(7, price{row: 0.05})
		dst = d.draft(dst[:0], k)
		i++
	}
}
