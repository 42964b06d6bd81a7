package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
)

func needleCommand(s *screen) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "needle SPEC.yaml",
		Short: "Score whether a model finds in a long text what was said once",
		Long: `Hide needles at depths of long texts, haystacks, and ask for them: numbers of cities, or of a model without
a tokenizer the keys and values that the golden.json beside its checkpoint tells. Each haystack is read
once and has the needles of all depths in it. A needle is found if every token of its answer is the most
probable one. Beside it stands how far the logits of the answers are from those with the cache in f32.`,
		Args: one("SPEC.yaml"),
	}
	f := addModelFlags(cmd, false)
	e := &evaluation{screen: s, session: addRunFlags(cmd, true)}
	var o driver.NeedleOptions
	var asJSON bool
	var svg string
	fs := cmd.Flags()
	fs.IntSliceVar(&o.Lengths, "lengths", []int{1 << 10, 1 << 12, 1 << 14}, "haystacks of `TOKENS,…`")
	fs.IntSliceVar(&o.Depths, "depths", []int{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}, "needles behind `PERCENT,…` of the haystack")
	fs.IntVar(&o.Count, "needles", 1, "`N` needles at every depth")
	fs.StringVar(&svg, "svg", "", "write a picture of the result to `FILE`")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := checkNeedles(o); err != nil {
			return err
		}
		if err := checkThreads(e.session.Threads); err != nil {
			return err
		}
		e.spec = args[0]
		if e.options, err = f.options(); err != nil {
			return err
		}
		n, err := e.needle(cmd, o)
		if err != nil {
			return err
		}
		s.clear()
		if svg != "" {
			if err := driver.WriteOutput(svg, []byte(needleSVG(n))); err != nil {
				return err
			}
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), n)
		}
		fmt.Fprint(cmd.OutOrStdout(), needleText(n))
		return nil
	}
	return cmd
}

func checkNeedles(o driver.NeedleOptions) error {
	for _, n := range o.Lengths {
		if n < 1 || n > driver.MaxContext {
			return fmt.Errorf("--lengths %d: want 1 to %d", n, driver.MaxContext)
		}
	}
	for _, d := range o.Depths {
		if d < 0 || d > 100 {
			return fmt.Errorf("--depths %d: want 0 to 100", d)
		}
	}
	switch {
	case len(o.Lengths) == 0:
		return errors.New("--lengths: want one or more")
	case len(o.Depths) == 0:
		return errors.New("--depths: want one or more")
	case o.Count < 1:
		return fmt.Errorf("--needles %d: want 1 or more", o.Count)
	}
	return nil
}

// needle runs the model, beside itself with a cache in f32 if it has another.
func (e *evaluation) needle(cmd *cobra.Command, o driver.NeedleOptions) (*driver.Needle, error) {
	m, err := driver.Load(e.spec, e.options, true)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if e.codec, err = driver.NewText(m.Spec); err != nil {
		return nil, err
	}
	needles, err := driver.NewNeedles(m, e.codec, o)
	if err != nil {
		return nil, err
	}
	e.session.Context = needles.Context()
	r, err := e.start(cmd.Context(), m)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var ref *driver.Runner
	if kv := e.options.KV; kv != "" && kv != "f32" {
		same := e.options
		same.KV = "f32"
		running, err := e.run(cmd.Context(), same)
		if err != nil {
			return nil, err
		}
		defer running.Close()
		ref = running.Runner
	}
	return r.Needle(ref, needles, e.screen.progress)
}

// A heat is the cases as a table: a row a depth, a column a length.
type heat struct {
	lengths, depths []int
	cases           []driver.NeedleCase // by length, then by depth
}

func newHeat(n *driver.Needle) heat {
	h := heat{cases: n.Cases}
	for _, c := range n.Cases {
		h.lengths, h.depths = append(h.lengths, c.Tokens), append(h.depths, c.Depth)
	}
	slices.Sort(h.lengths)
	slices.Sort(h.depths)
	h.lengths, h.depths = slices.Compact(h.lengths), slices.Compact(h.depths)
	return h
}

func (h heat) at(depth, length int) driver.NeedleCase { return h.cases[length*len(h.depths)+depth] }

// worst is the largest difference of logits.
func (h heat) worst() (diff float64) {
	for _, c := range h.cases {
		diff = max(diff, c.MaxDiff)
	}
	return diff
}

// needleText is the table for a terminal, fuller where more is found.
func needleText(n *driver.Needle) string {
	var b strings.Builder
	h := newHeat(n)
	width := len(" tokens") + len(fmt.Sprint(h.lengths[len(h.lengths)-1]))
	width = max(width, len([]rune("██ "))+len(fmt.Sprintf("%d of %[1]d", h.cases[0].Asked)))
	line := func(first string, cell func(length int) string) {
		text := fmt.Sprintf("%5s", first)
		for i := range h.lengths {
			text += fmt.Sprintf("  %-*s", width, cell(i))
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	line("depth", func(i int) string { return fmt.Sprintf("%d tokens", h.lengths[i]) })
	for d, depth := range h.depths {
		line(fmt.Sprintf("%3d%%", depth), func(i int) string {
			c := h.at(d, i)
			shade := []string{"··", "░░", "▒▒", "▓▓", "██"}[4*c.Found/c.Asked]
			return fmt.Sprintf("%s %d of %d", shade, c.Found, c.Asked)
		})
	}
	fmt.Fprintf(&b, "found %d of %d; logits differ from those with the cache in f32 by at most %.3g\n", n.Found, n.Asked, h.worst())
	return b.String()
}

// needleSVG is the table as a picture, from red, nothing found, to green, all of it.
func needleSVG(n *driver.Needle) string {
	const cellW, cellH, left, head = 84, 26, 56, 34
	h := newHeat(n)
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n",
		left+cellW*len(h.lengths)+10, head+cellH*len(h.depths)+32)
	text := func(x, y int, s string) { fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\">%s</text>\n", x, y, s) }
	for i, length := range h.lengths {
		text(left+cellW*i+cellW/2, head-10, fmt.Sprint(length))
	}
	for d, depth := range h.depths {
		y := head + cellH*d
		text(left/2, y+17, fmt.Sprintf("%d%%", depth))
		for i, length := range h.lengths {
			c := h.at(d, i)
			fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"hsl(%d,65%%,70%%)\" stroke=\"white\"><title>%d%%, %d tokens: %d of %d</title></rect>\n",
				left+cellW*i, y, cellW, cellH, 120*c.Found/c.Asked, depth, length, c.Found, c.Asked)
			text(left+cellW*i+cellW/2, y+17, fmt.Sprintf("%d of %d", c.Found, c.Asked))
		}
	}
	text(left+cellW*len(h.lengths)/2, head+cellH*len(h.depths)+20, "needles found, by depth and tokens")
	b.WriteString("</svg>\n")
	return b.String()
}
