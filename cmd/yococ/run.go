package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/yococ/yococ/internal/driver"
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/host"
)

func runCommand(s *screen) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run SPEC.yaml",
		Short: "Continue a prompt",
		Args:  one("SPEC.yaml"),
	}
	f := addModelFlags(cmd, true)
	o := addRunFlags(cmd, true)
	sampling := rt.Defaults()
	var prompt string
	var tokens int
	var special bool
	var save string
	fs := cmd.Flags()
	fs.StringVarP(&prompt, "prompt", "p", "", "the `PROMPT`; @FILE reads a file and - standard input, but for a newline at the end")
	fs.IntVarP(&tokens, "tokens", "n", 128, "at most `N` tokens; -1 for no limit, 0 with --save for none")
	fs.Float32Var(&sampling.Temperature, "temp", sampling.Temperature, "temperature `T`; 0 always takes the most probable token")
	fs.IntVar(&sampling.TopK, "top-k", sampling.TopK, "choose among the `K` most probable tokens; 0 for all")
	fs.Float32Var(&sampling.TopP, "top-p", sampling.TopP, "… among the most probable tokens of probability `P` together; 0 or 1 for all")
	fs.Float32Var(&sampling.MinP, "min-p", sampling.MinP, "… among tokens at least `P` times as probable as the first")
	fs.Uint64Var(&sampling.Seed, "seed", 0, "of the random numbers, `S` (default a random one, which is printed; none at --temp 0)")
	fs.IntVar(&sampling.Speculate, "speculate", 0, "also try up to `N` tokens in every pass, those that came after the same ones before: the text is the same, sooner if it repeats itself")
	fs.Lookup("speculate").NoOptDefVal = strconv.Itoa(driver.MaxSpeculate)
	fs.IntVarP(&o.Context, "context", "c", 0, "`CONTEXT` of the session in tokens (default the spec's)")
	fs.StringVar(&o.Restore, "restore", "", "go on with the session in `FILE`: the prompt, which may be empty, follows its tokens")
	fs.StringVar(&save, "save", "", "save the session to `FILE` at the end, with all tokens that it then has")
	fs.BoolVar(&special, "special", false, "names of special tokens in the prompt mean the tokens")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if tokens == 0 && save == "" || tokens < -1 {
			return fmt.Errorf("-n %d: want 1 or more, or -1 for no limit", tokens)
		}
		if fs.Changed("context") && o.Context < 1 {
			return fmt.Errorf("-c %d: want 1 or more", o.Context)
		}
		if err := checkThreads(o.Threads); err != nil {
			return err
		}
		if err := checkSampling(sampling); err != nil {
			return err
		}
		if err := checkSave(save); err != nil {
			return err
		}
		if !fs.Changed("seed") {
			sampling.Seed = uint64(rand.Uint32())
		}
		sampling.MaxTokens = tokens
		text, err := readPrompt(prompt)
		if err != nil {
			return err
		}
		m, err := f.load(args[0], true)
		if err != nil {
			return err
		}
		defer m.Close()
		codec, err := driver.NewText(m.Spec)
		if err != nil {
			return err
		}
		read := codec.Prompt
		if o.Restore != "" {
			read = codec.Continue
		}
		ids, err := read(text, special)
		if err != nil {
			return err
		}
		sampling.Stop = codec.Ends()
		return generate(cmd.Context(), s, cmd.OutOrStdout(), m, o, codec, ids, sampling, save)
	}
	return cmd
}

// checkSampling refuses what no sampler takes, by the names of the flags.
func checkSampling(p rt.Sampling) error {
	for _, f := range []struct {
		flag  string
		value float32
	}{{"--temp", p.Temperature}, {"--top-p", p.TopP}, {"--min-p", p.MinP}} {
		if x := float64(f.value); !(x >= 0) || math.IsInf(x, 0) {
			return fmt.Errorf("%s %v: want a number from 0", f.flag, f.value)
		}
	}
	if p.TopP > 1 {
		return fmt.Errorf("--top-p %v: want a number from 0 to 1", p.TopP)
	}
	if p.MinP > 1 {
		return fmt.Errorf("--min-p %v: want a number from 0 to 1", p.MinP)
	}
	if p.Speculate < 0 || p.Speculate > driver.MaxSpeculate {
		return fmt.Errorf("--speculate %d: want 0 to %d", p.Speculate, driver.MaxSpeculate)
	}
	return nil
}

// checkSave refuses a file that could not be written, before hours have gone into what it should hold.
func checkSave(file string) error {
	if file == "" {
		return nil
	}
	if err := rt.CanSave(file); err != nil {
		return fmt.Errorf("--save %s: %w", file, err)
	}
	return nil
}

// readPrompt resolves @FILE and -. An editor or echo ends a text with a newline, which is not
// part of a prompt.
func readPrompt(arg string) (string, error) {
	if arg == "@" {
		return "", errors.New("-p @: want the name of a file after @")
	}
	if arg == "-" || strings.HasPrefix(arg, "@") {
		text, err := readText(strings.TrimPrefix(arg, "@"))
		return strings.TrimSuffix(text, "\n"), err
	}
	return arg, nil
}

// maxText bounds a prompt or a text to be scored, in bytes: an endless file would fill the memory.
const maxText = 1 << 30

// readText reads a file, which may be a pipe, or standard input for -.
func readText(file string) (string, error) {
	in := os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	var text strings.Builder
	n, err := io.Copy(&text, io.LimitReader(in, maxText+1))
	if err == nil && n > maxText {
		err = fmt.Errorf("%s: has more than %d bytes", in.Name(), maxText)
	}
	return text.String(), err
}

// generate runs the model. It saves the session to a file in the end, if there is to be one.
func generate(ctx context.Context, s *screen, w io.Writer, m *driver.Model, o *driver.RunOptions, codec *driver.Text, prompt []int32, sampling rt.Sampling, save string) error {
	cache, err := driver.OpenCache()
	if err != nil {
		return err
	}
	r, err := cache.Run(ctx, m, *o, s.progress)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.clear()
	if o.Restore != "" {
		fmt.Fprintf(os.Stderr, "restored %7d tokens in %.1f ms\n", r.Info.Pos, 1e3*r.Info.RestoreTime.Seconds())
	}
	s.generating.Store(true)
	stats, err := stream(s, w, r, codec, prompt, sampling)
	var full *rt.ContextFullError
	switch {
	case errors.As(err, &full) && stats.Tokens > 0:
		fmt.Fprintf(os.Stderr, "the context of %d tokens is full\n", full.Context)
	case errors.Is(err, context.Canceled) && save != "" && stats.Tokens == 0:
		return fmt.Errorf("interrupted before the prompt was read: %s is not written", save)
	case errors.Is(err, context.Canceled):
		stats.Reason = host.Canceled
	case err != nil:
		return err
	}
	report(r, stats, sampling.Speculate > 0)
	if save == "" {
		return nil
	}
	tokens, err := r.Save(save)
	if err != nil {
		return err
	}
	info, err := os.Stat(save)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "saved    %7d tokens, %s\n", tokens, size(info.Size()))
	return nil
}

// stream writes the continuation of a prompt to w as it comes, and the seed to standard error.
func stream(s *screen, w io.Writer, r *driver.Runner, codec *driver.Text, prompt []int32, sampling rt.Sampling) (host.GenerateStats, error) {
	if sampling.MaxTokens == 0 {
		stats, err := r.Read(prompt, s.progress)
		s.clear()
		return stats, err
	}
	if err := r.Fits(len(prompt), 1); err != nil {
		return host.GenerateStats{}, err
	}
	if sampling.Temperature > 0 { // else nothing is drawn
		fmt.Fprintf(os.Stderr, "seed %d\n", sampling.Seed)
	}
	push, flush := codec.Decoder()
	open := false // the last line has no end yet
	write := func(text string) error {
		if text != "" {
			open = !strings.HasSuffix(text, "\n")
		}
		_, err := io.WriteString(w, text)
		return err
	}
	stats, err := r.Generate(prompt, sampling, s.progress, func(token int32) error {
		return write(push(token))
	})
	s.clear()
	if werr := write(flush()); err == nil {
		err = werr
	}
	switch {
	case term.IsTerminal(int(os.Stdout.Fd())):
		fmt.Fprintln(w)
	case open: // what follows may go to the same file
		fmt.Fprintln(os.Stderr)
	}
	return stats, err
}

// report prints speed and memory, and what came of speculation.
func report(r *driver.Runner, stats host.GenerateStats, speculated bool) {
	line := func(what string, tokens, steps int, took time.Duration) {
		if steps > 0 && took > 0 {
			fmt.Fprintf(os.Stderr, "%-8s %7d tokens %10.2f tokens/s\n", what, tokens, float64(steps)/took.Seconds())
		} else {
			fmt.Fprintf(os.Stderr, "%-8s %7d tokens\n", what, tokens)
		}
	}
	line("prompt", stats.PromptTokens, stats.PromptTokens, stats.PrefillTime)
	line("decode", stats.Tokens, stats.Tokens-1, stats.DecodeTime)
	if speculated {
		fmt.Fprintf(os.Stderr, "%-8s %7d passes, %d tokens drafted, %d accepted\n", "", stats.Speculation.Passes, stats.Speculation.Drafted, stats.Speculation.Accepted)
	}
	mem, err := r.Stats()
	if err == nil && mem.RSS > 0 {
		fmt.Fprintf(os.Stderr, "memory   %s resident, %s at most\n", size(mem.RSS), size(mem.PeakRSS))
	}
	if stats.Reason == host.Canceled {
		fmt.Fprintln(os.Stderr, "interrupted")
	}
}
