package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

const (
	enough  = 10   // seconds of repetitions of one measurement
	maxReps = 5    // of them
	tokens  = 32   // that are decoded at a depth
	first   = 1024 // tokens a second that are expected where nothing is known
)

// measure measures what is not there, by length and by model.
func measure(ctx context.Context, o *options, f *folder) error {
	lengths := doubling(o.min, o.max)
	for _, model := range []string{yoco, transformer} {
		if err := inspect(ctx, o, f, model, lengths); err != nil {
			return err
		}
	}
	for _, n := range lengths {
		for _, model := range []string{yoco, transformer} {
			for _, kind := range []string{prefill, decode} {
				if err := one(ctx, o, f, model, kind, n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func doubling(from, to int) (lengths []int) {
	for n := from; n <= to; n *= 2 {
		lengths = append(lengths, n)
	}
	return lengths
}

// contexts are the lengths that the plan is asked for, measured or not.
func contexts(lengths []int) string {
	var texts []string
	for _, n := range append(doubling(1<<10, 1<<20), lengths...) {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ",")
}

// inspect writes a model's plan.
func inspect(ctx context.Context, o *options, f *folder, model string, lengths []int) error {
	args := append([]string{"inspect", o.spec(model), "--context", contexts(lengths), "--json"}, o.formats()...)
	if o.Threads > 0 {
		args = append(args, "--threads", strconv.Itoa(o.Threads))
	}
	text, err := yococ(ctx, o, args)
	if err != nil {
		return err
	}
	p := new(plan)
	if err := json.Unmarshal(text, p); err != nil {
		return fmt.Errorf("yococ inspect: %w", err)
	}
	f.plans[model] = p
	return f.write(model+".plan.json", text)
}

func (s *settings) formats() []string {
	args := []string{"--weights", s.Weights, "--kv", s.KV}
	if s.Activations != "" {
		args = append(args, "--activations", s.Activations)
	}
	return args
}

// one makes a measurement, unless it is there, or would take too much.
func one(ctx context.Context, o *options, f *folder, model, kind string, n int) error {
	file := name(model, kind, n)
	if f.done[file] != nil {
		return nil
	}
	if need := f.plans[model].bytes(n); need > o.memory {
		fmt.Fprintf(os.Stderr, "%s: needs %.1f GB, of %.1f that it may take\n", file, float64(need)/1e9, float64(o.memory)/1e9)
		return nil
	}
	seconds := f.expected(model, kind, n)
	if seconds > o.patience.Seconds() {
		fmt.Fprintf(os.Stderr, "%s: would take %.0f s, want --patience\n", file, seconds)
		return nil
	}
	reps := min(maxReps, max(1, int(enough/seconds)))
	args := append([]string{"bench", o.spec(model), "--random-weights", "1", "-r", strconv.Itoa(reps), "--json"}, o.formats()...)
	if kind == prefill {
		args = append(args, "-p", strconv.Itoa(n), "-n", "0")
	} else {
		args = append(args, "-p", "0", "-n", strconv.Itoa(tokens), "-d", strconv.Itoa(n), "--synthetic-depth")
	}
	if o.Threads > 0 {
		args = append(args, "--threads", strconv.Itoa(o.Threads))
	}
	text, err := yococ(ctx, o, args)
	if err != nil {
		return err
	}
	if err := f.add(file, text); err != nil {
		return err
	}
	if err := f.write(file, text); err != nil {
		return err
	}
	m := f.done[file]
	fmt.Fprintf(os.Stderr, "%s: %.1f tokens/s, %.1f MB\n", file, m.TokensPerS, float64(m.Peak)/1e6)
	return writeReport(f)
}

// expected is how many seconds a repetition of a measurement takes, as far as shorter ones tell.
func (f *folder) expected(model, kind string, n int) float64 {
	l := f.law(model, kind)
	if l == nil {
		return float64(n) / first
	}
	if kind == decode {
		return tokens * l.at(n)
	}
	return l.at(n)
}

// yococ runs the command and returns what it printed.
func yococ(ctx context.Context, o *options, args []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, o.command, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", o.command, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return text, nil
}
