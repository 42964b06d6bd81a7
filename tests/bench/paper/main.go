// Command paper repeats the measurements of section 4.4 of arXiv 2405.05254 with models that yococ compiles: the
// memory, the prefill time and the throughput of a YOCO beside a plain Transformer, by the length of the context.
//
//	go run ./tests/bench/paper --out FOLDER --max 65536
//
// Every measurement is a process of its own, yococ bench with random weights, and a file in the folder as soon
// as it is done. What is there already is not measured again, so the command can be ended at any time and run
// once more, with a larger --max or --patience. The report, FOLDER/report.md with its pictures, is written anew
// after each. Lengths that would take longer than --patience, or more memory than --memory, are left out; the
// report says what the law foretells for them that was fitted to what was measured, and says that it does.
//
// It may not compute anything of a model, nor import anything of ours: it runs the command as any user would.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "paper:", err)
		os.Exit(2)
	}
}

// options are the flags.
type options struct {
	settings
	out, command string
	min, max     int
	patience     time.Duration
	memory       int64
	report       bool
}

func parse(args []string) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("paper", flag.ContinueOnError)
	fs.StringVar(&o.out, "out", "", "`FOLDER` of measurements and report")
	fs.StringVar(&o.command, "command", "", "the yococ `COMMAND`; built from this module into the folder if there is none")
	fs.StringVar(&o.Yoco, "yoco", "models/yoco-160m.yaml", "`SPEC` of the YOCO")
	fs.StringVar(&o.Transformer, "transformer", "models/transformer-160m.yaml", "`SPEC` of the Transformer")
	fs.StringVar(&o.Weights, "weights", "bf16", "`FORMAT` of both models' weights")
	fs.StringVar(&o.Activations, "activations", "", "`FORMAT` of their activations (default bf16 with weights in bf16, else the weights' own)")
	fs.StringVar(&o.KV, "kv", "bf16", "`FORMAT` of their caches")
	fs.IntVar(&o.Threads, "threads", 0, "`N` workers (default all processors, at most 16)")
	fs.IntVar(&o.min, "min", 1<<10, "the shortest context, in `TOKENS`")
	fs.IntVar(&o.max, "max", 1<<15, "the longest context, in `TOKENS`: lengths double")
	fs.DurationVar(&o.patience, "patience", 2*time.Minute, "`TIME` for one measurement at the most, as far as it can be foretold")
	fs.Int64Var(&o.memory, "memory", 0, "`BYTES` that a model may take (default three quarters of what is free)")
	fs.BoolVar(&o.report, "report", false, "measure nothing, write the report")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if o.Activations == "" && o.Weights == "bf16" {
		o.Activations = "bf16"
	}
	if o.memory == 0 {
		o.memory = available() / 4 * 3
	}
	switch {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unknown argument %q", fs.Arg(0))
	case o.out == "":
		return nil, errors.New("--out FOLDER is missing")
	case o.min < 1 || o.max < o.min:
		return nil, fmt.Errorf("--min %d --max %d: want 1 or more, and no less", o.min, o.max)
	}
	return o, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	f, err := open(o.out, o.settings)
	if err != nil {
		return err
	}
	if !o.report {
		if o.command == "" {
			if o.command, err = build(ctx, o.out); err != nil {
				return err
			}
		}
		if err := measure(ctx, o, f); err != nil {
			return err
		}
	}
	return writeReport(f)
}

// build makes the yococ command of the module in which this one runs.
func build(ctx context.Context, dir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, "yococ"))
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/yococ/yococ/cmd/yococ").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return path, nil
}

// available is the memory that programs can still have, in bytes, or where the system does not tell 4 GB.
func available() int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	return 4 << 30
}
