// Command yococ compiles decoder-decoder language models ahead of time: a YAML spec and a
// checkpoint become a Go package with assembly kernels and one packed weight file. It also runs,
// checks, measures and scores models, always through the very package that it writes.
//
// It holds flags and printing, and may not hold logic that a test would want: that is in
// internal/driver.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/models"
)

// errFailed is returned by a command that has done its work and found that something does not hold.
var errFailed = errors.New("failed")

// patience is how long a command has to notice an interrupt. What cleans up after itself takes a
// moment; what waits for input would wait for ever.
const patience = time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	s := newScreen()
	done := make(chan int, 1)
	go func() { done <- run(ctx, s, os.Args[1:]) }()
	interrupted := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case status := <-done:
			os.Exit(status)
		case <-interrupted:
			interrupted, late = nil, time.Tick(patience)
		case <-late:
			if !s.generating.Load() { // which ends by itself, with its statistics
				fmt.Fprintln(os.Stderr, "yococ: interrupted")
				os.Exit(2)
			}
		}
	}
}

// run executes a command line and returns the exit status: 0 for success, 1 if what was checked
// does not hold, 2 for bad usage or bad input, for lost output, and for an interrupt.
func run(ctx context.Context, screen *screen, args []string) (status int) {
	debug.SetPanicOnFault(true)
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); fault {
				r = "a file cannot be read any more: it was cut off, or its disk fails"
			}
			screen.clear()
			fmt.Fprintf(os.Stderr, "yococ: %v\n", r)
			if os.Getenv("YOCOC_STACK") != "" {
				os.Stderr.Write(debug.Stack())
			}
			status = 2
		}
	}()
	root := command(screen)
	root.SetArgs(args)
	out := &output{}
	root.SetOut(out)
	err := root.ExecuteContext(ctx)
	screen.clear()
	if out.err != nil && (err == nil || errors.Is(err, errFailed)) {
		err = out.err
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "yococ: interrupted")
		return 2
	}
	text := strings.TrimRight(err.Error(), "\n")
	if placed := models.Errors(nil); !errors.As(err, &placed) { // else every line begins with its place
		text = "yococ: " + text
	}
	fmt.Fprintln(os.Stderr, text)
	return 2
}

func command(s *screen) *cobra.Command {
	root := &cobra.Command{
		Use:   "yococ",
		Short: "An ahead-of-time compiler for decoder-decoder (YOCO) language models",
		Long: `An ahead-of-time compiler for decoder-decoder (YOCO) language models.

The exit status is 0 for success, 1 if what was checked does not hold, 2 for bad usage or bad input.
An interrupt ends the tokens of run cleanly, with the statistics and status 0; whatever else is
interrupted has status 2, and has found and measured nothing.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		PersistentPreRunE: checkNames,
	}
	root.SetVersionTemplate("yococ {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("unknown command %q for %q", rest[0], cmd.CommandPath())
			}
			if err != nil {
				return err
			}
			return cmd.Help()
		},
	})
	root.AddCommand(importCommand(), buildCommand(s), runCommand(s), inspectCommand(), verifyCommand(s), benchCommand(s), evalCommand(s))
	return root
}

// one wants a single argument, and says which.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			name := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
			if len(args) > 1 { // a value after a flag that takes it only with =, as --speculate
				return fmt.Errorf("%s: got %d arguments, %q, want one: %s", name, len(args), args, what)
			}
			return fmt.Errorf("%s: got 0 arguments, want one: %s", name, what)
		}
		if args[0] == "" {
			return fmt.Errorf("got \"\", want %s", what)
		}
		return nil
	}
}

// version is that of the module that the command was built from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
