package driver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/yococ/yococ/ir/plan"
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/host"
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/weights"
)

// Progress is told what is going on: done of total bytes, tokens or windows, total 0 where nobody
// knows. It is called often, and may be nil.
type Progress func(what string, done, total int64)

func (p Progress) tell(what string, done, total int64) {
	if p != nil {
		p(what, done, total)
	}
}

// RunOptions are what a command line says about running a model.
type RunOptions struct {
	Context int    // tokens that the session holds; 0 is the model's own
	Threads int    // 0 is all processors, at most 16
	ISA     string // highest instruction-set level; "" is the best
	Verify  bool   // compare the packed weights with their checksums and the checkpoint first

	HugePages  HugePages
	Overcommit bool   // run even if a full context may not find the memory
	Restore    string // file of a saved session to go on with
}

// MaxSpeculate is how many tokens a pass can try: it has the logits after each, and those after the token before them.
const MaxSpeculate = plan.HeadRows - 1

// HugePages says when weights are moved to huge pages; the zero value is in the background.
type HugePages weights.Huge

var hugePages = map[weights.Huge]string{weights.InBackground: "background", weights.AtOnce: "now", weights.Never: "off"}

// String is the name that Set takes.
func (h HugePages) String() string { return hugePages[weights.Huge(h)] }

// Set takes background, now or off.
func (h *HugePages) Set(name string) error {
	for value, known := range hugePages {
		if name == known {
			*h = HugePages(value)
			return nil
		}
	}
	return errors.New("want background, now or off")
}

// Type is what the command line calls such a value.
func (HugePages) Type() string { return "when" }

// Threads is n, or the number of workers that a session has if n is 0.
func Threads(n int) int {
	if n == 0 {
		return min(runtime.GOMAXPROCS(0), 16)
	}
	return n
}

// A Runner is a compiled model with a session, in a process of its own. Close it.
type Runner struct {
	*host.Client
	Model *Model
	Info  host.Info

	weights string
	held    *os.File        // the weights: they stay in the cache
	ctx     context.Context // of Run: canceling it ends the call that is under way
	stop    func() bool
}

// Run compiles and packs what the cache has not, starts the program and opens a session. When ctx
// ends, the call that is under way is canceled.
func (c *Cache) Run(ctx context.Context, m *Model, o RunOptions, p Progress) (*Runner, error) {
	if _, err := kernel.Cap(o.ISA); err != nil {
		return nil, err
	}
	name := m.Package.Plan.Package
	find := c.Weights
	if o.Verify {
		find = c.VerifiedWeights
	}
	path, held, err := use(func() (string, error) { return find(ctx, m, p) })
	if err != nil {
		return nil, err
	}
	client, err := c.start(ctx, m.Package, func() { p.tell("compiling "+name, 0, 0) })
	if err != nil {
		held.Close()
		return nil, err
	}
	r := &Runner{Client: client, Model: m, weights: path, held: held, ctx: ctx}
	r.stop = context.AfterFunc(ctx, client.Cancel)
	if err := r.Open(o); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Open begins a session with other options, in place of the one before.
func (r *Runner) Open(o RunOptions) (err error) {
	if o.Context == 0 {
		o.Context = r.Model.Spec.Context
	}
	r.Info, err = r.Client.Open(host.OpenRequest{Weights: r.weights, HugePages: weights.Huge(o.HugePages), Options: host.Options{
		Context: o.Context, Threads: Threads(o.Threads), Chunk: Chunk, ISA: o.ISA, Overcommit: o.Overcommit, Checkpoints: -1, // nothing goes back
	}, Restore: o.Restore})
	return err
}

// Close ends the process.
func (r *Runner) Close() error {
	r.stop()
	defer r.held.Close()
	return r.Client.Close()
}

// Fits returns an error if a session that was just opened has no room for a prompt and so many tokens after it.
func (r *Runner) Fits(prompt, more int) error {
	limit, want := r.Info.Options.Context, r.Info.Pos+prompt+more
	switch {
	case want <= limit:
		return nil
	case r.Info.Pos > 0:
		return fmt.Errorf("the saved session has %d tokens, the prompt %d, the context %d: want -c %d or more", r.Info.Pos, prompt, limit, want)
	}
	return fmt.Errorf("the prompt has %d tokens, the context %d: want -c %d or more", prompt, limit, want)
}

// Read adds a prompt to a session that was just opened, and nothing after it.
func (r *Runner) Read(prompt []int32, p Progress) (host.GenerateStats, error) {
	if err := r.Fits(len(prompt), 0); err != nil {
		return host.GenerateStats{}, err
	}
	took, err := r.Prefill(prompt, func(x rt.Progress) { p.tell("prompt", int64(x.Done), int64(x.Total)) })
	p.tell("", 0, 0)
	return host.GenerateStats{PromptTokens: len(prompt), PrefillTime: took}, err
}

// Generate adds a prompt to a session that was just opened and calls each for every token that follows it. The
// statistics are right even with an error.
func (r *Runner) Generate(prompt []int32, s rt.Sampling, p Progress, each func(token int32) error) (host.GenerateStats, error) {
	if err := r.Fits(len(prompt), 1); err != nil {
		return host.GenerateStats{}, err
	}
	read, err := r.Read(prompt, p)
	if err != nil {
		return host.GenerateStats{}, err
	}
	stats, err := r.Client.Generate(host.GenerateRequest{Sampling: s}, func(token int32) error {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		return each(token)
	})
	stats.PromptTokens = read.PromptTokens
	stats.PrefillTime += read.PrefillTime
	return stats, unusable(err)
}

// unusable says of logits that are no numbers where they come from.
func unusable(err error) error {
	if errors.Is(err, rt.ErrLogits) {
		return fmt.Errorf("%w: most likely the checkpoint holds NaN or infinite values", err)
	}
	return err
}
