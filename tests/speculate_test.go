package tests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// repeating is a text that quotes what went before, with mistakes: passages of 5 to 60 tokens from anywhere in it, and
// every so often a token that is new.
func repeating(n, vocab int) []int32 {
	r := rand.New(rand.NewPCG(5, 6))
	text := prompt(50, vocab)
	for len(text) < n {
		from := r.IntN(len(text) - 5)
		text = append(text, text[from:min(len(text), from+5+r.IntN(55))]...)
		text = append(text, r.Int32N(int32(vocab)))
	}
	return text[:n]
}

// follow makes a session generate a text, by a sampler that chooses it, and returns the bits of all logits that
// the sampler was shown.
func follow(t *testing.T, s *rt.Session, text []int32, speculate int) [][]uint32 {
	t.Helper()
	var seen [][]uint32
	p := rt.Sampling{MaxTokens: len(text), Speculate: speculate, Choose: func(x []float32) int32 {
		seen = append(seen, bits(x))
		return text[len(seen)-1]
	}}
	for _, err := range s.Generate(context.Background(), p) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return seen
}

// TestSpeculate generates a text that repeats itself with drafts of every length: the sampler sees the same
// logits, bit for bit, and the session is the same in the end, whatever was accepted and what was taken back. Lengths
// below the prompt's begin at every offset in a block.
func TestSpeculate(t *testing.T) {
	for _, name := range mixers {
		t.Run(name, func(t *testing.T) {
			m := open(t, name)
			n := 560
			if m.Info().Dim > 64 || testing.Short() || race {
				n = 200
			}
			text := repeating(n, m.Info().Vocab)
			const first = 60
			ref := session(t, m, rt.Options{Context: n, Threads: 1})
			prefill(t, ref, text[:first])
			want := follow(t, ref, text[first:], 0)
			if got := ref.Speculation(); got != (rt.Speculation{Passes: n - first - 1}) {
				t.Errorf("without drafts: %+v", got)
			}
			for speculate := 1; speculate <= 9; speculate++ {
				s := session(t, m, rt.Options{Context: n, Threads: 1 + speculate%2})
				prefill(t, s, text[:first])
				seen := follow(t, s, text[first:], speculate)
				for i := range want {
					if !slices.Equal(seen[i], want[i]) {
						t.Fatalf("drafts of %d: other logits before token %d", speculate, first+i)
					}
				}
				(&canceling{T: t, s: s, ref: ref}).compare(fmt.Sprintf("drafts of %d", speculate))
				c := s.Speculation()
				if c.Accepted == 0 || c.Drafted <= c.Accepted || c.Passes+c.Accepted < n-first-1 || c.Passes+c.Accepted > n-first {
					t.Errorf("drafts of %d: %+v for %d tokens", speculate, c, n-first)
				}
			}
		})
	}
}

// TestSpeculateSamples compares what is generated with drafts and without: the same tokens for the same seed,
// whenever the loop ends, at every offset in a block.
func TestSpeculateSamples(t *testing.T) {
	for _, name := range mixers {
		t.Run(name, func(t *testing.T) {
			m := open(t, name)
			for i, p := range []rt.Sampling{{}, {Temperature: 0.05}, {Temperature: 0.7, TopK: 5, Seed: 3}} {
				ref := session(t, m, rt.Options{Context: 400, Threads: 1})
				s := session(t, m, rt.Options{Context: 400, Threads: 2, Chunk: 64})
				start := repeating(90, m.Info().Vocab)
				prefill(t, ref, start)
				prefill(t, s, start)
				c := &canceling{T: t, s: s, ref: ref}
				for n := 1; s.Pos() < 300; n = n%37 + 4 {
					p.MaxTokens, p.Seed = n, uint64(n)
					p.Speculate = 0
					want := generated(t, ref, p, n+1)
					p.Speculate = 7
					if n%3 == 0 { // the loop breaks off
						p.MaxTokens = 0
					}
					if got := generated(t, s, p, n); !slices.Equal(got, want) {
						t.Fatalf("sampling %d: %v, want %v", i, got, want)
					}
					if n%3 == 0 {
						c.compare("generated")
					}
				}
				c.compare("generated")
			}
		})
	}
}

// generated are tokens until p ends them, or so many.
func generated(t *testing.T, s *rt.Session, p rt.Sampling, most int) (tokens []int32) {
	t.Helper()
	for token, err := range s.Generate(context.Background(), p) {
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
		if len(tokens) == most {
			break
		}
	}
	return tokens
}
