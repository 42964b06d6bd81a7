package main

import (
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
				return fmt.Errorf("unknown evaluation %q: want perplexity", args[0])
			}
			return errors.New("which evaluation: want perplexity")
		},
	}
	cmd.AddCommand(perplexityCommand(s))
	return cmd
}

func perplexityCommand(s *screen) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "perplexity SPEC.yaml",
		Short: "Score how well a model predicts a text",
		Args:  one("SPEC.yaml"),
	}
	f := addModelFlags(cmd, false)
	o := addRunFlags(cmd, true)
	var file string
	var window int
	var asJSON bool
	fs := cmd.Flags()
	fs.StringVar(&file, "text", "", "the text `FILE`; - is standard input")
	fs.IntVar(&window, "window", 512, "`TOKENS` that see each other")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case file == "":
			return errors.New("--text FILE is missing")
		case window < 1 || window > driver.MaxContext:
			return fmt.Errorf("--window %d: want 1 to %d", window, driver.MaxContext)
		}
		if err := checkThreads(o.Threads); err != nil {
			return err
		}
		text, err := readText(file)
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
		cache, err := driver.OpenCache()
		if err != nil {
			return err
		}
		o.Context = window
		r, err := cache.Run(cmd.Context(), m, *o, s.progress)
		if err != nil {
			return err
		}
		defer r.Close()
		p, err := r.Perplexity(codec, text, window, s.progress)
		if err != nil {
			return err
		}
		s.clear()
		if asJSON {
			return printJSON(cmd.OutOrStdout(), p)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d tokens, %d bytes: %.3f nats in all, perplexity %.4f, %.5f bits per byte\n", p.Tokens, p.Bytes, p.NLL, p.Perplexity, p.BitsPerByte)
		return nil
	}
	return cmd
}
