package tokenizer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// Load reads a tokenizer of any kind that its content tells: a tokenizer.json, a file of tiktoken's
// ranks, or a SentencePiece model. The tokenizer_config.json beside it, if there is one, names the end
// token, and says whether a text has a token in front. Of a folder it reads the file that Find finds.
func Load(path string) (*Tokenizer, error) { return load(path, false) }

// LoadUnilm is Load, but for a file of tiktoken's ranks: then ids are those of microsoft/unilm's YOCO,
// whose TiktokenTokenizer puts <s>, <pad>, </s> and <unk> in front of them, and adds tokens for code.
func LoadUnilm(path string) (*Tokenizer, error) { return load(path, true) }

func load(path string, unilm bool) (*Tokenizer, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		found := Find(path)
		if found == "" {
			return nil, fmt.Errorf("%s: there is no tokenizer: want tokenizer.json, tokenizer.model or a .tiktoken file", path)
		}
		path = found
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var t *Tokenizer
	switch ext := filepath.Ext(path); {
	case ext == ".json" || bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")):
		t, err = Parse(path, data)
	case ext == ".tiktoken" || isTiktoken(data):
		t, err = ParseTiktoken(path, data, unilm)
	default:
		t, err = ParseSentencePiece(path, data)
	}
	if err != nil {
		return nil, err
	}
	path = filepath.Join(filepath.Dir(path), "tokenizer_config.json")
	data, err = readFile(path)
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

// maxFile bounds a file's bytes: the largest vocabularies there are take some 40 MB.
const maxFile = 256 << 20

// readFile reads a regular file: a pipe might never have an end, nor a device.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: is not a file", path)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s: has %d bytes: a tokenizer's file has at most %d", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// Find is the path of the tokenizer in a folder, or "": tokenizer.json, else tokenizer.model, else the
// only .tiktoken file.
func Find(dir string) string {
	for _, name := range []string{"tokenizer.json", "tokenizer.model"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*.tiktoken")); len(found) == 1 {
		return found[0]
	}
	return ""
}
