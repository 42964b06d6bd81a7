package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
)

func benchCommand(s *screen) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench SPEC.yaml",
		Short: "Measure a model's speed",
		Args:  one("SPEC.yaml"),
	}
	f := addModelFlags(cmd, true)
	run := addRunFlags(cmd, false)
	var o driver.BenchOptions
	var asJSON bool
	fs := cmd.Flags()
	fs.IntSliceVarP(&o.PP, "prompt", "p", []int{512}, "prefill of `N,...` tokens; 0 for none")
	fs.IntSliceVarP(&o.TG, "tokens", "n", []int{128}, "`N,...` single decodes; 0 for none")
	fs.IntSliceVarP(&o.Depths, "depth", "d", []int{0}, "with `DEPTH,...` tokens before")
	fs.BoolVar(&o.Synthetic, "synthetic-depth", false, "make up the states and caches of depths instead of prefilling them: speed and memory are those of a real depth")
	fs.IntSliceVar(&o.Threads, "threads", []int{0}, "with `N,...` workers; 0 for all processors, at most 16")
	fs.IntSliceVar(&o.Batch, "batch", []int{1}, "decodes by `N,...` sessions together")
	fs.IntVarP(&o.Reps, "reps", "r", 5, "every test `N` times")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, l := range []struct {
			flag string
			list *[]int
			keep bool // 0 is a value, not none
		}{{"-p", &o.PP, false}, {"-n", &o.TG, false}, {"-d", &o.Depths, true}, {"--threads", &o.Threads, true}} {
			var kept []int
			for _, n := range *l.list {
				if n < 0 || n > driver.MaxContext {
					return fmt.Errorf("%s %d: want 0 to %d", l.flag, n, driver.MaxContext)
				}
				if n > 0 || l.keep {
					kept = append(kept, n)
				}
			}
			*l.list = kept
		}
		for _, n := range o.Threads {
			if err := checkThreads(n); err != nil {
				return err
			}
		}
		for _, n := range o.Batch {
			if n < 1 || n > driver.MaxBatch {
				return fmt.Errorf("--batch %d: want 1 to %d", n, driver.MaxBatch)
			}
		}
		if len(o.PP)+len(o.TG) == 0 {
			return errors.New("nothing to measure: -p and -n are 0")
		}
		if o.Reps < 1 || o.Reps > driver.MaxReps {
			return fmt.Errorf("--reps %d: want 1 to %d", o.Reps, driver.MaxReps)
		}
		m, err := f.load(args[0], true)
		if err != nil {
			return err
		}
		defer m.Close()
		cache, err := driver.OpenCache()
		if err != nil {
			return err
		}
		opening := *run
		opening.Context = 1 // each test has its own
		r, err := cache.Run(cmd.Context(), m, opening, s.progress)
		if err != nil {
			return err
		}
		defer r.Close()
		o.RunOptions = *run
		b, err := r.Bench(o, s.progress)
		if err != nil {
			return err
		}
		s.clear()
		if asJSON {
			return printJSON(cmd.OutOrStdout(), b)
		}
		printBench(cmd.OutOrStdout(), m, b)
		return nil
	}
	return cmd
}

func printBench(w io.Writer, m *driver.Model, b *driver.Bench) {
	p := m.Package.Plan
	fmt.Fprintf(w, "%s, %s\n\n", b.CPU, b.ISA)
	model := fmt.Sprintf("%s %s, cache %v", p.Package, p.Precision(), p.CacheElem)
	fmt.Fprintf(w, "| %-28s | %10s | %9s | %7s | %15s | %18s | %8s | %6s | %7s |\n", "model", "size", "params", "threads", "test", "t/s", "GFLOP/s", "GB/s", "% limit")
	fmt.Fprintln(w, "| ---------------------------- | ---------: | --------: | ------: | --------------: | -----------------: | -------: | -----: | ------: |")
	for _, r := range b.Results {
		test, limit := r.Test, ""
		if r.Depth > 0 {
			test += fmt.Sprintf(" @ d%d", r.Depth)
		}
		if r.Synthetic {
			test += "*"
		}
		if r.LimitFraction != nil {
			limit = fmt.Sprintf("%.1f", 100**r.LimitFraction)
		}
		fmt.Fprintf(w, "| %-28s | %10s | %9s | %7d | %15s | %10.2f ± %5.2f | %8.1f | %6.1f | %7s |\n", model, size(b.WeightsBytes),
			count(m.Spec.Params()), r.Threads, test, r.TokensPerS, r.Stddev, r.GFLOPs, r.GBytesPerS, limit)
	}
	fmt.Fprintf(w, "\n%% limit: of prefill (pp) against the peak of its instruction, %s; of decoding (tg) against a loop that only reads the weights.\n", strings.Join(b.Instructions, ", "))
	if slices.ContainsFunc(b.Results, func(r driver.BenchResult) bool { return r.Synthetic }) {
		fmt.Fprintln(w, "* synthetic depth: the caches repeat those of the first 512 tokens, and no others have gone through the model.")
	}
	if b.HugeBytes > 0 {
		fmt.Fprintf(w, "weights in huge pages: %s of %s\n", size(b.HugeBytes), size(b.WeightsBytes))
	} else {
		fmt.Fprintln(w, "weights in huge pages: none")
	}
	if b.PeakRSS > 0 {
		fmt.Fprintf(w, "peak resident memory: %s of %s promised\n", size(b.PeakRSS), size(b.Promised))
	}
}
