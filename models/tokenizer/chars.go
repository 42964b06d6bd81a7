package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// SentencePiece spells a space ▁, and the byte 0x0a, where it stands for itself, <0x0A>.
const (
	space1 = "▁"
	byte1  = "<0x%02X>"
)

// unknown is what becomes of characters that a vocabulary lacks.
type unknown struct {
	bytes *[256]int32 // each of their bytes is a token; nil: they are the one unknown token
	id    int32       // of the unknown token
	fuse  bool        // some side by side are one
}

// append appends the tokens of some unknown characters. own is the number of tokens of this piece
// that stand before, all of them characters' next to text.
func (u *unknown) append(ids []int32, own int, text string) []int32 {
	if u.bytes != nil {
		for i := range len(text) {
			ids = append(ids, u.bytes[text[i]])
		}
		return ids
	}
	if u.fuse && own > 0 && ids[len(ids)-1] == u.id {
		return ids
	}
	return append(ids, u.id)
}

// chars is the symbols that a piece starts with where they are characters.
type chars struct {
	ascii   [utf8.RuneSelf]int32
	more    map[rune]int32
	tokens  int32 // symbols from here on are no tokens, but parts of some
	unknown unknown
}

// stranger is the symbol of a character that is part of no token.
const stranger = -2

func newChars() *chars {
	c := &chars{more: map[rune]int32{}}
	for i := range c.ascii {
		c.ascii[i] = stranger
	}
	return c
}

func (c *chars) set(r rune, id int32) {
	if r < utf8.RuneSelf {
		c.ascii[r] = id
	} else {
		c.more[r] = id
	}
}

func (c *chars) symbol(r rune) int32 {
	if r < utf8.RuneSelf {
		return c.ascii[r]
	}
	if id, ok := c.more[r]; ok {
		return id
	}
	return stranger
}

// start fills in the symbols of a piece, each where its character begins.
func (c *chars) start(s *scratch, piece string) {
	before := int32(-1)
	for i := 0; i < len(piece); {
		r, n := utf8.DecodeRuneInString(piece[i:])
		id := int32(stranger)
		if r != utf8.RuneError || n > 1 {
			id = c.symbol(r)
		}
		s.sym = append(s.sym, id)
		for range n - 1 {
			s.sym = append(s.sym, dead)
		}
		for range n {
			s.prev = append(s.prev, before)
			s.next = append(s.next, int32(i+n))
		}
		before = int32(i)
		i += n
	}
}

// finish appends the tokens of a piece whose merges are done.
func (c *chars) finish(s *scratch, ids []int32, piece string) []int32 {
	from := len(ids)
	for i := 0; i < len(piece); i = int(s.next[i]) {
		if id := s.sym[i]; id >= 0 && id < c.tokens {
			ids = append(ids, id)
		} else {
			ids = c.unknown.append(ids, len(ids)-from, piece[i:s.next[i]])
		}
	}
	return ids
}

// A metaspace puts ▁ for spaces, and in front.
type metaspace struct {
	on     bool
	prefix prefixScheme
}

type prefixScheme int

const (
	never       prefixScheme = iota
	onFirst                  // in front of a text, not of what follows an added token
	onEveryPart              // and there too
)

func (m metaspace) apply(text string, first bool) string {
	if !m.on {
		return text
	}
	text = strings.ReplaceAll(text, " ", space1)
	if m.prefix == onEveryPart || m.prefix == onFirst && first {
		if !strings.HasPrefix(text, space1) {
			text = space1 + text
		}
	}
	return text
}

// nextWord is the end of the first piece of s if pieces begin at every ▁ (each), or at those that no
// other is before.
func nextWord(s string, each bool) int {
	for i := 1; i < len(s); i++ {
		if s[i] != space1[0] || !strings.HasPrefix(s[i:], space1) {
			continue
		}
		if each || !strings.HasSuffix(s[:i], space1) {
			return i
		}
	}
	return len(s)
}
