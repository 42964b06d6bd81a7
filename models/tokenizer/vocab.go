package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
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

// setTokens fills in what every token stands for, and what finds the added ones.
func (t *Tokenizer) setTokens(vocab map[string]int32) error {
	names, err := byID(vocab)
	if err != nil {
		return err
	}
	texts := make([]string, len(names))
	for id, name := range names {
		texts[id] = name
		if b, ok := bytesOf(name); ok {
			texts[id] = string(b)
		}
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
	t.raw, t.rest = newMatcher(raw), newMatcher(rest)
	t.at = make([]uint32, 1, len(texts)+1)
	for _, s := range texts {
		t.text = append(t.text, s...)
		t.at = append(t.at, uint32(len(t.text)))
	}
	for b, r := range alphabet {
		id, ok := vocab[string(r)]
		if !ok {
			return fmt.Errorf("model.vocab: no token for the byte %#02x (%q), so text would be lost", b, r)
		}
		t.bpe.bytes[b] = id
	}
	return nil
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

// setWhole makes every token of the vocabulary a whole piece can be, except the special ones:
// their text is only recognised where Encode is asked to.
func (t *Tokenizer) setWhole(vocab map[string]int32) {
	t.bpe.whole = make(map[string]int32, len(vocab))
	for name, id := range vocab {
		if b, ok := bytesOf(name); ok {
			t.bpe.whole[string(b)] = id
		}
	}
	for _, a := range t.added {
		if a.Special {
			delete(t.bpe.whole, a.Content)
		}
	}
}

// setMerges fills in the merges; their order is their rank, and of two alike the later counts.
func (t *Tokenizer) setMerges(vocab map[string]int32, merges [][]string) error {
	t.bpe.merges = make(map[uint64]merged, len(merges))
	for rank, m := range merges {
		if len(m) != 2 {
			return fmt.Errorf("model.merges[%d]: %q, want two tokens", rank, m)
		}
		var ids [3]int32
		for i, name := range []string{m[0], m[1], m[0] + m[1]} {
			id, ok := vocab[name]
			if !ok {
				return fmt.Errorf("model.merges[%d]: %q is not in model.vocab", rank, name)
			}
			ids[i] = id
		}
		t.bpe.merges[pair(ids[0], ids[1])] = merged{int32(rank), ids[2]}
	}
	return nil
}
