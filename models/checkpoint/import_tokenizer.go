package checkpoint

import (
	"fmt"
	"path/filepath"

	"github.com/yococ/yococ/models"
	"github.com/yococ/yococ/models/tokenizer"
)

// findTokenizer gives the tokenizer in a folder that can be used with spec, or "", and what a reader
// would not expect of it.
func findTokenizer(dir string, spec *models.Spec) (path, note string) {
	path = tokenizer.Find(dir)
	if path == "" {
		return "", "there is no tokenizer.json, tokenizer.model or single .tiktoken file: the spec names no tokenizer"
	}
	load, ranks := tokenizer.Load, filepath.Ext(path) == ".tiktoken"
	if spec.Checkpoint.Names == models.Unilm {
		load = tokenizer.LoadUnilm
	}
	switch t, err := load(path); {
	case err != nil:
		return "", fmt.Sprintf("the spec names no tokenizer, since this one is of no use: %v", err)
	case t.Vocab() > spec.Vocab:
		return "", fmt.Sprintf("the spec names no tokenizer, since %s has %d tokens and the model %d", path, t.Vocab(), spec.Vocab)
	case ranks && spec.Checkpoint.Names == models.Unilm:
		note = fmt.Sprintf("the ids of %s are microsoft/unilm's, four above the ranks: <s>, <pad>, </s> and <unk> come first", path)
	}
	return path, note
}
