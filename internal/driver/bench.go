package driver

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/runtime/host"
	"github.com/yococ/yococ/runtime/host/probe"
)

// Bench is what was measured of a model on a machine.
type Bench struct {
	CPU          string        `json:"cpu"`
	ISA          string        `json:"isa"`
	Results      []BenchResult `json:"results"`
	WeightsBytes int64         `json:"weights_bytes"`
	PeakRSS      int64         `json:"peak_rss_bytes"`
	Promised     int64         `json:"promised_bytes"`  // what inspect says of the test that takes the most
	HugeBytes    int64         `json:"huge_page_bytes"` // of the weights
	Instructions []string      `json:"instructions"`    // whose peak is the limit of prefill
}

// BenchResult is the speed of one test.
type BenchResult struct {
	Test          string   `json:"test"` // pp512: prefill of 512 tokens and logits; tg128: 128 single decodes; tg128@b4: of 4 sessions each, together
	Depth         int      `json:"depth"`
	Synthetic     bool     `json:"synthetic_depth"` // the tokens before are made up, and have not gone through the model
	Threads       int      `json:"threads"`
	TokensPerS    float64  `json:"tokens_per_s"`
	Stddev        float64  `json:"stddev"`
	GFLOPs        float64  `json:"gflops"`         // operations a second: see cost
	GBytesPerS    float64  `json:"gbytes_per_s"`   // read: see cost
	LimitFraction *float64 `json:"limit_fraction"` // of what probes reach at its side, the repetitions' median
}

// BenchOptions are the tests: every combination of a test, a depth and a number of threads.
type BenchOptions struct {
	PP, TG, Depths, Threads []int
	Batch                   []int // sessions that decode together; none: one alone
	Reps                    int   // of every test, after a warm-up
	Synthetic               bool  // depths are made up
	RunOptions
}

const (
	MaxBatch = 1024 // sessions that decode together in a test
	MaxReps  = 1000 // repetitions of a test
)

// Bench measures a model's speed. Its sessions are as long as the tests need.
func (r *Runner) Bench(o BenchOptions, p Progress) (*Bench, error) {
	b := &Bench{CPU: cpu()}
	for _, threads := range o.Threads {
		for _, depth := range o.Depths {
			for _, test := range tests(o) {
				if err := r.ctx.Err(); err != nil {
					return nil, err
				}
				test.Depth, test.Synthetic, test.Reps, test.Arithmetic = depth, o.Synthetic && depth > 0, o.Reps, arithmetic(r.Model.Package.Plan)
				p.tell(fmt.Sprintf("%s at depth %d with %d threads", label(test), depth, Threads(threads)), 0, 0)
				run := o.RunOptions
				run.Threads, run.Context = Threads(threads), room(test)
				if err := r.Open(run); err != nil {
					return nil, err
				}
				measured, err := r.Client.Bench(test)
				if err != nil {
					return nil, err
				}
				b.Results = append(b.Results, result(r.Model.Package.Plan, test, measured, r.Info.Options.Threads))
				b.Promised = max(b.Promised, NewMemory(r.Model, run.Threads).Batch(run.Context, max(test.Batch, 1)))
				b.HugeBytes = measured.HugeBytes
			}
		}
	}
	for _, a := range arithmetic(r.Model.Package.Plan) {
		b.Instructions = append(b.Instructions, probe.Instruction(r.Info.Options.ISA, a.Kind))
	}
	stats, err := r.Stats()
	b.ISA, b.WeightsBytes, b.PeakRSS = r.Info.Options.ISA, r.Info.WeightsBytes, stats.PeakRSS
	return b, err
}

func tests(o BenchOptions) []host.BenchRequest {
	var ts []host.BenchRequest
	for _, n := range o.PP {
		ts = append(ts, host.BenchRequest{PP: n})
	}
	for _, batch := range o.Batch {
		for _, n := range o.TG {
			ts = append(ts, host.BenchRequest{TG: n, Batch: batch})
		}
	}
	return ts
}

func label(t host.BenchRequest) string {
	if t.PP > 0 {
		return fmt.Sprintf("pp%d", t.PP)
	}
	if t.Batch > 1 {
		return fmt.Sprintf("tg%d@b%d", t.TG, t.Batch)
	}
	return fmt.Sprintf("tg%d", t.TG)
}

// room is the context of a test: at a depth repetitions follow one another. It is not below the batch, since
// the sessions of one pass are not more than the tokens of one.
func room(t host.BenchRequest) int {
	n := t.PP + t.TG
	if t.Depth == 0 {
		return max(n, t.Batch)
	}
	return t.Depth + (t.Reps+1)*n
}

func result(p *plan.Plan, t host.BenchRequest, measured host.BenchResult, threads int) BenchResult {
	reps, n, costs := measured.PP, t.PP, prefillCost
	if t.TG > 0 {
		reps, n, costs = measured.TG, t.TG, decodeCost
	}
	sessions := max(t.Batch, 1)
	var all cost
	var speeds, parts []float64
	for i, rep := range reps {
		at := 0
		if t.Depth > 0 {
			at = t.Depth + i*n
		}
		c := costs(p, at, n).batch(p, n, sessions)
		all.add(c)
		speeds = append(speeds, float64(n*sessions)/rep.Time.Seconds())
		if part := c.part(rep); part > 0 {
			parts = append(parts, part)
		}
	}
	mean, stddev := spread(speeds)
	tokens := float64(n * sessions * len(reps))
	r := BenchResult{
		Test: label(t), Depth: t.Depth, Synthetic: t.Synthetic, Threads: threads, TokensPerS: mean, Stddev: stddev,
		GFLOPs: all.flops / tokens * mean / 1e9, GBytesPerS: all.bytes / tokens * mean / 1e9,
	}
	if len(parts) > 0 {
		slices.Sort(parts)
		r.LimitFraction = &parts[len(parts)/2]
	}
	return r
}

// part is how close a repetition of that cost came to the limit that was nearer, 0 if none was probed.
func (c cost) part(rep host.BenchRep) (part float64) {
	if rep.Operations > 0 {
		part = c.flops / rep.Operations
	}
	if rep.Bytes > 0 {
		part = max(part, c.bytes/rep.Bytes)
	}
	return part
}

// spread is the mean of some numbers, and their standard deviation.
func spread(xs []float64) (mean, stddev float64) {
	n := float64(len(xs))
	for _, x := range xs {
		mean += x / n
	}
	for _, x := range xs {
		stddev += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(stddev / max(n-1, 1))
}

// cpu is the processor's name, where the system tells it.
func cpu() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
