// Command speculate measures what prompt-lookup speculation gains or costs where the text is known: a model generates
// a given text, token by token, with speculation and without in turns.
//
//	go run ./tests/bench/speculate -prompt FILE -text FILE models/yoco-3b.yaml
//
// What a model with random weights would choose says nothing of texts; here the text is the choice, and the time is that of
// the real passes, of drafts that the text bears out and of those that it does not. The logits before
// every token are compared, bit for bit; the command ends with status 1 where they differ.
//
// It may not open a model other than through the driver, nor time anything but what the host does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/yococ/yococ/internal/driver"
	"github.com/yococ/yococ/models"
	"github.com/yococ/yococ/runtime/host"
)

// options are the flags.
type options struct {
	model, tokens, prompt, text string
	formats                     driver.Options
	run                         driver.RunOptions
	seed                        uint64
	begin, n, piece, speculate  int
}

func main() {
	o := &options{}
	flag.StringVar(&o.prompt, "prompt", "", "`FILE` of what is read first (default the text's first -begin tokens)")
	flag.StringVar(&o.text, "text", "", "`FILE` of the text that is generated")
	flag.StringVar(&o.tokens, "tokens-of", "models/yoco-8m.yaml", "`SPEC` of the tokenizer")
	flag.StringVar(&o.formats.Weights, "weights", "q8", "`FORMAT` of the matrices")
	flag.StringVar(&o.formats.Activations, "activations", "", "`FORMAT` of what they multiply")
	flag.StringVar(&o.formats.KV, "kv", "q8", "`FORMAT` of the cache")
	flag.Uint64Var(&o.seed, "random-weights", 1, "`SEED` of the weights")
	flag.IntVar(&o.run.Threads, "threads", 0, "`N` workers (default all processors, at most 16)")
	flag.IntVar(&o.begin, "begin", 256, "`N` tokens of the text are read first where there is no -prompt")
	flag.IntVar(&o.n, "n", 512, "generate at most `N` tokens")
	flag.IntVar(&o.piece, "piece", 64, "`N` tokens a turn")
	flag.IntVar(&o.speculate, "speculate", driver.MaxSpeculate, "at most `N` tokens of a draft")
	flag.Parse()
	if o.model = flag.Arg(0); flag.NArg() != 1 || o.text == "" || o.begin < 1 || o.n < 1 || o.piece < 1 || o.speculate < 1 || o.run.Threads < 0 {
		fmt.Fprintln(os.Stderr, "speculate: want one SPEC.yaml, a -text and positive numbers")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "speculate:", err)
		os.Exit(1)
	}
}

// read gives the tokens of the prompt and of the text behind it.
func (o *options) read() (prompt, text []int32, err error) {
	spec, err := models.Load(o.tokens)
	if err != nil {
		return nil, nil, err
	}
	codec, err := driver.NewText(spec)
	if err != nil {
		return nil, nil, err
	}
	encode := func(file string) ([]int32, error) {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		return codec.Continue(string(data), false)
	}
	if text, err = encode(o.text); err != nil {
		return nil, nil, err
	}
	if o.prompt != "" {
		if prompt, err = encode(o.prompt); err != nil {
			return nil, nil, err
		}
	} else if len(text) > o.begin {
		prompt, text = text[:o.begin], text[o.begin:]
	}
	if len(prompt) == 0 || len(text) == 0 {
		return nil, nil, fmt.Errorf("%s: %d tokens to read and %d to generate: want some of both", o.text, len(prompt), len(text))
	}
	return prompt, text[:min(o.n, len(text))], nil
}

func measure(ctx context.Context, o *options) error {
	prompt, text, err := o.read()
	if err != nil {
		return err
	}
	o.formats.Random = &o.seed
	m, err := driver.Load(o.model, o.formats, true)
	if err != nil {
		return err
	}
	defer m.Close()
	for _, id := range slices.Concat(prompt, text) {
		if int(id) >= m.Spec.Vocab {
			return fmt.Errorf("token %d of -tokens-of %s: the model has %d", id, o.tokens, m.Spec.Vocab)
		}
	}
	cache, err := driver.OpenCache()
	if err != nil {
		return err
	}
	o.run.Context = len(prompt) + len(text)
	r, err := cache.Run(ctx, m, o.run, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := r.Prefill(prompt, nil); err != nil {
		return err
	}
	got, err := r.Follow(host.FollowRequest{Tokens: text, Speculate: o.speculate, Piece: o.piece})
	if err != nil {
		return err
	}
	p := m.Package.Plan
	fmt.Printf("%s %s, cache %v, %d threads: %d tokens behind %d, in turns of %d\n", p.Package, p.Precision(), p.CacheElem,
		r.Info.Options.Threads, len(text), len(prompt), o.piece)
	report(got, len(text))
	return nil
}

// report prints speeds, and the ratio with those of single turns.
func report(r host.FollowResult, tokens int) {
	var without, with time.Duration
	var ratios []float64
	for i := range r.With {
		without, with = without+r.Without[i], with+r.With[i]
		ratios = append(ratios, r.Without[i].Seconds()/r.With[i].Seconds())
	}
	speed := func(took time.Duration) float64 { return float64(tokens) / took.Seconds() }
	fmt.Printf("without  %8.2f tokens/s\n", speed(without))
	fmt.Printf("with     %8.2f tokens/s\n", speed(with))
	fmt.Printf("ratio    %8.3f, of single turns %.3f to %.3f\n", without.Seconds()/with.Seconds(), slices.Min(ratios), slices.Max(ratios))
	fmt.Printf("passes   %8d, %d tokens drafted, %d accepted\n", r.Speculation.Passes, r.Speculation.Drafted, r.Speculation.Accepted)
	fmt.Printf("logits   the same before each of %d tokens\n", tokens)
}
