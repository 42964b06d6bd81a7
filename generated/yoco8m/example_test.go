package yoco8m_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
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

// A long prompt is read once. What was saved goes on in another process, or with other options, as if nothing had
// been in between.
func ExampleModel_Restore() {
	m, err := yoco8m.Open(weightsPath)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	words, err := tokenizer.Load("../../models/yoco-8m/tokenizer.json")
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "yococ")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file, ctx := filepath.Join(dir, "austen.session"), context.Background()

	s, err := m.NewSession(rt.Options{Context: 512})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Prefill(ctx, words.Encode("It is a truth universally acknowledged, that", false)); err != nil {
		log.Fatal(err)
	}
	if err := s.Save(file); err != nil {
		log.Fatal(err)
	}
	s.Close()

	s, err = m.Restore(file, rt.Options{Context: 2048, Threads: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	fmt.Print(words.Decode(s.Tokens()))
	for token, err := range s.Generate(ctx, rt.Sampling{MaxTokens: 8}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(words.Decode([]int32{token}))
	}
	// Output: It is a truth universally acknowledged, that it is a very good thing. I
}
