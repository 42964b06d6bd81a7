package driver

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/runtime/host"
)

// Bench is what was measured of a model on a machine.
type Bench struct {
	CPU          string        `json:"cpu"`
	ISA          string        `json:"isa"`
	Results      []BenchResult `json:"results"`
	WeightsBytes int64         `json:"weights_bytes"`
	PeakRSS      int64         `json:"peak_rss_bytes"`
}

// BenchResult is the speed of one test.
type BenchResult struct {
	Test          string   `json:"test"` // pp512: prefill of 512 tokens and logits; tg128: 128 single decodes; tg128@b4: of 4 sessions each, together
	Depth         int      `json:"depth"`
	Threads       int      `json:"threads"`
	TokensPerS    float64  `json:"tokens_per_s"`
	Stddev        float64  `json:"stddev"`
	GFLOPs        float64  `json:"gflops"`       // operations a second: see cost
	GBytesPerS    float64  `json:"gbytes_per_s"` // read: see cost
	LimitFraction *float64 `json:"limit_fraction"`
}

// BenchOptions are the tests: every combination of a test, a depth and a number of threads.
type BenchOptions struct {
	PP, TG, Depths, Threads []int
	Batch                   []int // sessions that decode together; none: one alone
	RunOptions
}

// MaxBatch is the largest number of sessions that decode together in a test.
const MaxBatch = 1024

// benchReps is how often a test is repeated, after a warm-up.
const benchReps = 5

// Bench measures a model's speed. Its sessions are as long as the tests need.
func (r *Runner) Bench(o BenchOptions, p Progress) (*Bench, error) {
	b := &Bench{CPU: cpu()}
	for _, threads := range o.Threads {
		for _, depth := range o.Depths {
			for _, test := range tests(o) {
				if err := r.ctx.Err(); err != nil {
					return nil, err
				}
				test.Depth, test.Reps = depth, benchReps
				p.tell(fmt.Sprintf("%s at depth %d with %d threads", label(test), depth, Threads(threads)), 0, 0)
				run := o.RunOptions
				run.Threads, run.Context = threads, room(test)
				if err := r.Open(run); err != nil {
					return nil, err
				}
				times, err := r.Client.Bench(test)
				if err != nil {
					return nil, err
				}
				b.Results = append(b.Results, result(r.Model.Package.Plan, test, times, r.Info.Options.Threads))
			}
		}
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

// room is the context of a test: at a depth repetitions follow one another.
func room(t host.BenchRequest) int {
	n := t.PP + t.TG
	if t.Depth == 0 {
		return n
	}
	return t.Depth + (t.Reps+1)*n
}

func result(p *plan.Plan, t host.BenchRequest, times host.BenchResult, threads int) BenchResult {
	list, n, costs := times.PP, t.PP, prefillCost
	if t.TG > 0 {
		list, n, costs = times.TG, t.TG, decodeCost
	}
	sessions := max(t.Batch, 1)
	var c cost
	for i := range list {
		at := 0
		if t.Depth > 0 {
			at = t.Depth + i*n
		}
		c.add(costs(p, at, n).batch(p, n, sessions))
	}
	mean, stddev := rate(list, n*sessions)
	tokens := float64(n * sessions * len(list))
	return BenchResult{
		Test: label(t), Depth: t.Depth, Threads: threads, TokensPerS: mean, Stddev: stddev,
		GFLOPs: c.flops / tokens * mean / 1e9, GBytesPerS: c.bytes / tokens * mean / 1e9,
	}
}

// rate is the mean of the repetitions' tokens a second, and their standard deviation.
func rate(times []time.Duration, tokens int) (mean, stddev float64) {
	n := float64(len(times))
	for _, t := range times {
		mean += float64(tokens) / t.Seconds() / n
	}
	for _, t := range times {
		d := float64(tokens)/t.Seconds() - mean
		stddev += d * d
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
