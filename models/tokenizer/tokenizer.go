package tokenizer

import (
	"slices"
	"sync"
)

// A Tokenizer maps text to token ids and back. It does not change once it is loaded, and any
// number of goroutines may use it at once.
type Tokenizer struct {
	text []byte   // what every token stands for, one after another
	at   []uint32 // token id is text[at[id]:at[id+1]]; an id without a token is empty

	raw    matcher               // added tokens that are sought first
	normal []func(string) string // what is done to a text between them
	rest   matcher               // added tokens that are sought in what comes of it ("normalized")
	prefix bool                  // a text without a space in front gets one
	meta   metaspace
	split  splitter
	model  model

	added []added // as the file orders them
	eos   int32   // the end token, or -1
	front []int32 // what a text begins with
	lead  bool    // Decode leaves out a space in front: encoding put it there

	scratch sync.Pool // of *scratch
}

// Vocab is one more than the largest id.
func (t *Tokenizer) Vocab() int { return len(t.at) - 1 }

// EOS is the token that ends a text: the one that tokenizer_config.json names, otherwise the
// special token with one of the usual names, otherwise none.
func (t *Tokenizer) EOS() (id int32, ok bool) { return t.eos, t.eos >= 0 }

// Bytes are the bytes that a token stands for, often a part of a character only. An added token,
// special or not, stands for its own text; an unknown id for nothing. The caller must not change
// them.
func (t *Tokenizer) Bytes(id int32) []byte {
	if id < 0 || int(id) >= t.Vocab() {
		return nil
	}
	lo, hi := t.at[id], t.at[id+1]
	return t.text[lo:hi:hi]
}

// A model gives the tokens of a piece of text.
type model interface {
	// encode appends the tokens of one piece, which is not empty.
	encode(s *scratch, ids []int32, piece string) []int32
	// joinsUnknown reports whether unknown characters side by side are one unknown token.
	joinsUnknown() bool
}

// Decode is the text of ids, special tokens included. The bytes are joined as they are, so
// Decode gives back what Encode was given, valid UTF-8 or not; the exceptions are the space that
// a byte-level tokenizer with add_prefix_space puts in front, the spaces that an added token with
// lstrip or rstrip takes in, and what a normalizer changed. The space that a SentencePiece tokenizer
// puts in front is left out again, so ids are those of a text's beginning; a Stream keeps it.
func (t *Tokenizer) Decode(ids []int32) string {
	n := 0
	for _, id := range ids {
		n += len(t.Bytes(id))
	}
	text := make([]byte, 0, n)
	for _, id := range ids {
		text = append(text, t.Bytes(id)...)
	}
	if t.lead && len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	return string(text)
}

// Encode gives the tokens of text, and no others: nothing is put in front or behind. Added
// tokens are recognised wherever their text stands; the special ones among them only if special
// is true, otherwise their text is like any other (which a prompt from outside should be).
// Bytes that are not UTF-8 are kept, each like a character that is no letter, number or space.
func (t *Tokenizer) Encode(text string, special bool) []int32 {
	s, _ := t.scratch.Get().(*scratch)
	if s == nil {
		s = new(scratch)
	}
	ids := make([]int32, 0, len(text)/4+1)
	first := true
	for part, id := range t.raw.parts(text, special) {
		if id >= 0 {
			ids = append(ids, id)
			first = false
			continue
		}
		for _, f := range t.normal {
			part = f(part)
		}
		for part, id := range t.rest.parts(part, special) {
			if id >= 0 {
				ids = append(ids, id)
			} else {
				ids = t.encode(s, ids, part, first)
			}
			first = false
		}
	}
	t.scratch.Put(s)
	return ids
}

// Prompt gives the tokens of a text that a model is to continue: those of Encode, behind the ones which
// the files say that a text begins with, most often <s> or none. A text that names them itself, which
// counts only if special is true, gets no second ones.
func (t *Tokenizer) Prompt(text string, special bool) []int32 {
	ids := t.Encode(text, special)
	if n := len(t.front); special && len(ids) >= n && slices.Equal(ids[:n], t.front) {
		return ids
	}
	return slices.Concat(t.front, ids)
}

// encode appends the tokens of a text without added tokens; first is true if none is before it.
func (t *Tokenizer) encode(s *scratch, ids []int32, text string, first bool) []int32 {
	if t.prefix && text != "" && text[0] != ' ' {
		text = " " + text
	}
	text = t.meta.apply(text, first)
	from := len(ids)
	for text != "" {
		n := t.split.next(text)
		at := len(ids)
		ids = t.model.encode(s, ids, text[:n])
		if t.split == words && at > from && t.model.joinsUnknown() && ids[at] == ids[at-1] && t.isUnknown(ids[at]) {
			ids = append(ids[:at], ids[at+1:]...)
		}
		text = text[n:]
	}
	return ids
}

// isUnknown reports whether id stands for characters that the vocabulary lacks.
func (t *Tokenizer) isUnknown(id int32) bool {
	b, ok := t.model.(*bpe)
	return ok && b.chars != nil && id == b.chars.unknown.id
}
