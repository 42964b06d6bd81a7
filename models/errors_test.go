package models

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"heads", "kv_heads", "gate_normalizer", "rope", "layers"}
	for word, want := range map[string]string{
		"head": "heads", "kvheads": "kv_heads", "haeds": "heads", "gate_normaliser": "gate_normalizer",
		"ropes": "rope", "x": "", "": "", "window": "", "layer": "layers", "LAYERS": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// TestErrorOfLongLine: the caret stays under its column, and a line without end is cut.
func TestErrorOfLongLine(t *testing.T) {
	line := strings.Repeat("é", 500) + "X" + strings.Repeat("é", 500)
	for _, e := range []*Error{
		{File: "f", Line: 1, Col: 501, Path: "p", Msg: "m", Source: line},
		{File: "f", Line: 1, Col: 3, Path: "p", Msg: "m", Source: "\t\tX"},
	} {
		lines := strings.Split(e.Error(), "\n")
		text, caret := []rune(lines[1]), []rune(lines[2])
		if len(lines) != 3 || len(text) > 130 || text[len(caret)-1] != 'X' {
			t.Errorf("got\n%s", e)
		}
	}
	if got := (&Error{File: "f", Msg: "m"}).Error(); got != "f: m" {
		t.Error(got)
	}
}

func TestPackageName(t *testing.T) {
	for text, want := range map[string]string{
		"YOCO-3B": "yoco3b", "yoco_8m": "yoco8m", "3b": "model3b", "": "model", "func": "modelfunc", "main": "modelmain", "…": "model",
		strings.Repeat("a", 100): strings.Repeat("a", 64), strings.Repeat("7", 100): "model" + strings.Repeat("7", 59),
	} {
		got := PackageName(text)
		if got != want || ValidName(got) != nil {
			t.Errorf("PackageName(%q) = %q, want %q", text, got, want)
		}
	}
}
