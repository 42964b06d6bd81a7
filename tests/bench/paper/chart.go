package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// A chart has lengths from left to right and something of them upwards, both in powers.
type chart struct {
	file, title, unit string
	lines             []line
}

// A line is of values by length; where they were measured it has dots, elsewhere it is dashed.
type line struct {
	name, color string
	values      map[int]value
}

const (
	blue = "#2060c0"
	red  = "#c03020"
)

func (r *report) charts() []chart {
	of := func(f func(model string, n int) value) []line {
		lines := []line{{"YOCO", blue, map[int]value{}}, {"Transformer", red, map[int]value{}}}
		for i, m := range []string{yoco, transformer} {
			for _, n := range r.lengths {
				if v := f(m, n); v.x > 0 {
					lines[i].values[n] = v
				}
			}
		}
		return lines
	}
	return []chart{
		{"memory.svg", "memory", "MB", of(func(m string, n int) value { return scaled(r.peak(m, n)) })},
		{"prefill.svg", "prefill", "s", of(func(m string, n int) value { return r.seconds(m, prefill, n) })},
		{"throughput.svg", "throughput", "tokens/s", of(r.throughput)},
	}
}

const (
	width, height     = 640, 400
	left, right       = 70, 20
	above, below      = 34, 44
	plotted, upwards  = width - left - right, height - above - below
	smallest, largest = 1e-9, 1e15 // of what a chart shows
)

// span gives the powers between which all values lie, of 2 for lengths and of 10.
func (c *chart) span() (x0, x1, y0, y1 float64) {
	x0, x1, y0, y1 = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, l := range c.lines {
		for n, v := range l.values {
			x, y := math.Log2(float64(n)), math.Log10(min(max(v.x, smallest), largest))
			x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
		}
	}
	if x0 > x1 {
		return 10, 20, 0, 1
	}
	y0, y1 = math.Floor(y0), math.Ceil(y1)
	return x0, max(x1, x0+1), y0, max(y1, y0+1)
}

func (c *chart) svg() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	x0, x1, y0, y1 := c.span()
	x := func(n int) float64 { return left + plotted*(math.Log2(float64(n))-x0)/(x1-x0) }
	y := func(v float64) float64 {
		return above + upwards*(y1-math.Log10(min(max(v, smallest), largest)))/(y1-y0)
	}
	p(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`, width, height)
	p(`<rect width="%d" height="%d" fill="white"/>`, width, height)
	p(`<text x="%d" y="20" font-size="14">%s, %s, by tokens of context</text>`, left, c.title, c.unit)
	for e := math.Ceil(x0); e <= x1; e++ {
		at := x(1 << int(e))
		p(`<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>`, at, above, at, above+upwards)
		p(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, at, above+upwards+18, size(1<<int(e)))
	}
	for e := y0; e <= y1; e++ {
		v := math.Pow(10, e)
		p(`<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`, left, y(v), left+plotted, y(v))
		p(`<text x="%d" y="%.1f" text-anchor="end">%.4g</text>`, left-6, y(v)+4, v)
	}
	for i, l := range c.lines {
		p(`<text x="%d" y="%d" fill="%s">%s</text>`, left+10+110*i, above+upwards+36, l.color, l.name)
		c.draw(p, &l, x, y)
	}
	p(`<text x="%d" y="%d" text-anchor="end" fill="#666">dots: measured; dashed: foretold</text>`, left+plotted, above+upwards+36)
	p(`</svg>`)
	return b.String()
}

// draw adds a line's pieces and dots.
func (c *chart) draw(p func(string, ...any), l *line, x func(int) float64, y func(float64) float64) {
	before := 0
	for _, n := range slices.Sorted(maps.Keys(l.values)) {
		v := l.values[n]
		if before > 0 {
			w := l.values[before]
			dash := ` stroke-dasharray="5 4"`
			if v.measured && w.measured {
				dash = ""
			}
			p(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="1.5"%s/>`, x(before), y(w.x), x(n), y(v.x), l.color, dash)
		}
		if v.measured {
			p(`<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s, %s: %.4g %s</title></circle>`, x(n), y(v.x), l.color, l.name, size(n), v.x, c.unit)
		}
		before = n
	}
}
