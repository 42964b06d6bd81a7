package driver

import (
	"encoding/xml"
	"strings"
	"testing"
)

// heated is what was found in haystacks of two lengths, of different widths as text.
var heated = &Needle{Found: 9, Asked: 24, Cases: []NeedleCase{
	{Tokens: 64, Depth: 0, Found: 0, Asked: 4},
	{Tokens: 64, Depth: 50, Found: 1, Asked: 4, MaxDiff: 0.25},
	{Tokens: 64, Depth: 100, Found: 2, Asked: 4},
	{Tokens: 1048576, Depth: 0, Found: 3, Asked: 4, MaxDiff: 0.0125},
	{Tokens: 1048576, Depth: 50, Found: 3, Asked: 4},
	{Tokens: 1048576, Depth: 100, Found: 4, Asked: 4},
}}

func TestNeedleTable(t *testing.T) {
	want := `depth  64 tokens       1048576 tokens
   0%  ·· 0 of 4       ▓▓ 3 of 4
  50%  ░░ 1 of 4       ▓▓ 3 of 4
 100%  ▒▒ 2 of 4       ██ 4 of 4
found 9 of 24; logits differ from those with the cache in f32 by at most 0.25
`
	if got := heated.Table(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	one := &Needle{Found: 12, Asked: 12, Cases: []NeedleCase{{Tokens: 9, Depth: 5, Found: 12, Asked: 12}}}
	want = `depth  9 tokens
   5%  ██ 12 of 12
found 12 of 12; logits differ from those with the cache in f32 by at most 0
`
	if got := one.Table(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestNeedleSVG: the picture is well-formed, has a cell a case with its colour and what it says, side by side
// in the table's order, and nothing lies outside.
func TestNeedleSVG(t *testing.T) {
	type cell struct {
		X      int    `xml:"x,attr"`
		Y      int    `xml:"y,attr"`
		Width  int    `xml:"width,attr"`
		Height int    `xml:"height,attr"`
		Fill   string `xml:"fill,attr"`
		Title  string `xml:"title"`
	}
	var svg struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
		Width   int      `xml:"width,attr"`
		Height  int      `xml:"height,attr"`
		Cells   []cell   `xml:"rect"`
		Texts   []string `xml:"text"`
	}
	if err := xml.Unmarshal([]byte(heated.SVG()), &svg); err != nil {
		t.Fatal(err)
	}
	const red, green = "hsl(0,65%,70%)", "hsl(120,65%,70%)"
	want := []struct{ title, fill string }{
		{"0%, 64 tokens: 0 of 4", red},
		{"0%, 1048576 tokens: 3 of 4", "hsl(90,65%,70%)"},
		{"50%, 64 tokens: 1 of 4", "hsl(30,65%,70%)"},
		{"50%, 1048576 tokens: 3 of 4", "hsl(90,65%,70%)"},
		{"100%, 64 tokens: 2 of 4", "hsl(60,65%,70%)"},
		{"100%, 1048576 tokens: 4 of 4", green},
	}
	if len(svg.Cells) != len(want) {
		t.Fatalf("%d cells, want %d", len(svg.Cells), len(want))
	}
	for i, c := range svg.Cells {
		if c.Title != want[i].title || c.Fill != want[i].fill {
			t.Errorf("cell %d: %q in %s, want %q in %s", i, c.Title, c.Fill, want[i].title, want[i].fill)
		}
		row, column := i/2, i%2
		first := svg.Cells[0]
		if c.X != first.X+column*c.Width || c.Y != first.Y+row*c.Height || c.X+c.Width > svg.Width || c.Y+c.Height > svg.Height {
			t.Errorf("cell %d of %dx%d: %+v", i, svg.Width, svg.Height, c)
		}
	}
	if text := strings.Join(svg.Texts, "|"); text != "64|1048576|0%|0 of 4|3 of 4|50%|1 of 4|3 of 4|100%|2 of 4|4 of 4|needles found, by depth and tokens" {
		t.Errorf("texts %s", text)
	}
}
