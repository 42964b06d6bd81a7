package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// nextO200k cuts words where lower case turns to upper case, and keeps contractions with their
// word: `P?U*L+C?|P?U+L*C?` and then the alternatives without letters. P is what is no letter,
// number or newline; U and L are upper and lower case, and both hold what has no case, marks
// included.
func nextO200k(s string) int {
	c, n := first(s)
	word := 0
	if c != letter && c != number && s[0] != '\r' && s[0] != '\n' {
		word = cased(s, n, false)
	}
	if word == 0 {
		word = cased(s, 0, false)
	}
	if word == 0 && c != letter && c != number && s[0] != '\r' && s[0] != '\n' {
		word = cased(s, n, true)
	}
	if word == 0 {
		word = cased(s, 0, true)
	}
	if word > 0 {
		return word + contraction(s[word:], true)
	}
	return symbols(s, c, n, 3, "\r\n/")
}

// cased is the end of `U*L+` in s from i on, or of `U+` if upper is true (`U+L*` is only tried
// where `U*L+` fails, so no L follows); 0 if there is none.
func cased(s string, i int, upper bool) int {
	from, both := i, 0 // both: the end of the last character of the U that is in L too
	for i < len(s) {
		u, l, n := caseOf(s[i:])
		if !u {
			break
		}
		i += n
		if l {
			both = i
		}
	}
	if upper {
		if i == from {
			return 0
		}
		return i
	}
	end := i
	for end < len(s) {
		_, l, n := caseOf(s[end:])
		if !l {
			break
		}
		end += n
	}
	if end > i {
		return end
	}
	return both // U* gives back characters until L+ has one
}

// caseOf says whether the first character of s is in `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and in
// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`, and its length.
func caseOf(s string) (u, l bool, n int) {
	if c := s[0]; c < utf8.RuneSelf {
		return 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', 1
	}
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case unicode.In(r, unicode.Lm, unicode.Lo, unicode.M):
		return true, true, n
	case unicode.In(r, unicode.Lu, unicode.Lt):
		return true, false, n
	}
	return false, unicode.Is(unicode.Ll, r), n
}
