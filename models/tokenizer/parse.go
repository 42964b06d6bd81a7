package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads a tokenizer.json, and the tokenizer_config.json beside it if there is one (for the
// end token only).
func Load(path string) (*Tokenizer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	path = filepath.Join(filepath.Dir(path), "tokenizer_config.json")
	data, err = os.ReadFile(path)
	if os.IsNotExist(err) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	if err := t.readConfig(path, data); err != nil {
		return nil, err
	}
	return t, nil
}

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
		VocabByKind   json.RawMessage `json:"vocab"`  // a list in models that are not BPE
		MergesByStyle json.RawMessage `json:"merges"` // "a b" or ["a","b"]

		vocab  map[string]int32
		merges [][]string
	} `json:"model"`
}

// component is a normalizer, pre-tokenizer, post-processor or decoder.
type component struct {
	Type           string `json:"type"`
	AddPrefixSpace *bool  `json:"add_prefix_space"`
	UseRegex       *bool  `json:"use_regex"`
	Pattern        struct {
		Regex *string `json:"Regex"`
	} `json:"pattern"`
	Behavior      string       `json:"behavior"`
	Invert        bool         `json:"invert"`
	Normalizers   []*component `json:"normalizers"`
	PreTokenizers []*component `json:"pretokenizers"`
	Processors    []*component `json:"processors"`
	Decoders      []*component `json:"decoders"`
}

func decode(src source) (*form, error) {
	f := new(form)
	if err := src.unmarshal(src.data, "", f); err != nil {
		return nil, err
	}
	m := &f.Model
	if m.Type != nil && *m.Type != "BPE" { // files without a type are old and BPE
		return nil, fmt.Errorf("%s: model.type: %q is not supported, want BPE", src.file, *m.Type)
	}
	if m.VocabByKind == nil || m.MergesByStyle == nil {
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

func (f *form) build() (*Tokenizer, error) {
	t := &Tokenizer{added: f.AddedTokens}
	if err := supported(f.Normalizer, "normalizer", func(c *component) []*component { return c.Normalizers }); err != nil {
		return nil, err
	}
	if err := supported(f.PostProcessor, "post_processor", func(c *component) []*component { return c.Processors },
		"ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing"); err != nil {
		return nil, err
	}
	if err := supported(f.Decoder, "decoder", func(c *component) []*component { return c.Decoders }, "ByteLevel"); err != nil {
		return nil, err
	}
	if err := t.setPreTokenizer(f.PreTokenizer); err != nil {
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
	}
	if err := t.setTokens(m.vocab); err != nil {
		return nil, err
	}
	if m.IgnoreMerges {
		t.setWhole(m.vocab)
	}
	t.eos = t.usualEnd()
	return t, t.setMerges(m.vocab, m.merges)
}

// supported refuses a component, or one of those in a Sequence, that is not of the kinds.
func supported(c *component, path string, parts func(*component) []*component, kinds ...string) error {
	switch {
	case c == nil || slices.Contains(kinds, c.Type):
		return nil
	case c.Type != "Sequence":
		return fmt.Errorf("%s: %q is not supported, want %s", path, c.Type, strings.Join(append([]string{"null"}, kinds...), ", "))
	}
	for i, p := range parts(c) {
		if err := supported(p, fmt.Sprintf("%s[%d]", path, i), parts, kinds...); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tokenizer) setPreTokenizer(c *component) error {
	const path = "pre_tokenizer"
	steps := []*component{c}
	if c != nil && c.Type == "Sequence" {
		steps = c.PreTokenizers
	}
	for i, s := range steps {
		last := i == len(steps)-1
		switch {
		case s == nil:
			return fmt.Errorf("%s: null is not supported, want ByteLevel", path)
		case s.Type == "Split" && i == 0 && !last:
			if s.Pattern.Regex == nil {
				return fmt.Errorf("%s: Split without pattern.Regex is not supported", path)
			}
			p, ok := patterns[*s.Pattern.Regex]
			if !ok {
				return fmt.Errorf("%s: Split by %q is not supported; only the patterns of GPT-2, Qwen 2, Llama 3 and o200k are", path, *s.Pattern.Regex)
			}
			// The patterns match all of a text, so it is all one whether pieces are cut out
			// (Isolated) or what lies between them is removed.
			if s.Behavior != "Isolated" && !(s.Behavior == "Removed" && s.Invert) {
				return fmt.Errorf("%s: Split with behavior %q, invert %v is not supported", path, s.Behavior, s.Invert)
			}
			t.split = p
		case s.Type == "ByteLevel" && last:
			if s.AddPrefixSpace == nil {
				return fmt.Errorf("%s: ByteLevel.add_prefix_space is missing", path)
			}
			t.prefix = *s.AddPrefixSpace
			regex := s.UseRegex == nil || *s.UseRegex
			if t.split != whole && (t.prefix || regex && t.split != gpt2) {
				return fmt.Errorf("%s: ByteLevel with add_prefix_space or use_regex after Split is not supported", path)
			}
			if regex {
				t.split = gpt2
			}
			return nil
		default:
			return fmt.Errorf("%s: %q as step %d of %d is not supported, want ByteLevel, or Split and ByteLevel", path, s.Type, i+1, len(steps))
		}
	}
	return fmt.Errorf("%s: an empty Sequence is not supported, want ByteLevel", path)
}
