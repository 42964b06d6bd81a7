package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// A splitter cuts a text into the pieces that BPE then works on. The patterns need lookahead,
// which regexp lacks, so each is written out; every one takes any text whole, leaving no gaps.
type splitter int

const (
	whole splitter = iota // no pattern: the text is one piece
	gpt2
	qwen2
	llama3
	o200k
	words     // before ▁ after another character
	eachSpace // before every ▁
)

// patterns are the regular expressions as tokenizer.json has them. An alternative is taken if no
// earlier one matches; inside one, longer before shorter.
var patterns = map[string]splitter{
	`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`: gpt2,

	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: qwen2,

	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: llama3,

	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`: o200k,
}

// next is the length of the first piece of s, which is not empty.
func (p splitter) next(s string) int {
	switch p {
	case gpt2:
		return nextGPT2(s)
	case qwen2:
		return nextLlama3(s, 1)
	case llama3:
		return nextLlama3(s, 3)
	case o200k:
		return nextO200k(s)
	case words, eachSpace:
		return nextWord(s, p == eachSpace)
	}
	return len(s)
}

// A class is what the patterns tell apart: \p{L}, \p{N}, \s, and all else.
type class uint8

const (
	other class = iota
	letter
	number
	space
)

var ascii = func() (t [utf8.RuneSelf]class) {
	for r := range t {
		t[r] = classOf(rune(r))
	}
	return t
}()

func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// first gives the class and the length of the character that s, which is not empty, begins with.
func first(s string) (class, int) {
	if s[0] < utf8.RuneSelf {
		return ascii[s[0]], 1
	}
	r, n := utf8.DecodeRuneInString(s)
	return classOf(r), n // an invalid byte is U+FFFD, a symbol: other
}

// run is the end of the characters of class c that stand in s from i on.
func run(s string, i int, c class) int {
	for i < len(s) {
		d, n := first(s[i:])
		if d != c {
			break
		}
		i += n
	}
	return i
}

// blank is the end of the spaces that s begins with: `\s+(?!\S)|\s+`. Before a character that is
// no space the last of them is left to it, unless it is the only one.
func blank(s string) int {
	end := run(s, 0, space)
	if end == len(s) {
		return end
	}
	if _, n := utf8.DecodeLastRuneInString(s[:end]); n < end {
		return end - n
	}
	return end
}

// newlines is the end of `\s*[\r\n]+` in s, or 0: up to the last newline of the spaces that s
// begins with.
func newlines(s string) (end int) {
	for i := 0; i < len(s); {
		c, n := first(s[i:])
		if c != space {
			break
		}
		if s[i] == '\r' || s[i] == '\n' {
			end = i + 1
		}
		i += n
	}
	return end
}

// contraction is the length of 's 't 're 've 'm 'll 'd in front of s, or 0. If fold is true, case
// does not matter, and the long s is an s.
func contraction(s string, fold bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	a, b := s[1], byte(0)
	if len(s) > 2 {
		b = s[2]
	}
	if fold {
		if a == 0xc5 && b == 0xbf { // ſ
			return 3
		}
		a, b = lower(a), lower(b)
	}
	switch {
	case a == 's' || a == 't' || a == 'm' || a == 'd':
		return 2
	case a == 'r' && b == 'e', a == 'v' && b == 'e', a == 'l' && b == 'l':
		return 3
	}
	return 0
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func nextGPT2(s string) int {
	if n := contraction(s, false); n > 0 {
		return n
	}
	i := 0
	if s[0] == ' ' && len(s) > 1 {
		i = 1
	}
	if c, n := first(s[i:]); c != space {
		return run(s, i+n, c) // ` ?\p{L}+`, ` ?\p{N}+`, ` ?[^\s\p{L}\p{N}]+`
	}
	return blank(s)
}

// nextLlama3 is for the patterns of Llama 3 and Qwen 2, which differ in how many digits a piece
// may have.
func nextLlama3(s string, digits int) int {
	if n := contraction(s, true); n > 0 {
		return n
	}
	c, n := first(s)
	if c == letter {
		return run(s, n, letter)
	}
	if c != number && s[0] != '\r' && s[0] != '\n' && n < len(s) {
		if d, m := first(s[n:]); d == letter {
			return run(s, n+m, letter)
		}
	}
	return symbols(s, c, n, digits, "\r\n")
}

// symbols is the alternatives for a piece without letters: `\p{N}{1,digits}`,
// ` ?[^\s\p{L}\p{N}]+[tail]*`, `\s*[\r\n]+` and blank. s begins with n bytes of class c.
func symbols(s string, c class, n, digits int, tail string) int {
	if c == number {
		for end := n; ; end += n {
			digits--
			if digits == 0 || end == len(s) {
				return end
			}
			if c, n = first(s[end:]); c != number {
				return end
			}
		}
	}
	i := 0
	if s[0] == ' ' && len(s) > 1 {
		i = 1
		c, n = first(s[1:])
	}
	if c == other {
		end := run(s, i+n, other)
		for end < len(s) && contains(tail, s[end]) {
			end++
		}
		return end
	}
	if end := newlines(s); end > 0 {
		return end
	}
	return blank(s)
}

func contains(set string, c byte) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}
