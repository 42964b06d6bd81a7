package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
)

func evalCommand(s *screen) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval",
		Short: "Score a model",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown evaluation %q: want perplexity, kl, needle or tasks", args[0])
			}
			return errors.New("which evaluation: want perplexity, kl, needle or tasks")
		},
	}
	cmd.AddCommand(perplexityCommand(s), klCommand(s), needleCommand(s), tasksCommand(s))
	return cmd
}

func perplexityCommand(s *screen) *cobra.Command {
	return textCommand(s, &cobra.Command{
		Use:   "perplexity SPEC.yaml",
		Short: "Score how well a model predicts a text",
	}, func(cmd *cobra.Command, e *evaluation) (any, string, error) {
		r, err := e.run(cmd.Context(), e.options)
		if err != nil {
			return nil, "", err
		}
		defer r.Close()
		p, err := r.Perplexity(e.codec, e.text, e.window, s.progress)
		if err != nil {
			return nil, "", err
		}
		return p, fmt.Sprintf("%d tokens, %d bytes: %.3f nats in all, perplexity %.4f, %.5f bits per byte", p.Tokens, p.Bytes, p.NLL, p.Perplexity, p.BitsPerByte), nil
	})
}

func klCommand(s *screen) *cobra.Command {
	return textCommand(s, &cobra.Command{
		Use:   "kl SPEC.yaml",
		Short: "Score how far a format's predictions are from those in f32",
		Long: `Score how far a model's predictions over a text, with the weights, activations and cache that are asked for,
are from those of the same model with all three in f32: the Kullback-Leibler divergence, in nats a token.`,
	}, func(cmd *cobra.Command, e *evaluation) (any, string, error) {
		ref, err := e.run(cmd.Context(), e.options.Reference())
		if err != nil {
			return nil, "", err
		}
		defer ref.Close()
		r, err := e.run(cmd.Context(), e.options)
		if err != nil {
			return nil, "", err
		}
		defer r.Close()
		k, err := r.KL(ref.Runner, e.codec, e.text, e.window, s.progress)
		if err != nil {
			return nil, "", err
		}
		return k, fmt.Sprintf(`%d tokens: KL divergence mean %.6f, median %.6f, 99%% %.6f, max %.6f nats
top-1 agreement %.3f%%; perplexity %.4f, in f32 %.4f, ratio %.5f`,
			k.Tokens, k.Mean, k.Median, k.P99, k.Max, 100*k.Top1, k.Perplexity, k.Reference, k.Ratio), nil
	})
}

// An evaluation is what the flags of a command say that scores a text.
type evaluation struct {
	screen  *screen
	spec    string
	options driver.Options
	session *driver.RunOptions
	codec   *driver.Text
	text    string
	window  int
}

// A running is a model that is running, with its files.
type running struct {
	*driver.Runner
	model *driver.Model
}

func (r *running) Close() error { return errors.Join(r.Runner.Close(), r.model.Close()) }

// run starts the model in some formats.
func (e *evaluation) run(ctx context.Context, o driver.Options) (*running, error) {
	m, err := driver.Load(e.spec, o, true)
	if err != nil {
		return nil, err
	}
	r, err := e.start(ctx, m)
	if err != nil {
		m.Close()
		return nil, err
	}
	return &running{r, m}, nil
}

func (e *evaluation) start(ctx context.Context, m *driver.Model) (r *driver.Runner, err error) {
	if e.codec == nil {
		if e.codec, err = driver.NewText(m.Spec); err != nil {
			return nil, err
		}
	}
	cache, err := driver.OpenCache()
	if err != nil {
		return nil, err
	}
	return cache.Run(ctx, m, *e.session, e.screen.progress)
}

// textCommand completes a command that scores a text: score returns the result as JSON and as text.
func textCommand(s *screen, cmd *cobra.Command, score func(*cobra.Command, *evaluation) (any, string, error)) *cobra.Command {
	cmd.Args = one("SPEC.yaml")
	f := addModelFlags(cmd, false)
	e := &evaluation{screen: s, session: addRunFlags(cmd, true)}
	var file string
	var asJSON bool
	fs := cmd.Flags()
	fs.StringVar(&file, "text", "", "the text `FILE`; - is standard input")
	fs.IntVar(&e.window, "window", 512, "`TOKENS` that see each other")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		switch {
		case file == "":
			return errors.New("--text FILE is missing")
		case e.window < 1 || e.window > driver.MaxContext:
			return fmt.Errorf("--window %d: want 1 to %d", e.window, driver.MaxContext)
		}
		if err := checkThreads(e.session.Threads); err != nil {
			return err
		}
		e.spec, e.session.Context = args[0], e.window
		if e.text, err = readText(file); err != nil {
			return err
		}
		if e.options, err = f.options(); err != nil {
			return err
		}
		result, line, err := score(cmd, e)
		if err != nil {
			return err
		}
		s.clear()
		if asJSON {
			return printJSON(cmd.OutOrStdout(), result)
		}
		fmt.Fprintln(cmd.OutOrStdout(), line)
		return nil
	}
	return cmd
}
