package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// component is a normalizer, pre-tokenizer, post-processor or decoder.
type component struct {
	Type           string  `json:"type"`
	AddPrefixSpace *bool   `json:"add_prefix_space"`
	PrependScheme  *string `json:"prepend_scheme"`
	Replacement    *string `json:"replacement"`
	Split          *bool   `json:"split"`
	UseRegex       *bool   `json:"use_regex"`
	Pattern        struct {
		Regex  *string `json:"Regex"`
		String *string `json:"String"`
	} `json:"pattern"`
	Content       string       `json:"content"`
	Prepend       string       `json:"prepend"`
	Behavior      string       `json:"behavior"`
	Invert        bool         `json:"invert"`
	Start         *float64     `json:"start"`
	Stop          *float64     `json:"stop"`
	Normalizers   []*component `json:"normalizers"`
	PreTokenizers []*component `json:"pretokenizers"`
	Processors    []*component `json:"processors"`
	Decoders      []*component `json:"decoders"`

	// What post-processors put around a text.
	Single []struct {
		SpecialToken *struct {
			ID string `json:"id"` // a key of SpecialTokens
		} `json:"SpecialToken"`
	} `json:"single"` // special tokens, and in their midst the text
	SpecialTokens map[string]struct {
		IDs []int32 `json:"ids"`
	} `json:"special_tokens"`
	CLS []any `json:"cls"` // of BertProcessing and RobertaProcessing: the token in front and its id
}

// A part is a component that is no Sequence, with its place.
type part struct {
	*component
	path string
}

// flat gives a component, or those in a Sequence, one after another. Of a Sequence in which there
// is nothing it gives nothing, as of null.
func flat(c *component, path string) []part {
	if c == nil {
		return nil
	}
	if c.Type != "Sequence" {
		return []part{{c, path}}
	}
	var parts []part
	for _, list := range [][]*component{c.Normalizers, c.PreTokenizers, c.Processors, c.Decoders} {
		for i, p := range list {
			inner := fmt.Sprintf("%s[%d]", path, i)
			if p == nil {
				p = &component{Type: "null"}
			}
			parts = append(parts, flat(p, inner)...)
		}
	}
	return parts
}

// begin reads what the post-processors put in front of a text; one puts its tokens around what those
// before it made.
func (f *form) begin(t *Tokenizer) error {
	for _, p := range flat(f.PostProcessor, "post_processor") {
		var front []int32
		if p.Type == "BertProcessing" || p.Type == "RobertaProcessing" {
			id, ok := -1., len(p.CLS) == 2
			if ok {
				id, ok = p.CLS[1].(float64)
			}
			if !ok || id != float64(int32(id)) {
				return fmt.Errorf("%s.cls: %.80q: want a token and its id", p.path, p.CLS)
			}
			front = []int32{int32(id)}
		}
		for _, piece := range p.Single {
			if p.Type != "TemplateProcessing" || piece.SpecialToken == nil {
				break
			}
			name := piece.SpecialToken.ID
			token, ok := p.SpecialTokens[name]
			if !ok {
				return fmt.Errorf("%s.single: %q is not in special_tokens", p.path, name)
			}
			front = append(front, token.IDs...)
		}
		for _, id := range front {
			if id < 0 || int(id) >= t.Vocab() {
				return fmt.Errorf("%s: %d, in front of a text, is no token", p.path, id)
			}
		}
		t.front = append(front, t.front...)
	}
	return nil
}

// unsupported refuses a part.
func (p part) unsupported(kinds ...string) error {
	return fmt.Errorf("%s: %q is not supported, want %s", p.path, p.Type, strings.Join(append([]string{"null"}, kinds...), ", "))
}

// steps reads what is done before and after the model, and tells whether texts are spelt in bytes.
func (f *form) steps(t *Tokenizer) (byteLevel bool, err error) {
	noSpaces, err := f.normalizer(t)
	if err != nil {
		return false, err
	}
	for _, p := range flat(f.PostProcessor, "post_processor") {
		kinds := []string{"ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing"}
		if !slices.Contains(kinds, p.Type) {
			return false, p.unsupported(kinds...)
		}
	}
	parts := flat(f.PreTokenizer, "pre_tokenizer")
	if len(parts) > 0 && parts[len(parts)-1].Type == "ByteLevel" {
		if err := t.byteLevelSteps(parts); err != nil {
			return false, err
		}
		for _, p := range flat(f.Decoder, "decoder") {
			if p.Type != "ByteLevel" {
				return false, p.unsupported("ByteLevel")
			}
		}
		return true, nil
	}
	if err := t.pieceSteps(parts, noSpaces); err != nil {
		return false, err
	}
	return false, f.decoder(t)
}

// normalizer reads what is done to a text. noSpaces is true if no space is left.
func (f *form) normalizer(t *Tokenizer) (noSpaces bool, err error) {
	for _, p := range flat(f.Normalizer, "normalizer") {
		switch p.Type {
		case "NFC":
			t.normal = append(t.normal, nfc)
		case "Prepend":
			t.normal = append(t.normal, func(s string) string {
				if s == "" {
					return s
				}
				return p.Prepend + s
			})
		case "Replace":
			from := p.Pattern.String
			if from == nil || *from == "" {
				return false, fmt.Errorf("%s: Replace without pattern.String is not supported", p.path)
			}
			t.normal = append(t.normal, func(s string) string { return strings.ReplaceAll(s, *from, p.Content) })
			noSpaces = noSpaces && !strings.Contains(p.Content, " ") || *from == " " && !strings.Contains(p.Content, " ")
		default:
			return false, p.unsupported("NFC", "Prepend", "Replace")
		}
	}
	return noSpaces, nil
}

// byteLevelSteps reads ByteLevel, or Split and ByteLevel.
func (t *Tokenizer) byteLevelSteps(parts []part) error {
	const path = "pre_tokenizer"
	for i, s := range parts {
		last := i == len(parts)-1
		switch {
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
		default:
			return fmt.Errorf("%s: %q as step %d of %d is not supported, want ByteLevel, or Split and ByteLevel", path, s.Type, i+1, len(parts))
		}
	}
	return nil
}

// pieceSteps reads Metaspace, or a Split by a character that is not there any more.
func (t *Tokenizer) pieceSteps(parts []part, noSpaces bool) error {
	for _, p := range parts {
		switch {
		case p.Type == "Split" && p.Pattern.String != nil && *p.Pattern.String == " " && noSpaces:
		case p.Type == "Metaspace" && len(parts) == 1:
			if p.Replacement == nil || *p.Replacement != space1 {
				return fmt.Errorf("%s: Metaspace.replacement: want %q", p.path, space1)
			}
			t.meta.on = true
			if p.Split == nil || *p.Split {
				t.split = eachSpace
			}
			switch scheme := p.PrependScheme; {
			case scheme == nil:
				if p.AddPrefixSpace == nil || *p.AddPrefixSpace {
					t.meta.prefix = onEveryPart
				}
			case *scheme == "always":
				t.meta.prefix = onEveryPart
			case *scheme == "first":
				t.meta.prefix = onFirst
			case *scheme != "never":
				return fmt.Errorf("%s: Metaspace.prepend_scheme: %q is not supported, want always, first or never", p.path, *scheme)
			}
		default:
			return p.unsupported("ByteLevel, or Split and ByteLevel", "Metaspace alone")
		}
	}
	return nil
}

// decoder reads how tokens become text, which has to be the usual way: ▁ is a space, <0x0A> a byte.
func (f *form) decoder(t *Tokenizer) error {
	for _, p := range flat(f.Decoder, "decoder") {
		switch p.Type {
		case "ByteFallback", "Fuse":
		case "Metaspace":
			t.lead = t.meta.prefix != never
		case "Replace":
			if p.Pattern.String == nil || *p.Pattern.String != space1 || p.Content != " " {
				return fmt.Errorf("%s: Replace is supported for %q by a space alone", p.path, space1)
			}
		case "Strip":
			if p.Content != " " || p.Start == nil || *p.Start > 1 || p.Stop == nil || *p.Stop != 0 {
				return fmt.Errorf("%s: Strip is supported for one space in front alone", p.path)
			}
			t.lead = *p.Start == 1
		default:
			return p.unsupported("Replace", "ByteFallback", "Fuse", "Strip", "Metaspace")
		}
	}
	return nil
}
