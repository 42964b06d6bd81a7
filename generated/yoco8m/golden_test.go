package yoco8m_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/yococ/yococ/generated/yoco8m"
	"github.com/yococ/yococ/internal/testmodel"
	"github.com/yococ/yococ/models/tokenizer"
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
)

// weightsPath is the packed weights, which are made from the checkpoint once and kept in the
// user's cache.
var weightsPath string

func TestMain(m *testing.M) {
	var err error
	if weightsPath, err = testmodel.Named(yoco8m.Name).Weights(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// tolerance is how far a float32 evaluation may be off from the float64 reference: below a
// smaller gap between two tokens either may be chosen.
const tolerance = 6e-4

// TestGolden generates what the trained model has to say after 14 prompts, with tokens and text
// as recorded from a float64 evaluation.
func TestGolden(t *testing.T) {
	g, err := testmodel.Named(yoco8m.Name).OpenGolden()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	words, err := tokenizer.Load("../../models/yoco-8m/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := yoco8m.Open(weightsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Verify(context.Background()); err != nil {
		t.Fatal(err)
	}
	equal, total := 0, 0
	for i, p := range g.Prompts {
		if i%4 > 0 && kernel.Best() == "portable" {
			continue // fifty times slower
		}
		total += len(p.Greedy)
		got, err := generate(m, p.Tokens, len(p.Greedy))
		if err != nil {
			t.Fatal(err)
		}
		for step, token := range got {
			if token == p.Greedy[step] {
				equal++
				continue
			}
			if p.Gaps[step] > tolerance {
				t.Errorf("prompt %d, step %d: %q, want %q", i, step, words.Decode(got), words.Decode(p.Greedy))
			}
			break // another text from here on
		}
	}
	t.Logf("%d of %d tokens as recorded", equal, total)
}

func generate(m *yoco8m.Model, prompt []int32, n int) ([]int32, error) {
	s, err := m.NewSession(rt.Options{Context: len(prompt) + n})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	ctx := context.Background()
	if err := s.Prefill(ctx, prompt); err != nil {
		return nil, err
	}
	var tokens []int32
	for token, err := range s.Generate(ctx, rt.Sampling{MaxTokens: n}) {
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}
