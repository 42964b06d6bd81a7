package tokenizer

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An added token is found in the text itself, before any splitting.
type added struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // not beside a character of a word
	LStrip     bool   `json:"lstrip"`      // takes in the spaces before it
	RStrip     bool   `json:"rstrip"`      // takes in the spaces after it
	Normalized bool   `json:"normalized"`  // sought after those that are not
	Special    bool   `json:"special"`
}

// A matcher finds added tokens: from left to right, the longest that begins at a place, none
// beginning inside another.
type matcher struct {
	tokens []added
	trie   trie // of their numbers
}

func newMatcher(tokens []added) matcher {
	m := matcher{tokens: tokens, trie: newTrie()}
	for i, t := range tokens {
		m.trie.add(t.Content, int32(i))
	}
	return m
}

// find gives the first token in text from i on, by its number, and where it stands; or -1.
func (m *matcher) find(text string, i int) (token int32, from, to int) {
	for ; i < len(text); i++ {
		if token, n := m.longest(text[i:]); token >= 0 {
			return token, i, i + n
		}
	}
	return -1, len(text), len(text)
}

// longest gives the longest token that text, which is not empty, begins with, and its length; or -1.
func (m *matcher) longest(text string) (token int32, n int) {
	token = -1
	node := m.trie.first[text[0]]
	for i := 1; node >= 0; i++ {
		if m.trie.found[node] >= 0 {
			token, n = m.trie.found[node], i
		}
		if i == len(text) {
			break
		}
		node = m.trie.step(node, text[i])
	}
	return token, n
}

// parts cuts text into added tokens (with their ids) and what lies between (with -1, never
// empty). A special token that is not wanted, or a word that is not single, is plain text, and
// nothing is sought inside it.
func (m *matcher) parts(text string, special bool) iter.Seq2[string, int32] {
	return func(yield func(string, int32) bool) {
		done := 0
		for i := 0; len(m.tokens) > 0; {
			n, from, to := m.find(text, i)
			if n < 0 {
				break
			}
			i = to
			t := &m.tokens[n]
			if t.Special && !special || t.SingleWord && (wordBefore(text[:from]) || wordAfter(text[to:])) {
				continue
			}
			if t.LStrip {
				from = max(len(strings.TrimRightFunc(text[:from], unicode.IsSpace)), min(done, to))
			}
			if t.RStrip {
				to = len(text) - len(strings.TrimLeftFunc(text[to:], unicode.IsSpace))
			}
			if done < from && !yield(text[done:from], -1) || !yield(text[from:to], t.ID) {
				return
			}
			done = to
		}
		if done < len(text) {
			yield(text[done:], -1)
		}
	}
}

func wordBefore(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && isWord(r)
}

func wordAfter(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && isWord(r)
}

// isWord is `\w` of Unicode's technical standard 18.
func isWord(r rune) bool {
	return r == '\u200c' || r == '\u200d' ||
		unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic)
}
