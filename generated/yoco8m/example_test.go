package yoco8m_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/yococ/yococ/generated/yoco8m"
	"github.com/yococ/yococ/models/tokenizer"
	rt "github.com/yococ/yococ/runtime"
)

// A prompt is continued with the most probable token, 24 times.
func Example() {
	m, err := yoco8m.Open(weightsPath) // what yococ build wrote: yoco8m.packed.safetensors
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	words, err := tokenizer.Load("../../models/yoco-8m/tokenizer.json")
	if err != nil {
		log.Fatal(err)
	}

	s, err := m.NewSession(rt.Options{Context: 512})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	prompt := "It is a truth universally acknowledged, that"
	if err := s.Prefill(ctx, words.Encode(prompt, false)); err != nil {
		log.Fatal(err)
	}
	var text strings.Builder
	stream := words.NewStream() // a character may end in a later token
	for token, err := range s.Generate(ctx, rt.Sampling{MaxTokens: 24}) {
		if err != nil {
			log.Fatal(err)
		}
		text.WriteString(stream.Push(token))
	}
	text.WriteString(stream.Flush())
	fmt.Println(prompt + text.String())
	// Output:
	// It is a truth universally acknowledged, that it is a very good thing. I have no doubt of it, but I have not the least idea of it.
}
