package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// generated is how many tokens follow a prompt where throughput is told, as in the paper.
const generated = 1024

// published are the paper's figures by length, Transformer / YOCO but for the throughput: 3B models, one H100.
var published = map[int]struct{ memory, prefill, throughput float64 }{
	1 << 15: {1.95, 2.87, 2.72},
	1 << 16: {2.32, 5.05, 2.57},
	1 << 17: {3.01, 8.36, 2.77},
	1 << 18: {4.16, 15.55, 4.37},
	1 << 19: {6.39, 30.3, 9.56},
	1 << 20: {9.38, 71.82, 0},
}

// writeReport makes report.md and its pictures of what the folder has so far.
func writeReport(f *folder) error {
	r := &report{folder: f, laws: map[string]*law{}}
	for _, m := range []string{yoco, transformer} {
		for _, k := range []string{prefill, decode} {
			r.laws[m+k] = f.law(m, k)
		}
	}
	r.lengths = doubling(1<<10, 1<<20)
	for _, m := range f.done {
		r.lengths = append(r.lengths, m.N)
	}
	slices.Sort(r.lengths)
	r.lengths = slices.Compact(r.lengths)
	for _, c := range r.charts() {
		if err := f.write(c.file, []byte(c.svg())); err != nil {
			return err
		}
	}
	return f.write("report.md", []byte(r.markdown()))
}

type report struct {
	*folder
	laws    map[string]*law
	lengths []int
}

// A value is a number that was measured or that a law or plan foretells.
type value struct {
	x        float64 // NaN if nothing is known
	measured bool
}

var unknown = value{x: math.NaN()}

// text is the number, behind a ~ if it was not measured.
func (v value) text(format string) string {
	switch {
	case math.IsNaN(v.x):
		return ""
	case !v.measured:
		return "~" + fmt.Sprintf(format, v.x)
	}
	return fmt.Sprintf(format, v.x)
}

// over is a quotient, measured if both are.
func (v value) over(w value) value { return value{v.x / w.x, v.measured && w.measured} }

// seconds are those of a prefill of n tokens, or of a token behind n.
func (r *report) seconds(model, kind string, n int) value {
	if m := r.at(model, kind, n); m != nil {
		return value{m.seconds(), true}
	}
	if l := r.laws[model+kind]; l.foretells() {
		return value{l.at(n), false}
	}
	return unknown
}

// memory is what a process took at its peak, of as much that was promised. Of two measurements it is the one that
// was nearer to the promise, above it if any was.
func (r *report) memory(model string, n int) (took, promised value) {
	took, promised = unknown, unknown
	if p := r.plans[model]; p != nil && p.bytes(n) > 0 {
		promised = value{float64(p.bytes(n)), false}
	}
	for _, kind := range []string{prefill, decode} {
		m := r.at(model, kind, n)
		if m == nil || m.Peak == 0 || m.Promised == 0 {
			continue
		}
		if part := float64(m.Peak) / float64(m.Promised); !took.measured || part > took.x/promised.x {
			took, promised = value{float64(m.Peak), true}, value{float64(m.Promised), true}
		}
	}
	return took, promised
}

// peak is what was measured, or else promised.
func (r *report) peak(model string, n int) value {
	took, promised := r.memory(model, n)
	if took.measured {
		return took
	}
	return promised
}

// throughput is how many tokens a second are generated behind a prompt, its prefill included.
func (r *report) throughput(model string, n int) value {
	p, d := r.seconds(model, prefill, n), r.seconds(model, decode, n)
	return value{generated / (p.x + generated*d.x), p.measured && d.measured}
}

func (r *report) markdown() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	s := r.settings
	p("# YOCO beside a Transformer, by length\n")
	p("Of %s and %s, random weights; weights %s, activations %s, caches %s%s. Every measurement is a process of its own.\n",
		s.Yoco, s.Transformer, s.Weights, or(s.Activations, "as the weights want"), s.KV, r.machine())
	p("A number behind a ~ was not measured: memory is the planner's, times are those of the laws below. The columns")
	p("*paper* are figures of arXiv 2405.05254 for 3B models on an H100, for comparison of the shape, not of the size.")
	p("Where the machine is shared, speeds change from moment to moment; %% limit compares with probes at the side of each.\n")
	r.sizes(p)
	r.bars(p)
	r.memoryTable(p)
	r.prefillTable(p)
	r.decodeTable(p)
	r.lawTable(p)
	return b.String()
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// machine names processor and workers.
func (r *report) machine() string {
	for _, m := range r.done {
		return fmt.Sprintf("; %s, %s, %d threads", m.CPU, m.ISA, m.Threads)
	}
	return ""
}

func (r *report) sizes(p func(string, ...any)) {
	p("| model | parameters | weights | cache of a token | state |\n|---|---:|---:|---:|---:|")
	for _, m := range []string{yoco, transformer} {
		if x := r.plans[m]; x != nil {
			p("| %s | %.1f M | %.1f MB | %d B | %.2f MB |", r.settings.spec(m), float64(x.Params)/1e6, float64(x.Weights)/1e6, x.CachePerToken, float64(x.State)/1e6)
		}
	}
	p("")
}

// bars are the figures in a sentence each, as far as they were measured.
func (r *report) bars(p func(string, ...any)) {
	p("## In short\n")
	for _, m := range []string{yoco, transformer} {
		worst, above := 0., 0.
		for _, n := range r.lengths {
			if took, promised := r.memory(m, n); took.measured {
				worst = max(worst, math.Abs(1-took.x/promised.x))
				above = max(above, took.x/promised.x-1)
			}
		}
		if worst > 0 {
			p("- Memory of the %s: within %.1f %% of what was promised at every length, at most %.1f %% above.", title(m), 100*worst, 100*above)
		}
	}
	if short, long := r.at(yoco, prefill, 2<<10), r.longest(yoco, prefill); short != nil && long != nil {
		p("- Prefill of %s tokens by YOCO runs at %.2f of its speed with 2K.", size(long.N), long.TokensPerS/short.TokensPerS)
	}
	if long := r.longest(transformer, prefill); long != nil && r.at(yoco, prefill, long.N) != nil {
		p("- At %s tokens, the longest that the Transformer was given, YOCO's prefill takes 1/%.2f of its time.", size(long.N), long.seconds()/r.at(yoco, prefill, long.N).seconds())
	}
	for _, m := range []string{yoco, transformer} {
		least := math.Inf(1)
		at := 0
		for _, n := range r.lengths {
			if d := r.at(m, decode, n); d != nil && n >= 32<<10 && d.Limit > 0 && d.Limit < least {
				least, at = d.Limit, n
			}
		}
		if at > 0 {
			p("- Decoding at 32K and deeper, the %s reads weights and caches at %.0f %% of the speed of a plain read loop or more (the least at %s).", title(m), 100*least, size(at))
		}
	}
	p("")
}

// title is a model's name in a sentence.
func title(model string) string {
	if model == yoco {
		return "YOCO"
	}
	return "Transformer"
}

// longest is the measurement with the most tokens, nil if there is none.
func (r *report) longest(model, kind string) (best *measurement) {
	for _, n := range r.lengths {
		if m := r.at(model, kind, n); m != nil {
			best = m
		}
	}
	return best
}

func (r *report) memoryTable(p func(string, ...any)) {
	p("## Memory\n\n![memory](memory.svg)\n")
	p("Resident memory of the process at its peak, beside what `yococ inspect` promises for it, in MB.\n")
	p("| tokens | YOCO | promised | | Transformer | promised | | Transformer / YOCO | paper |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, n := range r.lengths {
		row := []string{size(n)}
		for _, m := range []string{yoco, transformer} {
			took, promised := r.memory(m, n)
			row = append(row, scaled(took).text("%.1f"), scaled(value{promised.x, true}).text("%.1f"), percent(took, promised))
		}
		row = append(row, r.peak(transformer, n).over(r.peak(yoco, n)).text("%.2fx"), figure(published[n].memory))
		p("| %s |", strings.Join(row, " | "))
	}
	p("")
}

func scaled(v value) value { return value{v.x / 1e6, v.measured} }

// percent is the difference of a measurement from what was promised.
func percent(took, promised value) string {
	if !took.measured {
		return ""
	}
	return fmt.Sprintf("%+.1f %%", 100*(took.x/promised.x-1))
}

func figure(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.2fx", x)
}

func (r *report) prefillTable(p func(string, ...any)) {
	p("## Prefill\n\n![prefill](prefill.svg)\n")
	p("Time until the logits after a prompt are there; %% limit is the share of the peak of the matrices' instruction.\n")
	p("| tokens | YOCO s | tokens/s | %% limit | Transformer s | tokens/s | %% limit | Transformer / YOCO | paper |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, n := range r.lengths {
		row := []string{size(n)}
		for _, m := range []string{yoco, transformer} {
			t := r.seconds(m, prefill, n)
			format := "%.3g"
			if t.x >= 100 {
				format = "%.0f"
			}
			row = append(row, t.text(format), value{float64(n) / t.x, t.measured}.text("%.0f"), r.limit(m, prefill, n))
		}
		row = append(row, r.seconds(transformer, prefill, n).over(r.seconds(yoco, prefill, n)).text("%.2fx"), figure(published[n].prefill))
		p("| %s |", strings.Join(row, " | "))
	}
	p("")
}

func (r *report) limit(model, kind string, n int) string {
	if m := r.at(model, kind, n); m != nil && m.Limit > 0 {
		return fmt.Sprintf("%.0f", 100*m.Limit)
	}
	return ""
}

func (r *report) decodeTable(p func(string, ...any)) {
	p("## Decoding and throughput\n\n![throughput](throughput.svg)\n")
	p("Tokens a second, one by one, behind so many (a synthetic depth: its caches repeat those of 512 tokens); %% limit is the share")
	p("of the speed of a plain read loop at which weights, states and caches are read. Throughput is %d tokens divided by the time of the", generated)
	p("prefill and theirs, of one sequence; the paper's has larger batches.\n")
	p("| tokens | YOCO | %% limit | Transformer | %% limit | YOCO's throughput | Transformer's | YOCO / Transformer | paper |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, n := range r.lengths {
		row := []string{size(n)}
		for _, m := range []string{yoco, transformer} {
			t := r.seconds(m, decode, n)
			row = append(row, value{1 / t.x, t.measured}.text("%.4g"), r.limit(m, decode, n))
		}
		y, t := r.throughput(yoco, n), r.throughput(transformer, n)
		row = append(row, y.text("%.4g"), t.text("%.4g"), y.over(t).text("%.2fx"), figure(published[n].throughput))
		p("| %s |", strings.Join(row, " | "))
	}
	p("")
}

func (r *report) lawTable(p func(string, ...any)) {
	p("## Laws\n")
	p("Seconds by the length n, fitted to what was measured with the least sum of squares of relative differences, no part negative;")
	p("lengths below %s are left out. *foretold* is what the law fitted without the longest length says of that one, relative to its", size(short))
	p("measurement.\n")
	p("| | seconds | fitted to | largest difference | foretold |\n|---|---|---|---:|---:|")
	for _, kind := range []string{prefill, decode} {
		for _, m := range []string{yoco, transformer} {
			l := r.laws[m+kind]
			if !l.foretells() {
				continue
			}
			p("| %s, %s | %s | %d lengths, %s to %s | %.1f %% | %s |", title(m), kind, l.text(), l.points, size(l.from), size(l.to), 100*l.worst, r.foretold(m, kind))
		}
	}
	p("")
}

// foretold compares the longest measurement with the law of the others.
func (r *report) foretold(model, kind string) string {
	ms := r.all(model, kind)
	long, others := ms[len(ms)-1], ms[:len(ms)-1]
	return fmt.Sprintf("%+.1f %%", 100*(fit(others, kind).at(long.N)/long.seconds()-1))
}

// size is a number of tokens for people.
func size(n int) string {
	switch {
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dM", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%dK", n>>10)
	}
	return fmt.Sprint(n)
}
