package tokenizer

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// reference is a second implementation, straight from the definitions and sharing nothing with
// the first: a backtracking interpreter of the pattern, then BPE by rescanning the whole piece for
// every merge.
type reference struct {
	pattern node
	vocab   map[string]int32
	ranks   map[[2]string]int
	prefix  bool
}

func newReference(t testing.TB, data []byte, pattern string) *reference {
	var f struct {
		PreTokenizer struct {
			Prefix bool `json:"add_prefix_space"`
		} `json:"pre_tokenizer"`
		Model struct {
			Vocab  map[string]int32
			Merges []string
		}
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	r := &reference{vocab: f.Model.Vocab, ranks: map[[2]string]int{}, prefix: f.PreTokenizer.Prefix}
	for i, m := range f.Model.Merges {
		a, b, _ := strings.Cut(m, " ")
		r.ranks[[2]string{a, b}] = i
	}
	p := parser{text: pattern}
	r.pattern = p.alternatives()
	if p.text != "" {
		t.Fatalf("pattern: %q is left", p.text)
	}
	return r
}

// pieces cuts text at the matches of the pattern.
func (r *reference) pieces(text string) (out []string) {
	for i := 0; i < len(text); {
		end := -1
		r.pattern(text, i, func(j int) bool { end = j; return true })
		if end <= i {
			panic("the pattern does not match " + strconv.Quote(text[i:]))
		}
		out, i = append(out, text[i:end]), end
	}
	return out
}

func (r *reference) encode(text string) (ids []int32) {
	if r.prefix && !strings.HasPrefix(text, " ") {
		text = " " + text
	}
	for _, piece := range r.pieces(text) {
		var word []string
		for _, b := range []byte(piece) {
			word = append(word, string(spell(b)))
		}
		for {
			best, at := math.MaxInt, 0
			for i := range len(word) - 1 {
				if rank, ok := r.ranks[[2]string{word[i], word[i+1]}]; ok && rank < best {
					best, at = rank, i
				}
			}
			if best == math.MaxInt {
				break
			}
			word[at] += word[at+1]
			word = slices.Delete(word, at+1, at+2)
		}
		for _, w := range word {
			ids = append(ids, r.vocab[w])
		}
	}
	return ids
}

// spell is GPT-2's bytes_to_unicode.
func spell(b byte) rune {
	printable := func(b int) bool {
		return b >= '!' && b <= '~' || b >= '¡' && b <= '¬' || b >= '®' && b <= 'ÿ'
	}
	if printable(int(b)) {
		return rune(b)
	}
	n := 0
	for c := range int(b) {
		if !printable(c) {
			n++
		}
	}
	return rune(256 + n)
}

// A node matches s from i on and calls k with every end, in the order a backtracking regexp
// tries them, until k is content.
type node func(s string, i int, k func(end int) bool) bool

// parser reads the regexp syntax that the patterns use.
type parser struct {
	text string
	fold bool
}

func (p *parser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.text, prefix)
	if ok {
		p.text = rest
	}
	return ok
}

func (p *parser) alternatives() node {
	all := []node{p.sequence()}
	for p.take("|") {
		all = append(all, p.sequence())
	}
	return func(s string, i int, k func(int) bool) bool {
		for _, n := range all {
			if n(s, i, k) {
				return true
			}
		}
		return false
	}
}

func (p *parser) sequence() node {
	if p.text == "" || p.text[0] == '|' || p.text[0] == ')' {
		return func(s string, i int, k func(int) bool) bool { return k(i) }
	}
	a := p.repeated()
	b := p.sequence()
	return func(s string, i int, k func(int) bool) bool {
		return a(s, i, func(j int) bool { return b(s, j, k) })
	}
}

func (p *parser) repeated() node {
	n := p.atom()
	least, most := 1, 1
	switch {
	case p.take("?"):
		least = 0
	case p.take("*"):
		least, most = 0, math.MaxInt
	case p.take("+"):
		most = math.MaxInt
	case p.take("{1,3}"):
		most = 3
	default:
		return n
	}
	var loop func(s string, i, count int, k func(int) bool) bool
	loop = func(s string, i, count int, k func(int) bool) bool {
		more := func(j int) bool { return loop(s, j, count+1, k) }
		return count < most && n(s, i, more) || count >= least && k(i)
	}
	return func(s string, i int, k func(int) bool) bool { return loop(s, i, 0, k) }
}

func (p *parser) atom() node {
	switch {
	case p.take("(?!"):
		n := p.alternatives()
		p.take(")")
		return func(s string, i int, k func(int) bool) bool {
			return !n(s, i, func(int) bool { return true }) && k(i)
		}
	case p.take("(?i:"):
		p.fold = true
		n := p.alternatives()
		p.take(")")
		p.fold = false
		return n
	case p.take("["):
		not := p.take("^")
		var in []func(rune) bool
		for !p.take("]") {
			in = append(in, p.char())
		}
		return one(func(r rune) bool {
			return not != slices.ContainsFunc(in, func(f func(rune) bool) bool { return f(r) })
		})
	}
	return one(p.char())
}

func one(in func(rune) bool) node {
	return func(s string, i int, k func(int) bool) bool {
		r, n := utf8.DecodeRuneInString(s[i:])
		return n > 0 && in(r) && k(i+n)
	}
}

func (p *parser) char() func(rune) bool {
	white := func(r rune) bool { return unicode.Is(unicode.White_Space, r) }
	switch {
	case p.take(`\s`):
		return white
	case p.take(`\S`):
		return func(r rune) bool { return !white(r) }
	case p.take(`\r`):
		return func(r rune) bool { return r == '\r' }
	case p.take(`\n`):
		return func(r rune) bool { return r == '\n' }
	case p.take(`\p{`):
		name, rest, _ := strings.Cut(p.text, "}")
		p.text = rest
		return func(r rune) bool { return unicode.Is(unicode.Categories[name], r) }
	}
	want, n := utf8.DecodeRuneInString(p.text)
	p.text = p.text[n:]
	if !p.fold {
		return func(r rune) bool { return r == want }
	}
	return func(r rune) bool { return strings.EqualFold(string(r), string(want)) }
}
