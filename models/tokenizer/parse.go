package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Parse reads the text of a tokenizer.json; file is its name in errors.
func Parse(file string, data []byte) (*Tokenizer, error) {
	f, err := decode(source{file, data})
	if err != nil {
		return nil, err
	}
	t, err := f.build()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// form is a tokenizer.json, as far as it matters here.
type form struct {
	AddedTokens   []added    `json:"added_tokens"`
	Normalizer    *component `json:"normalizer"`
	PreTokenizer  *component `json:"pre_tokenizer"`
	PostProcessor *component `json:"post_processor"`
	Decoder       *component `json:"decoder"`
	Model         struct {
		Type          *string         `json:"type"`
		Dropout       *float64        `json:"dropout"`
		Prefix        string          `json:"continuing_subword_prefix"`
		Suffix        string          `json:"end_of_word_suffix"`
		IgnoreMerges  bool            `json:"ignore_merges"`
		Unknown       *string         `json:"unk_token"`
		UnknownID     *int32          `json:"unk_id"`
		FuseUnknown   bool            `json:"fuse_unk"`
		ByteFallback  bool            `json:"byte_fallback"`
		VocabByKind   json.RawMessage `json:"vocab"`  // ids by text; of Unigram [["text", score], …]
		MergesByStyle json.RawMessage `json:"merges"` // "a b" or ["a","b"]

		vocab  map[string]int32
		scores []float64 // of Unigram, by id
		merges [][]string
	} `json:"model"`
}

func decode(src source) (*form, error) {
	f := new(form)
	if err := src.unmarshal(src.data, "", f); err != nil {
		return nil, err
	}
	m := &f.Model
	switch kind := m.Type; {
	case f.isUnigram():
		return f, f.decodeUnigram(src)
	case kind != nil && *kind != "BPE": // files without a type are old and BPE
		return nil, fmt.Errorf("%s: model.type: %q is not supported, want BPE or Unigram", src.file, *kind)
	case m.VocabByKind == nil || m.MergesByStyle == nil:
		return nil, fmt.Errorf("%s: model: vocab or merges are missing", src.file)
	}
	if err := src.unmarshal(m.VocabByKind, "model.vocab", &m.vocab); err != nil {
		return nil, err
	}
	var lines []string
	if json.Unmarshal(m.MergesByStyle, &lines) != nil {
		return f, src.unmarshal(m.MergesByStyle, "model.merges", &m.merges)
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "#version") { // the first line of a merges.txt
			continue
		}
		m.merges = append(m.merges, strings.Split(line, " "))
	}
	return f, nil
}

func (f *form) isUnigram() bool { return f.Model.Type != nil && *f.Model.Type == "Unigram" }

// decodeUnigram reads a list of texts and scores, whose places are their ids.
func (f *form) decodeUnigram(src source) error {
	m := &f.Model
	var rows [][]any
	if m.VocabByKind == nil {
		return fmt.Errorf("%s: model: vocab is missing", src.file)
	}
	if err := src.unmarshal(m.VocabByKind, "model.vocab", &rows); err != nil {
		return err
	}
	m.vocab = make(map[string]int32, len(rows))
	for id, row := range rows {
		var name string
		var score float64
		ok := len(row) == 2
		if ok {
			var also bool
			name, ok = row[0].(string)
			score, also = row[1].(float64)
			ok = ok && also
		}
		if _, twice := m.vocab[name]; !ok || twice {
			text, _ := json.Marshal(row) // as it was read
			return fmt.Errorf("%s: model.vocab[%d]: %.80s: want a text that is there once, and its score", src.file, id, text)
		}
		m.vocab[name] = int32(id)
		m.scores = append(m.scores, score)
	}
	return nil
}

// build makes the tokenizer. A file whose pre-tokenizer is not ByteLevel spells texts as SentencePiece
// does.
func (f *form) build() (*Tokenizer, error) {
	t := &Tokenizer{added: f.AddedTokens}
	byteLevel, err := f.steps(t)
	if err != nil {
		return nil, err
	}
	m := &f.Model
	switch {
	case m.Dropout != nil && *m.Dropout != 0:
		return nil, fmt.Errorf("model.dropout: %v is not supported, want none", *m.Dropout)
	case m.Prefix != "":
		return nil, fmt.Errorf("model.continuing_subword_prefix: %q is not supported, want none", m.Prefix)
	case m.Suffix != "":
		return nil, fmt.Errorf("model.end_of_word_suffix: %q is not supported, want none", m.Suffix)
	case byteLevel && f.isUnigram():
		return nil, fmt.Errorf("pre_tokenizer: ByteLevel with a Unigram model is not supported")
	}
	v := &vocabulary{ids: m.vocab, text: textOf}
	if byteLevel {
		v.text = alphabetText
	}
	if err := t.setTokens(v); err != nil {
		return nil, err
	}
	switch {
	case byteLevel:
		err = f.byteLevel(t)
	case f.isUnigram():
		err = f.unigram(t)
	default:
		err = f.characters(t)
	}
	if err != nil {
		return nil, err
	}
	t.eos = t.usualEnd()
	return t, f.begin(t)
}

// byteLevel makes the model whose symbols are bytes.
func (f *form) byteLevel(t *Tokenizer) (err error) {
	m := &f.Model
	b := new(bpe)
	for c, r := range alphabet {
		id, ok := m.vocab[string(r)]
		if !ok {
			return fmt.Errorf("model.vocab: no token for the byte %#02x (%q), so text would be lost", c, r)
		}
		b.bytes[c] = id
	}
	if m.IgnoreMerges {
		b.whole = t.wholes(m.vocab, bytesOf)
	}
	b.merges, err = ranked(m.vocab, m.merges)
	t.model = b
	return err
}

// characters makes the model whose symbols are characters, as SentencePiece's BPE converted.
func (f *form) characters(t *Tokenizer) (err error) {
	m := &f.Model
	c := newChars()
	if c.unknown, err = f.unknown(); err != nil {
		return err
	}
	if c.unknown.bytes == nil && c.unknown.id < 0 {
		return fmt.Errorf("model: there is neither byte_fallback nor unk_token, so text would be lost")
	}
	c.tokens = int32(t.Vocab())
	b := &bpe{chars: c}
	special := t.specials()
	for name, id := range m.vocab {
		if r, ok := single(name); ok && !special[name] {
			c.set(r, id)
		}
	}
	if m.IgnoreMerges {
		b.whole = t.wholes(m.vocab, func(name string) ([]byte, bool) { return []byte(name), true })
	}
	if b.merges, err = ranked(m.vocab, m.merges); err != nil {
		return err
	}
	if t.split == whole && b.whole == nil && !crosses(m.merges) {
		t.split = words
	}
	t.model = b
	return nil
}

// crosses reports whether a merge makes a token that has ▁ after another character. If none does,
// words can be encoded one by one.
func crosses(merges [][]string) bool {
	for _, m := range merges {
		if inside(m[0] + m[1]) {
			return true
		}
	}
	return false
}

// unigram makes a Unigram model as the tokenizers library has it: sums in float64, the unknown token
// below the worst by 10.
func (f *form) unigram(t *Tokenizer) (err error) {
	m := &f.Model
	u := &unigram{pieces: newTrie(), scores: m.scores}
	m.FuseUnknown = true // always, there
	if u.unknown, err = f.unknown(); err != nil {
		return err
	}
	if u.unknown.bytes == nil && u.unknown.id < 0 {
		return fmt.Errorf("model: there is neither byte_fallback nor unk_id, so text would be lost")
	}
	special := t.specials()
	for id, score := range m.scores {
		u.penalty = min(u.penalty, score)
		if id == 0 {
			u.penalty = score
		}
	}
	u.penalty -= 10
	for name, id := range m.vocab {
		_, isByte := byteOfPiece(name)
		if name != "" && !special[name] && id != u.unknown.id && !(isByte && u.unknown.bytes != nil) {
			u.pieces.add(name, id)
		}
	}
	t.model = u
	return nil
}

// unknown reads what becomes of characters that are not in the vocabulary; its id is -1 if nothing is
// said.
func (f *form) unknown() (unknown, error) {
	m := &f.Model
	u := unknown{id: -1, fuse: m.FuseUnknown}
	switch {
	case m.UnknownID != nil:
		if u.id = *m.UnknownID; u.id < 0 || int(u.id) >= len(m.vocab) {
			return u, fmt.Errorf("model.unk_id: %d is no token", u.id)
		}
	case m.Unknown != nil:
		id, ok := m.vocab[*m.Unknown]
		if !ok {
			return u, fmt.Errorf("model.unk_token: %q is not in model.vocab", *m.Unknown)
		}
		u.id = id
	}
	if m.ByteFallback {
		u.bytes = new([256]int32)
		for b := range u.bytes {
			name := fmt.Sprintf(byte1, b)
			id, ok := m.vocab[name]
			if !ok {
				return u, fmt.Errorf("model.vocab: there is no %s, which byte_fallback needs", name)
			}
			u.bytes[b] = id
		}
	}
	return u, nil
}
