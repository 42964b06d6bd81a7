package driver

import (
	"slices"
	"testing"

	"github.com/yococ/yococ/models"
)

// TestPromptTokens: what is continued begins as the tokenizer says, what is scored does not.
func TestPromptTokens(t *testing.T) {
	for file, want := range map[string][]int32{
		"../../models/tokenizer/testdata/llama.json":     {1},
		"../../models/tokenizer/testdata/bpe.model":      {1},
		"../../models/tokenizer/testdata/tokenizer.json": nil,
	} {
		text, err := NewText(&models.Spec{Tokenizer: file, Vocab: 1 << 17})
		if err != nil {
			t.Fatal(err)
		}
		scored, err := text.scored("A text of some words.")
		if err != nil {
			t.Fatal(err)
		}
		ids, err := text.Prompt("A text of some words.", false)
		if err != nil || !slices.Equal(ids, slices.Concat(want, scored)) {
			t.Errorf("%s: %v, %v, want %v in front of %v", file, ids, err, want, scored)
		}
		ids, err = text.Prompt("", false)
		if err != nil || len(ids) != 1 || want != nil && ids[0] != want[0] {
			t.Errorf("%s: an empty text is %v, %v", file, ids, err)
		}
	}
}
