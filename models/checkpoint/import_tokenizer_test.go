package checkpoint

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImportFindsTokenizers: a tokenizer of any kind is found; of one that cannot be used is said why.
func TestImportFindsTokenizers(t *testing.T) {
	var ranks strings.Builder
	for b := range 256 {
		fmt.Fprintln(&ranks, base64.StdEncoding.EncodeToString([]byte{byte(b)}), b)
	}
	unigram, err := os.ReadFile("../tokenizer/testdata/unigram-unknown.model")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		files map[string]string
		vocab int
		found string
		note  string
	}{
		{nil, 300, "", "there is no tokenizer.json, tokenizer.model or single .tiktoken file"},
		{map[string]string{"t.tiktoken": ranks.String()}, 264, "t.tiktoken", "are microsoft/unilm's, four above the ranks"},
		{map[string]string{"t.tiktoken": ranks.String()}, 259, "", "has 260 tokens and the model 259"},
		{map[string]string{"t.tiktoken": ranks.String(), "u.tiktoken": ranks.String()}, 264, "", "single .tiktoken file"},
		{map[string]string{"tokenizer.model": string(unigram), "t.tiktoken": ranks.String()}, 1000, "tokenizer.model", ""},
		{map[string]string{"tokenizer.json": `{"model":{"type":"WordPiece"}}`}, 300, "", `since this one is of no use: DIR/tokenizer.json: model.type: "WordPiece" is not supported`},
	} {
		dir := t.TempDir()
		write(t, dir, "params.json", fmt.Sprintf(`{"dim": 64, "n_layers": 4, "hidden_dim": 160, "n_self_heads": 2, "n_attn_heads": 4, "n_attn_kv_heads": 2, "vocab_size": %d}`, c.vocab))
		for name, text := range c.files {
			write(t, dir, name, text)
		}
		s, notes, err := Import(dir)
		if err != nil {
			t.Fatal(err)
		}
		found := ""
		if s.Tokenizer != "" {
			found = filepath.Base(s.Tokenizer)
		}
		said := filepath.ToSlash(strings.ReplaceAll(strings.Join(notes, "\n"), dir, "DIR"))
		if found != c.found || !strings.Contains(said, c.note) {
			t.Errorf("found %q, want %q; notes %q, want %q", found, c.found, said, c.note)
		}
	}
}
