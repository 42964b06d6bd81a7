package tokenizer

import (
	"strings"
	"testing"
)

// withTokens is the trained tokenizer with tokens "text flags": s special, w single word, l and r
// for the stripped sides, n normalized. Those that the vocabulary lacks get the ids after it.
func withTokens(t testing.TB, tokens ...string) *Tokenizer {
	return parsed(t, edited(t, func(file, model map[string]any) {
		list := file["added_tokens"].([]any)
		for i, token := range tokens {
			text, flags, _ := strings.Cut(token, "/")
			id, ok := model["vocab"].(map[string]any)[text]
			if !ok {
				id = 4096 + i
			}
			has := func(flag string) bool { return strings.Contains(flags, flag) }
			list = append(list, map[string]any{
				"id": id, "content": text, "special": has("s"),
				"single_word": has("w"), "lstrip": has("l"), "rstrip": has("r"), "normalized": has("n"),
			})
		}
		file["added_tokens"] = list
	}))
}

// What is found, and what it takes in, is as in the tokenizers library.
func TestAdded(t *testing.T) {
	cases := []struct {
		name    string
		tokens  []string
		special bool
		text    string
		want    string // the added tokens in <>, what lies between as it is
	}{
		{"special tokens only where they are wanted", []string{"<a>/s", "<b>/"}, false, "x<a>y<b>z", "x<a>y{<b>}z"},
		{"both where they are", []string{"<a>/s", "<b>/"}, true, "x<a>y<b>z", "x{<a>}y{<b>}z"},
		{"side by side", []string{"<a>/s"}, true, "<a><a>", "{<a>}{<a>}"},
		{"the longest that begins first", []string{"ab/", "abc/", "bcd/"}, true, "abcd ab bcd", "{abc}d {ab} {bcd}"},
		{"a long one that fails leaves a short one", []string{"ab/", "abcde/"}, true, "abcdx", "{ab}cdx"},
		{"nothing inside special text that is not wanted", []string{"<ab>/s", "ab/"}, false, "<ab> ab", "<ab> {ab}"},
		{"single words", []string{"ab/w"}, true, "ab cab abc ab, été_ab (ab)", "{ab} cab abc {ab}, été_ab ({ab})"},
		{"spaces on the left", []string{"<a>/l"}, true, "x \n <a> y", "x{ \n <a>} y"},
		{"spaces on the right", []string{"<a>/r"}, true, "x <a> \u00a0y", "x {<a> \u00a0}y"},
		{"spaces taken once", []string{"<a>/lr"}, true, "<a>  <a>", "{<a>  }{<a>}"},
		{"spaces taken by two", []string{"<a>/r", " /l"}, true, "<a>  x", "{<a>  }{}{ }x"},
		{"normalized tokens come after the others", []string{"abc/n", "bc/"}, true, "abc abc", "a{bc} a{bc}"},
		{"in what is left of the text", []string{"abc/n", "<x>/"}, true, "abc<x>abc", "{abc}{<x>}{abc}"},
		{"the ends", []string{"<a>/s"}, true, "", ""},
	}
	for _, c := range cases {
		tok := withTokens(t, c.tokens...)
		var got strings.Builder
		for part, id := range tok.raw.parts(c.text, c.special) {
			if id >= 0 {
				got.WriteString("{" + part + "}")
				continue
			}
			for part, id := range tok.rest.parts(part, c.special) {
				if id >= 0 {
					part = "{" + part + "}"
				}
				got.WriteString(part)
			}
		}
		if got.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, got.String(), c.want)
		}
	}
}

// An added token decodes to its own text, whatever alphabet it is spelt in; every text between
// two of them is split by itself.
func TestAddedEncode(t *testing.T) {
	tok := withTokens(t, "Ġé 字/", "<|end|>/s")
	text := "aĠé 字 the<|end|> the"
	ids := tok.Encode(text, true)
	if got, want := show(tok, ids), "[a Ġé 字  the <|end|>  the]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if tok.Decode(ids) != text || tok.Vocab() != 4098 {
		t.Errorf("decoded %q; Vocab %d, want 4098", tok.Decode(ids), tok.Vocab())
	}
}
