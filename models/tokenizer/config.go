package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// ends are the usual names of the token that ends a text, the likeliest first.
var ends = []string{
	"<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>", "<|eot_id|>",
	"<|end|>", "<|endofprompt|>", "<｜end▁of▁sentence｜>",
}

// usualEnd is the special token with the likeliest of the usual names, or -1.
func (t *Tokenizer) usualEnd() int32 {
	for _, name := range ends {
		for _, a := range t.added {
			if a.Special && a.Content == name {
				return a.ID
			}
		}
	}
	return -1
}

// beginnings are the usual names of the token that begins a text.
var beginnings = []string{"<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<｜begin▁of▁sentence｜>"}

// readConfig takes from the text of a tokenizer_config.json the end token, if it names one, and whether
// a text has a token in front.
func (t *Tokenizer) readConfig(file string, data []byte) error {
	src := source{file, data}
	var config struct {
		EOS    json.RawMessage `json:"eos_token"`
		BOS    json.RawMessage `json:"bos_token"`
		AddBOS *bool           `json:"add_bos_token"`
		Class  string          `json:"tokenizer_class"`
	}
	if err := src.unmarshal(data, "", &config); err != nil {
		return err
	}
	id, err := t.named(src, "eos_token", config.EOS)
	if err != nil {
		return err
	}
	if id >= 0 {
		t.eos = id
	}
	// The classes of Llama put it in front unless told otherwise, whatever tokenizer.json says.
	llama := strings.HasPrefix(config.Class, "LlamaTokenizer")
	switch add := config.AddBOS; {
	case add == nil && !llama:
		return nil
	case add != nil && !*add:
		t.front = nil
		return nil
	}
	if id, err = t.named(src, "bos_token", config.BOS); err != nil {
		return err
	}
	for _, name := range beginnings {
		if other, ok := t.lookupAdded(name); ok && id < 0 && len(t.front) == 0 {
			id = other
		}
	}
	switch {
	case id >= 0:
		t.front = []int32{id}
	case len(t.front) == 0 && !llama:
		return fmt.Errorf("%s: add_bos_token: there is no bos_token to put in front", file)
	}
	return nil
}

// named is the token that a key of the config names, as "text" or {"content": "text"}, or -1.
func (t *Tokenizer) named(src source, key string, raw json.RawMessage) (int32, error) {
	if raw == nil {
		return -1, nil
	}
	var token struct {
		Content *string `json:"content"`
	}
	if json.Unmarshal(raw, &token.Content) != nil {
		if err := src.unmarshal(raw, key, &token); err != nil {
			return -1, err
		}
	}
	if token.Content == nil {
		return -1, nil
	}
	id, ok := t.lookup(*token.Content)
	if !ok {
		return -1, fmt.Errorf("%s: %s: the tokenizer has no token %q", src.file, key, *token.Content)
	}
	return id, nil
}

// lookup finds a token by its text, added ones first.
func (t *Tokenizer) lookup(text string) (int32, bool) {
	if id, ok := t.lookupAdded(text); ok {
		return id, true
	}
	for id := range int32(t.Vocab()) {
		if text != "" && string(t.Bytes(id)) == text {
			return id, true
		}
	}
	return 0, false
}

// lookupAdded finds an added token by its text.
func (t *Tokenizer) lookupAdded(text string) (int32, bool) {
	for _, a := range t.added {
		if a.Content == text {
			return a.ID, true
		}
	}
	return 0, false
}

// source is the text of a JSON file.
type source struct {
	file string
	data []byte
}

// unmarshal reads raw, a part of the source that belongs to the key path, into v. Its errors say
// where.
func (s source) unmarshal(raw []byte, path string, v any) error {
	err := json.Unmarshal(raw, v)
	if err == nil {
		return nil
	}
	msg, at := err.Error(), int64(0)
	switch e := err.(type) {
	case *json.SyntaxError:
		at = e.Offset
	case *json.UnmarshalTypeError:
		at = e.Offset
		msg = fmt.Sprintf("%s, want %s", e.Value, kindName(e.Type))
		if path != "" && e.Field != "" {
			path += "."
		}
		path += e.Field
	}
	before := s.data[:min(max(bytes.Index(s.data, raw), 0)+int(at), len(s.data))]
	line := bytes.Count(before, []byte("\n")) + 1
	col := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	if path != "" {
		msg = path + ": " + msg
	}
	return fmt.Errorf("%s:%d:%d: %s", s.file, line, max(col, 1), msg)
}

// kindName is what JSON calls the values that fit a Go type.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kindName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int32:
		return "an integer"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}
