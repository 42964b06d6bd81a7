package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain is the yococ command too, if the environment says so: one whose times follow laws.
func TestMain(m *testing.M) {
	if os.Getenv("PAPER_TEST_YOCOC") != "" {
		fake(os.Args[1:])
		return
	}
	os.Exit(m.Run())
}

func fake(args []string) {
	flag := func(name string) int {
		i := slices.Index(args, name)
		n, err := strconv.Atoi(args[i+1])
		if i < 0 || err != nil {
			fmt.Fprintln(os.Stderr, "want", name, "in", args)
			os.Exit(2)
		}
		return n
	}
	const weights, cache = 100_000_000, 1000
	layers := 1
	if args[1] == "t.yaml" {
		layers = 10
	}
	switch args[0] {
	case "inspect":
		var list []string
		for text := range strings.SplitSeq(args[slices.Index(args, "--context")+1], ",") {
			n, _ := strconv.Atoi(text)
			list = append(list, fmt.Sprintf(`{"tokens": %d, "total_bytes": %d}`, n, weights+n*cache*layers))
		}
		fmt.Printf(`{"params": 50000000, "weights_bytes": %d, "cache_bytes_per_token": %d, "contexts": [%s]}`, weights, cache*layers, strings.Join(list, ","))
	case "bench":
		n, speed := float64(flag("-p")), 0.
		if n > 0 {
			speed = 1 / (1e-4 + n*1e-9*float64(layers*layers))
		} else if slices.Contains(args, "--synthetic-depth") {
			n = float64(flag("-d"))
			speed = 1 / (1e-2 + n*1e-7*float64(layers))
		}
		peak := weights + int(n)*cache*layers
		fmt.Printf(`{"cpu": "abacus", "isa": "beads", "results": [{"threads": 2, "tokens_per_s": %v, "stddev": 0, "limit_fraction": 0.9}], "peak_rss_bytes": %d, "promised_bytes": %d}`, speed, peak, peak*101/100)
	}
}

func arguments(dir string, more ...string) []string {
	return append([]string{"--out", dir, "--command", os.Args[0], "--yoco", "y.yaml", "--transformer", "t.yaml", "--memory", "5000000000"}, more...)
}

// TestPaper measures step by step: nothing twice, nothing that takes too long or too much, and the report says
// what was measured and what was not.
func TestPaper(t *testing.T) {
	t.Setenv("PAPER_TEST_YOCOC", "1")
	dir := filepath.Join(t.TempDir(), "out")
	if err := run(context.Background(), arguments(dir, "--max", "4096")); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, name(yoco, prefill, 4096))
	when := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(old, when, when); err != nil {
		t.Fatal(err)
	}
	if err := run(context.Background(), arguments(dir, "--max", "1048576", "--patience", "50s")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(old); err != nil || !info.ModTime().Equal(when) {
		t.Errorf("measured again: %v", err)
	}
	for _, c := range []struct {
		file string
		want bool
	}{
		{name(yoco, prefill, 1<<17), true},         // 13 + 17 s
		{name(yoco, prefill, 1<<18), false},        // 26 + 69 s
		{name(transformer, prefill, 1<<14), true},  // 1.6 + 27 s
		{name(transformer, prefill, 1<<15), false}, // 3.3 + 107 s
		{name(yoco, decode, 1<<20), true},
		{name(transformer, decode, 1<<18), true},
		{name(transformer, decode, 1<<19), false}, // 5.3 GB
	} {
		_, err := os.Stat(filepath.Join(dir, c.file))
		if (err == nil) != c.want {
			t.Errorf("%s: %v, want it there: %v", c.file, err, c.want)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"Of y.yaml and t.yaml, random weights; weights bf16, activations bf16, caches bf16; abacus, beads, 2 threads. Every measurement is a process of its own.",
		"| y.yaml | 50.0 M | 100.0 MB | 1000 B | 0.00 MB |",
		"- Memory of the YOCO: within 1.0 % of what was promised at every length, at most 0.0 % above.",
		"- Prefill of 128K tokens by YOCO runs at 0.44 of its speed with 2K.",
		"- At 16K tokens, the longest that the Transformer was given, YOCO's prefill takes 1/14.94 of its time.",
		"- Decoding at 32K and deeper, the YOCO reads weights and caches at 90 % of the speed of a plain read loop or more (the least at 32K).",
		"| 32K | 132.8 | 134.1 | -1.0 % | 427.7 | 432.0 | -1.0 % | 3.22x | 1.95x |",
		"| 1M | 1148.6 | 1160.1 | -1.0 % |  | 10585.8 |  | ~9.22x | 9.38x |",
		"| 16K | 1.91 | 8592 | 90 | 28.5 | 575 | 90 | 14.94x |  |",
		"| 1M | ~1204 | ~871 |  | ~110056 | ~10 |  | ~91.38x | 71.82x |",
		"| 16K | 85.92 | 90 | 37.9 | 90 | 74.07 | 18.45 | 4.01x |  |",
		"| Transformer, prefill | 0 s + 100 µs·n + 1e+05 ps·n² | 4 lengths, 2K to 16K | 0.0 % | -0.0 % |",
		"| YOCO, decode | 0.01 s + 0.1 µs·n + 0 ps·n² | 10 lengths, 2K to 1M | 0.0 % | -0.0 % |",
	} {
		if !strings.Contains(strings.ReplaceAll(string(text), "+0.0 %", "-0.0 %")+"\n", line+"\n") {
			t.Errorf("the report has no line\n%s", line)
		}
	}
	if strings.Contains(string(text), "%!") {
		t.Error("a sentence lacks something, or has too much")
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
	for _, file := range []string{"memory.svg", "prefill.svg", "throughput.svg"} {
		picture(t, filepath.Join(dir, file))
	}
	if err := run(context.Background(), arguments(dir, "--kv", "q8", "--report")); err == nil || !strings.Contains(err.Error(), "want another --out") {
		t.Errorf("other settings: %v", err)
	}
}

// picture wants dots and lines inside of it.
func picture(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var svg struct {
		Width   float64 `xml:"width,attr"`
		Height  float64 `xml:"height,attr"`
		Circles []struct {
			X float64 `xml:"cx,attr"`
			Y float64 `xml:"cy,attr"`
		} `xml:"circle"`
		Lines []struct {
			Y    float64 `xml:"y2,attr"`
			Dash string  `xml:"stroke-dasharray,attr"`
		} `xml:"line"`
	}
	if err := xml.Unmarshal(text, &svg); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	dashed := 0
	for _, c := range svg.Circles {
		if !(c.X > 0 && c.X < svg.Width && c.Y > 0 && c.Y < svg.Height) {
			t.Errorf("%s: a dot at %v", path, c)
		}
	}
	for _, l := range svg.Lines {
		if !(l.Y > 0 && l.Y < svg.Height) {
			t.Errorf("%s: a line to %v", path, l)
		}
		if l.Dash != "" {
			dashed++
		}
	}
	if len(svg.Circles) < 10 || dashed == 0 {
		t.Errorf("%s: %d dots, %d dashed lines", path, len(svg.Circles), dashed)
	}
}

// TestEmpty: a folder without measurements has a report without numbers.
func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := run(context.Background(), []string{"--out", dir, "--report"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "report.md"))
	if err != nil || strings.Contains(string(text), "NaN") || !strings.Contains(string(text), "| 1M |") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestPaperErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "--out FOLDER is missing"},
		{[]string{"--out", dir, "--min", "8", "--max", "7"}, "--min 8 --max 7: want 1 or more, and no less"},
		{[]string{"--out", dir, "x"}, `unknown argument "x"`},
	} {
		if err := run(context.Background(), c.args); err == nil || err.Error() != c.want {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
	for file, text := range map[string]string{
		name(yoco, prefill, 8): "{", name(yoco, decode, 8): "{}", "yoco.decode.x.json": "{}", "yoco.plan.json": "[]",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := run(context.Background(), []string{"--out", dir, "--report"}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestFit: laws are found again, and none has a negative part.
func TestFit(t *testing.T) {
	at := func(kind string, f func(n float64) float64) (ms []*measurement) {
		for _, n := range doubling(1<<11, 1<<15) {
			m := &measurement{Kind: kind, N: n, TokensPerS: 1 / f(float64(n))}
			if kind == prefill {
				m.TokensPerS *= float64(n)
			}
			ms = append(ms, m)
		}
		return ms
	}
	near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-9*max(x, y) }
	if l := fit(at(prefill, func(n float64) float64 { return 3e-4*n + 2e-9*n*n }), prefill); !near(l.linear, 3e-4) || !near(l.square, 2e-9) || l.fixed != 0 || l.worst > 1e-9 {
		t.Errorf("%+v", l)
	}
	if l := fit(at(decode, func(n float64) float64 { return 5e-3 + 1e-7*n }), decode); !near(l.fixed, 5e-3) || !near(l.linear, 1e-7) || l.square != 0 {
		t.Errorf("%+v", l)
	}
	if l := fit(at(prefill, func(n float64) float64 { return 3e-4*n - 1e-9*n*n }), prefill); l.square != 0 || l.linear <= 0 || l.worst < 0.01 {
		t.Errorf("%+v", l)
	}
	if l := fit(at(decode, func(n float64) float64 { return 1e-7*n - 1e-5 }), decode); l.fixed != 0 || l.linear <= 0 {
		t.Errorf("%+v", l)
	}
	if fit(nil, prefill) != nil || fit(at(prefill, func(n float64) float64 { return n })[:1], prefill).foretells() {
		t.Error("a law of nothing")
	}
}
