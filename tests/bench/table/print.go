package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

func printTable(w io.Writer, rows []*row) {
	fmt.Fprintln(w, "| case | test | rounds | yococ t/s | peer t/s | ratio | of limit | memory GB/s | others | weights MB, peer's |")
	fmt.Fprintln(w, "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, r := range rows {
		y, p := slices.Collect(maps.Values(r.yococ)), slices.Collect(maps.Values(r.peer))
		fmt.Fprintf(w, "| %s | %s | %d | %s | %s | %s | %s | %s | %s | %s, %s |\n", r.name, r.test, max(len(y), len(p)),
			spread(y, "%.4g"), spread(p, "%.4g"), r.ratio(), spread(r.limit, "%.2f"), spread(r.reads, "%.0f"), worst(r.others),
			megabytes(r.yococBytes), megabytes(r.peerBytes))
	}
}

// ratio is that of the medians; in brackets the least and the greatest of a round.
func (r *row) ratio() string {
	var each, y, p []float64
	for round, v := range r.yococ {
		if o, ok := r.peer[round]; ok {
			each, y, p = append(each, v/o), append(y, v), append(p, o)
		}
	}
	if len(each) == 0 {
		return ""
	}
	text := fmt.Sprintf("**%.2f**", median(y)/median(p))
	if len(each) > 1 {
		text += fmt.Sprintf(" (%.2f–%.2f)", slices.Min(each), slices.Max(each))
	}
	return text
}

// spread is the median of some values; in brackets the least and the greatest.
func spread(vs []float64, format string) string {
	switch len(vs) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(format, vs[0])
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", median(vs), slices.Min(vs), slices.Max(vs))
}

// worst is the greatest of some shares.
func worst(shares []float64) string {
	if len(shares) == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*slices.Max(shares))
}

func median(vs []float64) float64 {
	vs = slices.Sorted(slices.Values(vs))
	n := len(vs)
	return (vs[(n-1)/2] + vs[n/2]) / 2
}

func megabytes(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d", n/1e6)
}
