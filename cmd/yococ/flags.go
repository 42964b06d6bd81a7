package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
)

// modelFlags are the flags that say which model is meant.
type modelFlags struct {
	driver.Options
	seed uint64
	cmd  *cobra.Command
}

// addModelFlags defines the flags that build and every command that runs a model share.
func addModelFlags(cmd *cobra.Command, random bool) *modelFlags {
	f := &modelFlags{cmd: cmd}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.Checkpoint, "checkpoint", "", "folder with the trained tensors `DIR` (default the spec's)")
	if random {
		fs.Uint64Var(&f.seed, "random-weights", 0, "made-up weights of a `SEED` instead of a checkpoint")
	}
	f.addFormats()
	return f
}

func (f *modelFlags) addFormats() {
	fs := f.cmd.Flags()
	fs.StringVar(&f.Weights, "weights", "", "`FORMAT` of the matrices: f32, bf16, q8 or q4 (default the checkpoint's)")
	fs.StringVar(&f.Activations, "activations", "", "`FORMAT` of what matrices multiply: f32, bf16 with bf16 weights, or q8 with q8 and q4 weights (default that, else f32)")
	fs.StringVar(&f.KV, "kv", "f32", "`FORMAT` of caches that grow, the shared one above all: f32, bf16, q8 or q4")
}

// options checks what cobra cannot.
func (f *modelFlags) options() (driver.Options, error) {
	fs := f.cmd.Flags()
	if fs.Changed("random-weights") {
		if fs.Changed("checkpoint") {
			return f.Options, errors.New("--checkpoint and --random-weights: want one of them")
		}
		f.Random = &f.seed
	}
	return f.Options, nil
}

// load reads, binds and compiles the model. needed says that it must have weights.
func (f *modelFlags) load(spec string, needed bool) (*driver.Model, error) {
	o, err := f.options()
	if err != nil {
		return nil, err
	}
	return driver.Load(spec, o, needed)
}

// addRunFlags defines the flags of commands that run a model.
func addRunFlags(cmd *cobra.Command, threads bool) *driver.RunOptions {
	o := &driver.RunOptions{}
	cmd.Flags().StringVar(&o.ISA, "isa", "", "highest instruction-set `LEVEL`: avx512, avx2 or portable (default the best)")
	cmd.Flags().Var(&o.HugePages, "huge-pages", "move the weights to huge pages `WHEN`: background, now or off")
	cmd.Flags().BoolVar(&o.Overcommit, "overcommit", false, "run even if a full context may not find the memory")
	if threads {
		cmd.Flags().IntVar(&o.Threads, "threads", 0, "`N` workers (default all processors, at most 16)")
	}
	return o
}

var invalidFlag = regexp.MustCompile(`^invalid argument (".*") for "((?:-., )?--([a-z-]+))" flag: `)

// flagError says what a flag wants, in place of how its text was parsed.
func flagError(cmd *cobra.Command, err error) error {
	m := invalidFlag.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	f := cmd.Flags().Lookup(m[3])
	want := map[string]string{
		"bool": "true or false", "float32": "a number", "float64": "a number", "int": "an integer",
		"intSlice": "integers with commas between them", "uint64": "an integer from 0", "when": "background, now or off",
	}[f.Value.Type()]
	if errors.Is(err, strconv.ErrRange) {
		want += " of at most 64 bits"
	}
	return fmt.Errorf("%s %s: want %s", m[2], m[1], want)
}

// checkNames refuses flags that name something by nothing, as a shell has it where a variable is not set: what goes without
// the flag is not what was asked for.
func checkNames(cmd *cobra.Command, _ []string) error {
	for _, name := range []string{
		"checkpoint", "output", "dump-ir", "package", "save", "restore", "text", "golden", "svg", "html", "weights", "activations", "kv", "isa",
	} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			what, _, _ := strings.Cut(f.Usage[strings.Index(f.Usage, "`")+1:], "`")
			return fmt.Errorf("--%s \"\": want %s", name, what)
		}
	}
	return nil
}

// checkThreads refuses what no session could have.
func checkThreads(n int) error {
	if n < 0 || n > 1024 {
		return fmt.Errorf("--threads %d: want 1 to 1024, or 0 for all processors", n)
	}
	return nil
}
