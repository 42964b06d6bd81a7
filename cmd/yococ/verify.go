package main

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
)

func verifyCommand(s *screen) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify SPEC.yaml",
		Short: "Compare a model with reference logits, states and tokens",
		Args:  one("SPEC.yaml"),
	}
	f := addModelFlags(cmd, false)
	o := addRunFlags(cmd, true)
	var dir string
	var tolerance float64
	var asJSON bool
	fs := cmd.Flags()
	fs.StringVar(&dir, "golden", "", "folder `DIR` with golden.json and golden.safetensors")
	fs.Float64Var(&tolerance, "tolerance", 0, "how far logits may be off, `X` (default ten times what golden.json says of float32; with q8 and q4 weights, with --activations bf16 and with --kv bf16, q8 or q4 there is none)")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case dir == "":
			return errors.New("--golden DIR is missing")
		case fs.Changed("tolerance") && !(tolerance > 0 && !math.IsInf(tolerance, 0)):
			return fmt.Errorf("--tolerance %v: want a number above 0", tolerance)
		case (f.Weights == "q8" || f.Weights == "q4") && !fs.Changed("tolerance"):
			return errQuantized
		case f.Activations == "bf16" && !fs.Changed("tolerance"):
			return errors.New("--activations bf16: want --tolerance X too: golden.json says how far float32 may be off, which says nothing of activations that are rounded")
		case f.KV != "" && f.KV != "f32" && !fs.Changed("tolerance"):
			return fmt.Errorf("--kv %s: want --tolerance X too: golden.json says how far float32 may be off, which says nothing of a cache that is rounded", f.KV)
		}
		if err := checkThreads(o.Threads); err != nil {
			return err
		}
		m, err := f.load(args[0], true)
		if err != nil {
			return err
		}
		defer m.Close()
		if m.Package.Plan.Quantized() && !fs.Changed("tolerance") { // by the spec's precision
			return errQuantized
		}
		g, err := driver.OpenGolden(dir, m.DType())
		if err != nil {
			return err
		}
		defer g.Close()
		if tolerance == 0 {
			tolerance = g.Tolerance()
		}
		cache, err := driver.OpenCache()
		if err != nil {
			return err
		}
		o.Context, o.Verify = g.Context(), true
		r, err := cache.Run(cmd.Context(), m, *o, s.progress)
		if err != nil {
			return err
		}
		defer r.Close()
		v, err := r.Verify(g, tolerance, s.progress)
		if err != nil {
			return err
		}
		s.clear()
		if asJSON {
			err = printJSON(cmd.OutOrStdout(), v)
		} else {
			printVerification(cmd.OutOrStdout(), r, v, tolerance)
		}
		if err == nil && !v.OK {
			err = errFailed
		}
		return err
	}
	return cmd
}

// errQuantized is for a golden folder that knows nothing of the rounding of weights.
var errQuantized = errors.New("q8 and q4 weights: want --tolerance X too: golden.json says how far float32 may be off, which says nothing of weights and activations rounded to integers")

func printVerification(w io.Writer, r *driver.Runner, v *driver.Verification, tolerance float64) {
	fmt.Fprintf(w, "%-12s %12s %12s %9s\n", "case", "logits", "states", "greedy")
	for _, c := range v.Cases {
		verdict := "ok"
		if !c.OK {
			verdict = "FAILED"
		}
		fmt.Fprintf(w, "%-12s %12.3g %12.3g %5d/%-3d %s\n", c.Name, c.LogitDiff, c.CacheDiff, c.GreedyEqual, c.GreedyTotal, verdict)
		for _, n := range c.Notes {
			fmt.Fprintf(w, "    %s\n", n)
		}
	}
	p := r.Model.Package.Plan
	fmt.Fprintf(w, "%s, %s weights, %s cache, %d threads; logits may be off by %.3g\n",
		r.Info.Options.ISA, p.Precision(), p.CacheElem, r.Info.Options.Threads, tolerance)
	if p.Rounds() {
		fmt.Fprintln(w, "states are shown and not judged: what rounding weights and activations does to them is no error")
	}
}
