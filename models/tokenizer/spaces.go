package tokenizer

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// spaces is how SentencePiece normalizes a text (its normalizer.cc): characters become others, then
// spaces ▁.
type spaces struct {
	chars  *charsMap // nil: characters stay
	user   matcher   // texts that stay
	dummy  bool      // a space is put in front, or
	suffix bool      // behind
	extra  bool      // spaces at both ends, and all but one of several, are left out
	escape bool      // spaces become ▁
}

func (n *spaces) apply(text string) string {
	if n.extra {
		for text != "" {
			sp, size := n.first(text)
			if sp != " " {
				break
			}
			text = text[size:]
		}
	}
	if text == "" {
		return ""
	}
	space := " "
	if n.escape {
		space = space1
	}
	var b strings.Builder
	b.Grow(len(text) + len(text)/4)
	if n.dummy && !n.suffix {
		b.WriteString(space)
	}
	after := n.extra // a space that would be one too many
	for text != "" {
		sp, size := n.first(text)
		text = text[size:]
		for after && strings.HasPrefix(sp, " ") {
			sp = sp[1:]
		}
		if sp != "" {
			if n.escape && strings.Contains(sp, " ") {
				b.WriteString(strings.ReplaceAll(sp, " ", space1))
			} else {
				b.WriteString(sp)
			}
			after = n.extra && strings.HasSuffix(sp, " ")
		}
	}
	out := b.String()
	if n.extra {
		for strings.HasSuffix(out, space) {
			out = strings.TrimSuffix(out, space)
		}
	}
	if n.dummy && n.suffix {
		out += space
	}
	return out
}

// first is what the beginning of a text becomes, and how much of the text that is.
func (n *spaces) first(text string) (becomes string, size int) {
	if len(n.user.tokens) > 0 {
		if i, size := n.user.longest(text); i >= 0 {
			return text[:size], size
		}
	}
	if n.chars != nil {
		if becomes, size := n.chars.longest(text); size > 0 {
			return becomes, size
		}
	}
	_, size = utf8.DecodeRuneInString(text)
	return text[:size], size
}

// A charsMap says what texts become: a double-array trie as darts-clone writes it, 4 bytes for its
// size in front, and after it the texts, each up to a zero.
type charsMap struct {
	units []uint32
	texts string
	any   [256]bool // bytes with which something begins
}

func newCharsMap(data []byte) (*charsMap, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if len(data) < 4 {
		return nil, fmt.Errorf("precompiled_charsmap has %d bytes", len(data))
	}
	n := uint64(binary.LittleEndian.Uint32(data))
	if n%4 != 0 || n == 0 || n > uint64(len(data)-4) {
		return nil, fmt.Errorf("precompiled_charsmap has a trie of %d bytes, and %d bytes in all", n, len(data))
	}
	c := &charsMap{texts: string(data[4+n:])}
	for i := uint64(0); i < n; i += 4 {
		c.units = append(c.units, binary.LittleEndian.Uint32(data[4+i:]))
	}
	for b := range c.any {
		_, c.any[b] = c.step(c.offset(0), byte(b))
	}
	return c, nil
}

// offset is what a unit adds to a node's number to reach those after it.
func (c *charsMap) offset(node uint32) uint32 {
	u := c.units[node]
	return node ^ u>>10<<(u&(1<<9)>>6)
}

// step is the node that b leads to.
func (c *charsMap) step(from uint32, b byte) (uint32, bool) {
	to := from ^ uint32(b)
	if uint64(to) >= uint64(len(c.units)) || c.units[to]&(1<<31|0xff) != uint32(b) {
		return 0, false
	}
	return to, true
}

// longest is what the longest beginning of text that is in the map becomes; 0 bytes if there is none.
func (c *charsMap) longest(text string) (becomes string, size int) {
	if !c.any[text[0]] {
		return "", 0
	}
	from := c.offset(0)
	for i := range len(text) {
		node, ok := c.step(from, text[i])
		if !ok {
			break
		}
		from = c.offset(node)
		if c.units[node]>>8&1 == 0 || uint64(from) >= uint64(len(c.units)) {
			continue // nothing ends here
		}
		if at := uint64(c.units[from] &^ (1 << 31)); at < uint64(len(c.texts)) {
			becomes, _, _ = strings.Cut(c.texts[at:], "\x00")
			size = i + 1
		}
	}
	return becomes, size
}
