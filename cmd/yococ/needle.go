package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
)

func needleCommand(s *screen) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "needle SPEC.yaml",
		Short: "Score whether a model finds in a long text what was said once",
		Long: `Hide needles at depths of long texts, haystacks, and ask for them: numbers of cities, or of a model without
a tokenizer the keys and values that the golden.json beside its checkpoint tells. Each haystack is read
once and has the needles of all depths in it. A needle is found if every token of its answer is the most
probable one. Beside it stands how far the logits of the answers are from those with the cache in f32.`,
		Args: one("SPEC.yaml"),
	}
	f := addModelFlags(cmd, false)
	e := &evaluation{screen: s, session: addRunFlags(cmd, true)}
	var o driver.NeedleOptions
	var asJSON bool
	var svg string
	fs := cmd.Flags()
	fs.IntSliceVar(&o.Lengths, "lengths", []int{1 << 10, 1 << 12, 1 << 14}, "haystacks of `TOKENS,...`")
	fs.IntSliceVar(&o.Depths, "depths", []int{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}, "needles behind `PERCENT,...` of the haystack")
	fs.IntVar(&o.Count, "needles", 1, "`N` needles at every depth")
	fs.StringVar(&svg, "svg", "", "write a picture of the result to `FILE`")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := checkNeedles(o); err != nil {
			return err
		}
		if err := checkThreads(e.session.Threads); err != nil {
			return err
		}
		if svg != "" {
			if err := driver.CheckOutput(svg); err != nil {
				return err
			}
		}
		e.spec = args[0]
		if e.options, err = f.options(); err != nil {
			return err
		}
		n, err := e.needle(cmd, o)
		if err != nil {
			return err
		}
		s.clear()
		if svg != "" {
			if err := driver.WriteOutput(svg, []byte(n.SVG())); err != nil {
				return err
			}
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), n)
		}
		fmt.Fprint(cmd.OutOrStdout(), n.Table())
		return nil
	}
	return cmd
}

func checkNeedles(o driver.NeedleOptions) error {
	for _, n := range o.Lengths {
		if n < 1 || n > driver.MaxContext {
			return fmt.Errorf("--lengths %d: want 1 to %d", n, driver.MaxContext)
		}
	}
	for _, d := range o.Depths {
		if d < 0 || d > 100 {
			return fmt.Errorf("--depths %d: want 0 to 100", d)
		}
	}
	switch {
	case len(o.Lengths) == 0:
		return errors.New("--lengths: want one or more")
	case len(o.Depths) == 0:
		return errors.New("--depths: want one or more")
	case o.Count < 1:
		return fmt.Errorf("--needles %d: want 1 or more", o.Count)
	}
	return nil
}

// needle runs the model, beside itself with a cache in f32 if it has another.
func (e *evaluation) needle(cmd *cobra.Command, o driver.NeedleOptions) (*driver.Needle, error) {
	m, err := driver.Load(e.spec, e.options, true)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if e.codec, err = driver.NewText(m.Spec); err != nil {
		return nil, err
	}
	needles, err := driver.NewNeedles(m, e.codec, o)
	if err != nil {
		return nil, err
	}
	e.session.Context = needles.Context()
	r, err := e.start(cmd.Context(), m)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var ref *driver.Runner
	if kv := e.options.KV; kv != "" && kv != "f32" {
		same := e.options
		same.KV = "f32"
		running, err := e.run(cmd.Context(), same)
		if err != nil {
			return nil, err
		}
		defer running.Close()
		ref = running.Runner
	}
	return r.Needle(ref, needles, e.screen.progress)
}
