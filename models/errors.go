package models

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// An Error is one thing wrong with a spec or with a checkpoint's own description of itself.
type Error struct {
	File      string
	Line, Col int    // from 1, Col in characters; 0 if the error has no place in a text
	Path      string // the key, as in "self.mixer.heads"; empty if the text is no mapping at all
	Msg       string // what is wrong and what was wanted
	Source    string // the line of text at Line, without its end; may be empty
}

// Error gives "file:line:col: path: message" and, if there is a source line, that line with a
// caret under the column.
func (e *Error) Error() string {
	var b strings.Builder
	if p := pos(e.File, e.Line, e.Col); p != "" {
		b.WriteString(p + ": ")
	}
	if e.Path != "" {
		b.WriteString(printable(e.Path) + ": ")
	}
	b.WriteString(printable(e.Msg))
	if e.Line > 0 && strings.TrimSpace(e.Source) != "" {
		text, before := window(e.Source, e.Col)
		fmt.Fprintf(&b, "\n\t%s\n\t%s^", text, before)
	}
	return b.String()
}

// Errors is everything wrong with one text, in order of position. It is never empty.
type Errors []*Error

// Error prints all of them, each on its own lines.
func (es Errors) Error() string {
	var b strings.Builder
	for i, e := range es {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Sort puts es in order of position and returns it; errors of one place keep their order.
func (es Errors) Sort() Errors {
	slices.SortStableFunc(es, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	return es
}

// pos prints a position as compilers do; parts that are unknown are left out.
func pos(file string, line, col int) string {
	switch {
	case line <= 0:
		return file
	case col <= 0:
		return fmt.Sprintf("%s:%d", file, line)
	}
	return fmt.Sprintf("%s:%d:%d", file, line, col)
}

// printable is text with everything replaced that would disturb a line of a message.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
}

// window gives the part of a line worth printing, control characters replaced, and the blank
// that stands before its column col (tabs stay tabs, so that the caret is under the character).
func window(line string, col int) (text, before string) {
	const widest = 120
	runes := make([]rune, 0, min(len(line), 4*widest))
	for i, n := 0, 0; i < len(line) && n < col+widest; n++ {
		r, size := utf8.DecodeRuneInString(line[i:])
		if r != '\t' && (r < ' ' || r == 0x7f || r == utf8.RuneError) {
			r = '?'
		}
		runes = append(runes, r)
		i += size
	}
	col = min(max(col, 1), len(runes)+1)
	if from := col - 1 - widest/2; from > 0 && len(runes) > widest {
		runes, col = runes[from:], col-from
	}
	for _, r := range runes[:col-1] {
		if r != '\t' {
			r = ' '
		}
		before += string(r)
	}
	if len(runes) > widest {
		runes = runes[:widest]
	}
	return string(runes), before
}

// Nearest gives the candidate closest to a misspelt word, or "" if none is close: at most a
// third of its letters may differ. Equal distances keep the order of candidates.
func Nearest(word string, candidates []string) string {
	best, limit := "", max(len(word), 3)/3+1
	for _, c := range candidates {
		if d := distance(word, c, limit); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b in bytes, a transposition counting once
// (optimal string alignment); limit or more is reported as limit.
func distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff >= limit || -diff >= limit {
		return limit
	}
	two, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least >= limit {
			return limit
		}
		two, prev, row = prev, row, two
	}
	return min(prev[len(b)], limit)
}
