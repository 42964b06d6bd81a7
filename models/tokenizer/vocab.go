package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxID bounds ids, so that a damaged file can't ask for a table of gigabytes.
const maxID = 1<<22 - 1

// alphabet is how a vocabulary spells bytes: those that print as themselves in Latin-1, the
// others as the characters from U+0100 on. byteOf is its inverse, -1 where there is none.
var alphabet, byteOf = func() (a [256]rune, inv [0x144]int16) {
	for i := range inv {
		inv[i] = -1
	}
	shifted := rune(0x100)
	for b := range rune(256) {
		r := b
		if b <= ' ' || 0x7f <= b && b <= 0xa0 || b == 0xad {
			r = shifted
			shifted++
		}
		a[b], inv[r] = r, int16(b)
	}
	return a, inv
}()

// bytesOf are the bytes that a token of the vocabulary stands for; ok is false if it is not
// spelt in the alphabet.
func bytesOf(name string) (b []byte, ok bool) {
	for _, r := range name {
		if int(r) >= len(byteOf) || byteOf[r] < 0 {
			return nil, false
		}
		b = append(b, byte(byteOf[r]))
	}
	return b, true
}

// alphabetText is the text of a token that is spelt in the alphabet, or else the token itself.
func alphabetText(name string) string {
	if b, ok := bytesOf(name); ok {
		return string(b)
	}
	return name
}

// textOf is the text of a token that is spelt as SentencePiece does.
func textOf(name string) string {
	if b, ok := byteOfPiece(name); ok {
		return string([]byte{b})
	}
	return strings.ReplaceAll(name, space1, " ")
}

// byteOfPiece is the byte that a token like <0x0A> stands for.
func byteOfPiece(name string) (byte, bool) {
	if len(name) != len("<0x0A>") || !strings.HasPrefix(name, "<0x") || name[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(name[3:5], 16, 8)
	return byte(b), err == nil
}

// single is the character that a token is, if it is one.
func single(name string) (rune, bool) {
	r, n := utf8.DecodeRuneInString(name)
	return r, n == len(name) && n > 0 && (r != utf8.RuneError || n > 1)
}

// inside reports whether a token has ▁ after another character.
func inside(name string) bool {
	return strings.Contains(strings.TrimLeft(name, space1), space1)
}

// A vocabulary is the tokens of a model.
type vocabulary struct {
	ids  map[string]int32
	text func(token string) string
}

// setTokens fills in what every token stands for, and what finds the added ones.
func (t *Tokenizer) setTokens(v *vocabulary) error {
	vocab := v.ids
	names, err := byID(vocab)
	if err != nil {
		return err
	}
	texts := make([]string, len(names))
	for id, name := range names {
		texts[id] = v.text(name)
	}
	seen := map[string]bool{}
	var raw, rest []added
	for i, a := range t.added {
		path := fmt.Sprintf("added_tokens[%d]", i)
		old, known := vocab[a.Content]
		switch {
		case a.Content == "":
			return fmt.Errorf("%s.content: missing or empty", path)
		case seen[a.Content]:
			return fmt.Errorf("%s.content: %q comes twice", path, a.Content)
		case a.ID < 0 || a.ID > maxID:
			return fmt.Errorf("%s.id: %d is not in 0…%d", path, a.ID, maxID)
		case known && a.ID != old:
			return fmt.Errorf("%s.id: %q is %d here, but %d in model.vocab", path, a.Content, a.ID, old)
		case !known && int(a.ID) < len(texts) && texts[a.ID] != "":
			return fmt.Errorf("%s.id: %q and %q are both %d", path, texts[a.ID], a.Content, a.ID)
		}
		seen[a.Content] = true
		if n := int(a.ID) + 1 - len(texts); n > 0 {
			texts = append(texts, make([]string, n)...)
		}
		texts[a.ID] = a.Content
		if a.Normalized {
			rest = append(rest, a)
		} else {
			raw = append(raw, a)
		}
	}
	for i := range rest { // they are sought in a text to which this has been done too
		for _, f := range t.normal {
			rest[i].Content = f(rest[i].Content)
		}
	}
	t.raw, t.rest = newMatcher(raw), newMatcher(rest)
	t.setTexts(texts)
	return nil
}

func (t *Tokenizer) setTexts(texts []string) {
	t.at = make([]uint32, 1, len(texts)+1)
	for _, s := range texts {
		t.text = append(t.text, s...)
		t.at = append(t.at, uint32(len(t.text)))
	}
}

// byID gives the token of every id, "" where there is none.
func byID(vocab map[string]int32) ([]string, error) {
	type entry struct {
		id   int32
		name string
	}
	entries := make([]entry, 0, len(vocab))
	for name, id := range vocab {
		entries = append(entries, entry{id, name})
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.name, b.name))
	})
	var names []string
	for i, e := range entries {
		if e.id < 0 || e.id > maxID {
			return nil, fmt.Errorf("model.vocab: the id of %q, %d, is not in 0…%d", e.name, e.id, maxID)
		}
		if i > 0 && e.id == entries[i-1].id {
			return nil, fmt.Errorf("model.vocab: %q and %q are both %d", entries[i-1].name, e.name, e.id)
		}
		names = append(names, make([]string, int(e.id)+1-len(names))...)
		names[e.id] = e.name
	}
	return names, nil
}

// specials are the texts of special tokens, which Encode gives only where it is asked to.
func (t *Tokenizer) specials() map[string]bool {
	m := map[string]bool{}
	for _, a := range t.added {
		if a.Special {
			m[a.Content] = true
		}
	}
	return m
}

// wholes are the tokens that a whole piece can be: all but the special ones.
func (t *Tokenizer) wholes(vocab map[string]int32, text func(string) ([]byte, bool)) map[string]int32 {
	special := t.specials()
	m := make(map[string]int32, len(vocab))
	for name, id := range vocab {
		if b, ok := text(name); ok && !special[string(b)] {
			m[string(b)] = id
		}
	}
	return m
}

// ranked reads merges; their order is their rank, and of two alike the later counts.
func ranked(vocab map[string]int32, merges [][]string) (map[uint64]merged, error) {
	table := make(map[uint64]merged, len(merges))
	for rank, m := range merges {
		if len(m) != 2 {
			return nil, fmt.Errorf("model.merges[%d]: %q, want two tokens", rank, m)
		}
		var ids [3]int32
		for i, name := range []string{m[0], m[1], m[0] + m[1]} {
			id, ok := vocab[name]
			if !ok {
				return nil, fmt.Errorf("model.merges[%d]: %q is not in model.vocab", rank, name)
			}
			ids[i] = id
		}
		table[pair(ids[0], ids[1])] = merged{int32(rank), ids[2]}
	}
	return table, nil
}
