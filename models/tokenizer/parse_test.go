package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What is damaged or not supported is refused by name.
func TestParseErrors(t *testing.T) {
	pre := func(value map[string]any) func(file, model map[string]any) {
		return func(file, _ map[string]any) { file["pre_tokenizer"] = value }
	}
	cases := []struct {
		change func(file, model map[string]any)
		want   string
	}{
		{func(f, m map[string]any) { m["type"] = "Unigram"; m["vocab"] = []any{} }, `pre_tokenizer: ByteLevel with a Unigram model is not supported`},
		{func(f, m map[string]any) { m["dropout"] = 0.1 }, `model.dropout: 0.1 is not supported, want none`},
		{func(f, m map[string]any) { m["continuing_subword_prefix"] = "##" }, `model.continuing_subword_prefix: "##" is not supported, want none`},
		{func(f, m map[string]any) { m["end_of_word_suffix"] = "</w>" }, `model.end_of_word_suffix: "</w>" is not supported, want none`},
		{func(f, m map[string]any) { delete(m, "vocab") }, `model: vocab or merges are missing`},
		{func(f, m map[string]any) { delete(f, "model") }, `model: vocab or merges are missing`},
		{func(f, m map[string]any) { m["vocab"].(map[string]any)["B"] = 32 }, `model.vocab: "@" and "B" are both 32`},
		{func(f, m map[string]any) { m["vocab"].(map[string]any)["B"] = -1 }, `model.vocab: the id of "B", -1, is not in 0…4194303`},
		{func(f, m map[string]any) { m["vocab"].(map[string]any)["B"] = 1 << 22 }, `model.vocab: the id of "B", 4194304, is not in 0…4194303`},
		{func(f, m map[string]any) { delete(m["vocab"].(map[string]any), "Ċ") }, `model.vocab: no token for the byte 0x0a ('Ċ'), so text would be lost`},
		{func(f, m map[string]any) { m["merges"].([]any)[7] = "a b c" }, `model.merges[7]: ["a" "b" "c"], want two tokens`},
		{func(f, m map[string]any) { m["merges"].([]any)[7] = "a 字" }, `model.merges[7]: "字" is not in model.vocab`},
		{func(f, m map[string]any) { m["type"] = "WordPiece" }, `model.type: "WordPiece" is not supported, want BPE or Unigram`},
		{func(f, m map[string]any) { f["normalizer"] = map[string]any{"type": "NFKC"} }, `normalizer: "NFKC" is not supported, want null, NFC, Prepend, Replace`},
		{func(f, m map[string]any) {
			f["normalizer"] = map[string]any{"type": "Replace", "pattern": map[string]any{"Regex": "a"}}
		}, `normalizer: Replace without pattern.String is not supported`},
		{func(f, m map[string]any) {
			f["normalizer"] = map[string]any{"type": "Sequence", "normalizers": []any{map[string]any{"type": "Lowercase"}}}
		}, `normalizer[0]: "Lowercase" is not supported, want null, NFC, Prepend, Replace`},
		{func(f, m map[string]any) { f["post_processor"] = map[string]any{"type": "Odd"} }, `post_processor: "Odd" is not supported, want null, ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing`},
		{func(f, m map[string]any) { f["decoder"] = map[string]any{"type": "Metaspace"} }, `decoder: "Metaspace" is not supported, want null, ByteLevel`},
		{pre(nil), `decoder: "ByteLevel" is not supported, want null, Replace, ByteFallback, Fuse, Strip, Metaspace`},
		{pre(map[string]any{"type": "Metaspace"}), `pre_tokenizer: Metaspace.replacement: want "▁"`},
		{pre(map[string]any{"type": "ByteLevel"}), `pre_tokenizer: ByteLevel.add_prefix_space is missing`},
		{pre(map[string]any{"type": "Sequence"}), `decoder: "ByteLevel" is not supported, want null, Replace, ByteFallback, Fuse, Strip, Metaspace`},
		{splitBy(`\d+`), `pre_tokenizer: Split by "\\d+" is not supported; only the patterns of GPT-2, Qwen 2, Llama 3 and o200k are`},
		{func(f, m map[string]any) {
			f["added_tokens"] = []any{map[string]any{"id": 1, "content": "<|endoftext|>"}}
		}, `added_tokens[0].id: "<|endoftext|>" is 1 here, but 0 in model.vocab`},
		{func(f, m map[string]any) { f["added_tokens"] = []any{map[string]any{"id": 34, "content": "<x>"}} }, `added_tokens[0].id: "B" and "<x>" are both 34`},
		{func(f, m map[string]any) { f["added_tokens"] = []any{map[string]any{"id": -4, "content": "<x>"}} }, `added_tokens[0].id: -4 is not in 0…4194303`},
		{func(f, m map[string]any) { f["added_tokens"] = []any{nil} }, `added_tokens[0].content: missing or empty`},
		{func(f, m map[string]any) {
			f["added_tokens"] = append(f["added_tokens"].([]any), f["added_tokens"].([]any)[0])
		}, `added_tokens[1].content: "<|endoftext|>" comes twice`},
	}
	for _, c := range cases {
		_, err := Parse("t.json", edited(t, c.change))
		if want := "t.json: " + c.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// What is no JSON, or the wrong JSON, is pointed at.
func TestParsePositions(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "t.json:1:1: unexpected end of JSON input",
		"{\n \"model\": {\n  oops}}":            "t.json:3:3: invalid character 'o' looking for beginning of object key string",
		"[]":                                    "t.json:1:1: array, want an object",
		"{\n\"added_tokens\": [{\"id\": 1.5}]}": "t.json:2:27: added_tokens.id: number 1.5, want an integer",
		"{\"model\": {\n\"merges\": [],\n\"vocab\": [7]}}":      "t.json:3:10: model.vocab: array, want an object",
		"{\"model\":{\"vocab\":{},\n\"merges\":[\"a b\",[1]]}}": "t.json:2:15: model.merges: string, want a list",
		"null": "t.json: model: vocab or merges are missing",
		"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0],[-1,\"b\\n\"]]}}": "t.json: model.vocab[1]: [-1,\"b\\n\"]: want a text that is there once, and its score",
	} {
		_, err := Parse("t.json", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%q\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// The end token: from the config beside the file, otherwise by its name.
func TestEOS(t *testing.T) {
	named := edited(t, func(file, _ map[string]any) {
		file["added_tokens"] = append(file["added_tokens"].([]any),
			map[string]any{"id": 4096, "content": "</s>", "special": true}, map[string]any{"id": 4097, "content": "<eos>"})
	})
	unnamed := edited(t, func(file, _ map[string]any) { file["added_tokens"] = nil })
	cases := []struct {
		tokenizer []byte
		config    string
		id        int32
		err       string
	}{
		{named, "", 0, ""},
		{named, `{"eos_token": "</s>"}`, 4096, ""},
		{named, `{"eos_token": {"content": "<eos>", "lstrip": false}}`, 4097, ""},
		{named, `{"eos_token": null}`, 0, ""},
		{named, `{}`, 0, ""},
		{unnamed, ``, -1, ""},
		{unnamed, `{"eos_token": "<|endoftext|>"}`, 0, ""},
		{unnamed, `{"eos_token": "</s>"}`, 0, `tokenizer_config.json: eos_token: the tokenizer has no token "</s>"`},
		{unnamed, "{\n\"eos_token\": 3}", 0, `tokenizer_config.json:2:14: eos_token: number, want an object`},
		{unnamed, `{`, 0, `tokenizer_config.json:1:1: unexpected end of JSON input`},
	}
	for _, c := range cases {
		dir := t.TempDir()
		write := func(name string, data []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write("tokenizer.json", c.tokenizer)
		if c.config != "" {
			write("tokenizer_config.json", []byte(c.config))
		}
		tok, err := Load(filepath.Join(dir, "tokenizer.json"))
		if c.err != "" {
			if want := dir + "/" + c.err; err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", c.config, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.config, err)
			continue
		}
		if id, ok := tok.EOS(); ok != (c.id >= 0) || ok && id != c.id {
			t.Errorf("%s: EOS is %d, %v, want %d", c.config, id, ok, c.id)
		}
	}
}

func FuzzParse(f *testing.F) {
	// A whole tokenizer, small: the bytes, a merge, an added token.
	small := edited(f, func(file, model map[string]any) {
		vocab := map[string]any{"ab": 256}
		for b, r := range alphabet {
			vocab[string(r)] = b
		}
		model["vocab"], model["merges"] = vocab, []any{"a b"}
		file["added_tokens"] = []any{map[string]any{"id": 257, "content": "<e>", "special": true, "lstrip": true}}
	})
	f.Add(small)
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[["a","b"]]},"added_tokens":[{"id":7,"content":"x"}]}`))
	f.Add([]byte(`{"pre_tokenizer":{"type":"Sequence","pretokenizers":[null]},"model":{"vocab":{},"merges":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := Parse("t.json", data)
		if err != nil {
			if tok != nil {
				t.Error("a tokenizer beside an error")
			}
			return
		}
		for _, id := range slices.Concat(tok.Encode("ab<e> c\xff\n", true), tok.Encode("ab<e>", false)) {
			if id < 0 || int(id) >= tok.Vocab() {
				t.Errorf("id %d of %d", id, tok.Vocab())
			}
		}
		tok.EOS()
	})
}

func FuzzRoundTrip(f *testing.F) {
	for _, s := range samples {
		f.Add(s)
	}
	toks := []*Tokenizer{trained(f), withTokens(f, "ab/", "abc/w", "é字/n")}
	for pattern := range patterns {
		toks = append(toks, parsed(f, edited(f, splitBy(pattern))))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range toks {
			for _, special := range []bool{false, true} {
				ids := tok.Encode(text, special)
				if got := tok.Decode(ids); got != text {
					t.Fatalf("%q became %q", text, got)
				}
				checkStream(t, tok, ids, text)
			}
		}
	})
}
