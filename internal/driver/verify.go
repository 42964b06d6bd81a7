package driver

import (
	"fmt"
	"math"
	"slices"

	"github.com/yococ/yococ/ir"
	rt "github.com/yococ/yococ/runtime"
)

// Verification is what came of comparing a model with a golden folder.
type Verification struct {
	OK    bool   `json:"ok"`
	Cases []Case `json:"cases"`
}

// Case is one prompt of a golden folder.
type Case struct {
	Name        string  `json:"name"`
	LogitDiff   float64 `json:"max_abs_logit_diff"`
	CacheDiff   float64 `json:"max_rel_cache_diff"` // max|a-b| / max|b| of the worst cache or state
	GreedyEqual int     `json:"greedy_equal"`
	GreedyTotal int     `json:"greedy_total"`
	OK          bool    `json:"ok"`

	Notes []string `json:"-"` // what does not hold, or was let pass, in words
}

const (
	// cacheBar bounds CacheDiff for states and caches that are kept in float32.
	cacheBar = 1e-4
	// bf16Bar is what rounding a number to bfloat16 may change of it, relative to the largest.
	bf16Bar = 1.0 / 256
	// q8Bar is what rounding a row to 127 steps of either sign may change of a number: half a step.
	q8Bar = 1.0 / 254
	// q4Near and q4Far bound what rounding a row to 4-bit codes may change of its length, as its largest magnitude is 127: it
	// is first rounded to integers, which costs 0.5, and those are at most 6 from a level or, from 49 on, 0.143 of themselves.
	// So each errs by at most 6.5 and 0.15 of itself, and a row of n by sqrt(n)*6.5 and 0.15 of its length, which is at
	// least 127. A factor for the whole row, its scale, makes that less.
	q4Near, q4Far = 6.5 / 127, 0.15
	// plainTolerance is for golden folders that do not say how far a float32 evaluation is off.
	plainTolerance = 6e-4
)

// Tolerance is how far logits may be off where nothing else is asked for: ten times what a
// float32 evaluation in another program differs by.
func (g *Golden) Tolerance() float64 {
	var worst float64
	for _, p := range g.Prompts {
		worst = max(worst, p.Diff)
	}
	if worst == 0 {
		return plainTolerance
	}
	return 10 * worst
}

// Context is the length of a session that holds any of the cases.
func (g *Golden) Context() int {
	n := 0
	for _, p := range g.Prompts {
		n = max(n, len(p.Tokens)+len(p.Greedy))
	}
	return n
}

// Verify runs every case of a golden folder: logits of every row and of the last, caches and
// states after the prompt, and what follows it when always the most probable token is taken.
func (r *Runner) Verify(g *Golden, tolerance float64, p Progress) (*Verification, error) {
	v := &Verification{OK: true}
	for i := range g.Prompts {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		p.tell("cases", int64(i), int64(len(g.Prompts)))
		c := &checker{r: r, g: g, i: i, prompt: &g.Prompts[i], tolerance: tolerance}
		if err := c.run(); err != nil {
			return nil, fmt.Errorf("case %s: %w", c.Name, err)
		}
		v.OK = v.OK && c.OK
		v.Cases = append(v.Cases, c.Case)
	}
	return v, nil
}

// A checker checks one case.
type checker struct {
	Case
	r         *Runner
	g         *Golden
	i         int
	prompt    *GoldenPrompt
	tolerance float64
}

func (c *checker) run() error {
	tokens := c.prompt.Tokens
	c.Name = fmt.Sprintf("p%d T=%d", c.i, len(tokens))
	c.OK = true
	for _, t := range tokens {
		if int(t) >= c.r.Info.Vocab || t < 0 {
			return fmt.Errorf("token %d is not in the vocabulary of %d: the golden folder belongs to another model", t, c.r.Info.Vocab)
		}
	}
	if err := c.everyRow(); err != nil {
		return err
	}
	if err := c.r.Reset(); err != nil {
		return err
	}
	if _, err := c.r.Prefill(tokens, nil); err != nil {
		return err
	}
	logits, err := c.r.Logits()
	if err != nil {
		return err
	}
	if err := c.logits("logits_last", logits, c.g.Tensor(c.i, "logits_last")); err != nil {
		return err
	}
	if err := c.states(); err != nil {
		return err
	}
	if err := c.greedy(logits); err != nil {
		return err
	}
	switch {
	case math.IsNaN(c.LogitDiff):
		c.fail("logits are not numbers: most likely the checkpoint or the golden folder holds NaN or infinite values")
	case c.LogitDiff > c.tolerance:
		c.fail("logits differ by %.3g, want at most %.3g", c.LogitDiff, c.tolerance)
	}
	c.LogitDiff, c.CacheDiff = finite(c.LogitDiff), finite(c.CacheDiff)
	return nil
}

func (c *checker) fail(format string, args ...any) {
	c.OK = false
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// logits takes the difference of some logits into account.
func (c *checker) logits(what string, got []float32, want []float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s: %d logits, the golden folder has %d: it belongs to another model", what, len(got), len(want))
	}
	diff, _ := compare(got, want)
	c.LogitDiff = worse(c.LogitDiff, diff)
	return nil
}

// everyRow compares the logits of all rows, which early exit does not compute.
func (c *checker) everyRow() error {
	want := c.g.Tensor(c.i, "logits")
	if want == nil {
		return nil
	}
	if rows := len(c.prompt.Tokens); len(want) != rows*c.r.Info.Vocab {
		return fmt.Errorf("logits: %d rows of %d, the golden folder has %d numbers: it belongs to another model", rows, c.r.Info.Vocab, len(want))
	}
	if err := c.r.Reset(); err != nil {
		return err
	}
	return c.r.ScoreRows(c.prompt.Tokens, func(row int, logits []float32) error {
		n := len(logits)
		return c.logits("logits", logits, want[row*n:(row+1)*n])
	})
}

// states compares the shared cache and the self-decoder's states after the prompt.
func (c *checker) states() error {
	tensors, err := c.r.Export()
	if err != nil {
		return err
	}
	for _, name := range c.g.States(c.i) {
		want := c.g.Tensor(c.i, name)
		at := slices.IndexFunc(tensors, func(t rt.Tensor) bool { return t.Name == name })
		if at < 0 {
			c.fail("%s is in the golden folder, and the model has no such state", name)
			continue
		}
		t := tensors[at]
		if len(t.Data) != len(want) {
			return fmt.Errorf("%s has %d elements %v, the golden folder's %d: it belongs to another model", name, len(t.Data), t.Shape, len(want))
		}
		diff, largest := compare(t.Data, want)
		if largest > 0 {
			diff /= largest
		}
		c.CacheDiff = worse(c.CacheDiff, diff)
		bar, of := cacheBar, "of its largest element"
		if name == "shared_k" || name == "shared_v" {
			switch c.r.Model.Package.Plan.CacheElem {
			case ir.BF16:
				bar += bf16Bar
			case ir.Q8:
				bar += q8Bar
			case ir.Q4:
				diff, bar = farthest(t.Data, want, t.Shape[len(t.Shape)-1]), bar+q4Bar(t.Shape[len(t.Shape)-1])
				of = "of the length of its farthest row"
			}
		}
		if c.r.Model.Package.Plan.Rounds() { // an error in a sum cannot be told from rounded factors
			bar = math.MaxFloat64
		}
		if !(diff <= bar) { // NaN is not
			c.fail("%s differs by %.3g %s, want at most %.3g", name, diff, of, bar)
		}
	}
	return nil
}

// greedy follows the model's own choices. Where another choice is as good as the tolerance can
// tell, the golden one is followed from there on.
func (c *checker) greedy(logits []float32) error {
	c.GreedyTotal = len(c.prompt.Greedy)
	follow := c.g.Tensor(c.i, "decode_logits")
	if n := c.r.Info.Vocab; len(follow)%n != 0 {
		return fmt.Errorf("decode_logits: rows of %d, the golden folder has %d numbers: it belongs to another model", n, len(follow))
	}
	for step, want := range c.prompt.Greedy {
		got := largest(logits)
		switch {
		case got == want:
			c.GreedyEqual++
		case step < len(c.prompt.Gaps) && c.prompt.Gaps[step] < c.tolerance:
			c.Notes = append(c.Notes, fmt.Sprintf("greedy step %d: token %d for %d, let pass: the gap is %.3g", step, got, want, c.prompt.Gaps[step]))
		default:
			c.fail("greedy step %d: token %d, want %d", step, got, want)
			return nil
		}
		if step == c.GreedyTotal-1 {
			break
		}
		var err error
		if logits, err = c.r.Decode(want); err != nil {
			return err
		}
		if n := len(logits); len(follow) >= (step+1)*n {
			if err := c.logits("decode_logits", logits, follow[step*n:(step+1)*n]); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare returns the largest difference, NaN if there is one, and the largest element of want.
func compare(got []float32, want []float64) (diff, largest float64) {
	for i, w := range want {
		diff = worse(diff, math.Abs(float64(got[i])-w))
		largest = max(largest, math.Abs(w))
	}
	return diff, largest
}

// q4Bar is what rounding a row of n elements to 4-bit codes may change of its length. Keys are turned before that, which
// changes no length.
func q4Bar(n int) float64 { return math.Sqrt(float64(n)*q4Near*q4Near) + q4Far }

// farthest returns the largest distance of rows of n elements, each relative to the length of want's; NaN if there is one.
func farthest(got []float32, want []float64, n int) (far float64) {
	for r := 0; r+n <= len(want); r += n {
		var off, all float64
		for i, w := range want[r:][:n] {
			off += (float64(got[r+i]) - w) * (float64(got[r+i]) - w)
			all += w * w
		}
		if off != 0 {
			far = worse(far, math.Sqrt(off/all))
		}
	}
	return far
}

// worse is the larger of two differences; NaN is worse than anything.
func worse(a, b float64) float64 {
	if a != a || b != b {
		return math.NaN()
	}
	return max(a, b)
}

// finite is x, or the largest number there is: JSON has neither NaN nor infinity.
func finite(x float64) float64 {
	if math.IsNaN(x) {
		return math.MaxFloat64
	}
	return min(x, math.MaxFloat64)
}

// largest is the index of the largest logit, the lowest of equal ones.
func largest(logits []float32) int32 {
	best := 0
	for i, x := range logits {
		if x > logits[best] {
			best = i
		}
	}
	return int32(best)
}
