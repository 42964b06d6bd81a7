package driver

import (
	"fmt"
	"slices"
	"strings"
)

// A heat is the cases as a table: a row a depth, a column a length.
type heat struct {
	lengths, depths []int
	cases           []NeedleCase // by length, then by depth
}

func newHeat(n *Needle) heat {
	h := heat{cases: n.Cases}
	for _, c := range n.Cases {
		h.lengths, h.depths = append(h.lengths, c.Tokens), append(h.depths, c.Depth)
	}
	slices.Sort(h.lengths)
	slices.Sort(h.depths)
	h.lengths, h.depths = slices.Compact(h.lengths), slices.Compact(h.depths)
	return h
}

func (h heat) at(depth, length int) NeedleCase { return h.cases[length*len(h.depths)+depth] }

// worst is the largest difference of logits.
func (h heat) worst() (diff float64) {
	for _, c := range h.cases {
		diff = max(diff, c.MaxDiff)
	}
	return diff
}

// Table is the result for a terminal: a row a depth, a column a length, darker where more is found.
func (n *Needle) Table() string {
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

// SVG is the table as a picture, from red, nothing found, to green, all of it.
func (n *Needle) SVG() string {
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
