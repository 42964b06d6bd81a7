package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
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

// readConfig takes the end token from the text of a tokenizer_config.json, if it names one.
func (t *Tokenizer) readConfig(file string, data []byte) error {
	src := source{file, data}
	var config struct {
		EOS json.RawMessage `json:"eos_token"` // "text" or {"content": "text"}
	}
	if err := src.unmarshal(data, "", &config); err != nil {
		return err
	}
	if config.EOS == nil {
		return nil
	}
	var token struct {
		Content *string `json:"content"`
	}
	if json.Unmarshal(config.EOS, &token.Content) != nil {
		if err := src.unmarshal(config.EOS, "eos_token", &token); err != nil {
			return err
		}
	}
	if token.Content == nil {
		return nil
	}
	id, ok := t.lookup(*token.Content)
	if !ok {
		return fmt.Errorf("%s: eos_token: the tokenizer has no token %q", file, *token.Content)
	}
	t.eos = id
	return nil
}

// lookup finds a token by its text, added ones first.
func (t *Tokenizer) lookup(text string) (int32, bool) {
	for _, a := range t.added {
		if a.Content == text {
			return a.ID, true
		}
	}
	for id := range int32(t.Vocab()) {
		if text != "" && string(t.Bytes(id)) == text {
			return id, true
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
