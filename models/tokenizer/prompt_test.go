package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A prompt begins with what the post-processor says, unless the config beside it says otherwise. Encode
// never adds anything.
func TestPrompt(t *testing.T) {
	post := func(p any) []byte {
		return llamaEdited(t, func(file, _ object) { file["post_processor"] = p })
	}
	template := func(token string, ids ...any) object {
		single := []any{object{"SpecialToken": object{"id": token}}, object{"Sequence": object{"id": "A"}}, object{"SpecialToken": object{"id": token}}}
		return object{"type": "TemplateProcessing", "single": single, "special_tokens": object{token: object{"ids": ids}}}
	}
	plain := post(nil)
	model := read(t, "testdata/bpe.model")
	for _, c := range []struct {
		name, config string
		file         []byte
		front        []int32
	}{
		{"tokenizer.json", "", read(t, "testdata/llama.json"), []int32{1}},
		{"tokenizer.json", "", plain, nil},
		{"tokenizer.json", "", read(t, "testdata/tokenizer.json"), nil},
		{"tokenizer.json", "", post(template("two", 1, 2)), []int32{1, 2}},
		{"tokenizer.json", "", post(object{"type": "RobertaProcessing", "cls": []any{"<s>", 1}, "sep": []any{"</s>", 2}}), []int32{1}},
		{"tokenizer.json", "", post(object{"type": "Sequence", "processors": []any{template("a", 1), object{"type": "ByteLevel"}, template("b", 2)}}), []int32{2, 1}},
		{"tokenizer.json", `{"add_bos_token": false}`, read(t, "testdata/llama.json"), nil},
		{"tokenizer.json", `{"add_bos_token": null}`, read(t, "testdata/llama.json"), []int32{1}},
		{"tokenizer.json", `{"add_bos_token": true}`, plain, []int32{1}},
		{"tokenizer.json", `{"add_bos_token": true, "bos_token": "</s>"}`, plain, []int32{2}},
		{"tokenizer.json", `{"tokenizer_class": "LlamaTokenizerFast"}`, plain, []int32{1}},
		{"tokenizer.json", `{"tokenizer_class": "LlamaTokenizerFast", "bos_token": {"content": "</s>"}}`, read(t, "testdata/llama.json"), []int32{2}},
		{"tokenizer.json", `{"tokenizer_class": "LlamaTokenizer", "add_bos_token": false}`, plain, nil},
		{"tokenizer.json", `{"tokenizer_class": "LlamaTokenizer"}`, read(t, "testdata/tokenizer.json"), nil},
		{"tokenizer.json", `{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"}`, plain, nil},
		{"tokenizer.model", "", model, []int32{1}},
		{"tokenizer.model", `{"add_bos_token": false}`, model, nil},
		{"tokenizer.model", `{"add_bos_token": true, "bos_token": "</s>"}`, model, []int32{2}},
		{"tokenizer.model", "", read(t, "testdata/unigram.model"), nil},
		{"tokenizer.model", `{"add_bos_token": true, "bos_token": "<s>"}`, read(t, "testdata/unigram.model"), []int32{1}},
	} {
		tok, _, err := loadFiles(t, c.name, c.file, c.config)
		if err != nil {
			t.Errorf("%s %s: %v", c.name, c.config, err)
			continue
		}
		for _, text := range []string{"", "some text", "<s>"} {
			ids := tok.Encode(text, false)
			if got := tok.Prompt(text, false); !slices.Equal(got, slices.Concat(c.front, ids)) {
				t.Errorf("%s %s: %q is %v, want %v in front of %v", c.name, c.config, text, got, c.front, ids)
			}
		}
	}
	tok := parsed(t, read(t, "testdata/llama.json"))
	if ids := tok.Prompt("<s>a", true); !slices.Equal(ids, tok.Encode("<s>a", true)) {
		t.Errorf("a text that begins with <s> itself: %v", ids)
	}
}

func TestPromptErrors(t *testing.T) {
	post := func(p object) []byte {
		return llamaEdited(t, func(file, _ object) { file["post_processor"] = p })
	}
	single := []any{object{"SpecialToken": object{"id": "<s>"}}}
	unnamed := edited(t, func(file, _ map[string]any) { file["added_tokens"] = nil })
	for _, c := range []struct {
		file         []byte
		config, want string
	}{
		{post(object{"type": "TemplateProcessing", "single": single}), "", `tokenizer.json: post_processor.single: "<s>" is not in special_tokens`},
		{
			post(object{"type": "TemplateProcessing", "single": single, "special_tokens": object{"<s>": object{"ids": []any{1 << 21}}}}), "",
			"tokenizer.json: post_processor: 2097152, in front of a text, is no token",
		},
		{post(object{"type": "BertProcessing", "cls": []any{"<s>"}}), "", `tokenizer.json: post_processor.cls: ["<s>"]: want a token and its id`},
		{post(object{"type": "BertProcessing", "cls": []any{"<s>", 1.5}}), "", `tokenizer.json: post_processor.cls: `},
		{unnamed, `{"add_bos_token": true}`, "tokenizer_config.json: add_bos_token: there is no bos_token to put in front"},
		{unnamed, `{"add_bos_token": true, "bos_token": "<s>"}`, `tokenizer_config.json: bos_token: the tokenizer has no token "<s>"`},
		{unnamed, `{"add_bos_token": 1}`, `tokenizer_config.json:1:19: add_bos_token: number, want true or false`},
	} {
		_, dir, err := loadFiles(t, "tokenizer.json", c.file, c.config)
		if want := dir + "/" + c.want; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// loadFiles loads a tokenizer, with a config beside it unless that is "".
func loadFiles(t *testing.T, name string, file []byte, config string) (tok *Tokenizer, dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	files := map[string][]byte{name: file}
	if config != "" {
		files["tokenizer_config.json"] = []byte(config)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tok, err = Load(filepath.Join(dir, name))
	return tok, dir, err
}
