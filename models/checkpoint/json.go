package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// A value is a JSON value with its place, for messages that say where. Objects keep their order.
type value struct {
	kind    kind
	text    string // of a str, number or boolean
	members []member
	at      int64 // byte of the text
}

type member struct {
	key   string
	value *value
	at    int64 // of the key
}

type kind int

const (
	null kind = iota
	boolean
	number
	str
	list
	object
)

// String describes v for a message.
func (v *value) String() string {
	switch v.kind {
	case object:
		return "an object"
	case list:
		return "a list"
	case str:
		return fmt.Sprintf("%q", cut(v.text))
	case null:
		return "null"
	}
	return cut(v.text)
}

func cut(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

func (v *value) get(key string) (*value, bool) {
	for _, m := range v.members {
		if m.key == key {
			return m.value, true
		}
	}
	return nil, false
}

type jsonError struct {
	at  int64
	msg string
}

// maxDepth bounds nesting: what we read is two deep.
const maxDepth = 64

// parseJSON reads one JSON value; a key given twice is an error, as is anything after the value.
func parseJSON(text []byte) (*value, *jsonError) {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size <= 1 {
			return nil, &jsonError{int64(i), "is not UTF-8"}
		}
		i += size
	}
	p := jsonParser{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	p.dec.UseNumber()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	at := p.next()
	if _, e := p.dec.Token(); e != io.EOF {
		return nil, &jsonError{at, "something follows the JSON value"}
	}
	return v, nil
}

type jsonParser struct {
	text []byte
	dec  *json.Decoder
}

// next is the byte where the next token starts.
func (p *jsonParser) next() int64 {
	at := p.dec.InputOffset()
	for at < int64(len(p.text)) && bytes.IndexByte([]byte(" \t\r\n,:"), p.text[at]) >= 0 {
		at++
	}
	return at
}

func (p *jsonParser) token() (json.Token, int64, *jsonError) {
	at := p.next()
	t, err := p.dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, at, &jsonError{max(at, p.dec.InputOffset()), "is not JSON: " + err.Error()}
	}
	return t, at, nil
}

func (p *jsonParser) value(depth int) (*value, *jsonError) {
	t, at, err := p.token()
	if err != nil {
		return nil, err
	}
	v := &value{at: at}
	switch t := t.(type) {
	case nil:
		v.kind = null
	case bool:
		v.kind, v.text = boolean, fmt.Sprint(t)
	case json.Number:
		v.kind, v.text = number, t.String()
	case string:
		v.kind, v.text = str, t
	case json.Delim:
		if depth == maxDepth {
			return nil, &jsonError{at, fmt.Sprintf("is nested more than %d deep", maxDepth)}
		}
		if v.kind = object; t == '[' {
			v.kind = list
		}
		err = p.members(v, depth)
	}
	return v, err
}

// members reads what is in an object or a list, and its closing bracket.
func (p *jsonParser) members(v *value, depth int) *jsonError {
	seen := map[string]bool{}
	for p.dec.More() {
		var m member
		var err *jsonError
		if v.kind == object {
			var t json.Token
			if t, m.at, err = p.token(); err != nil {
				return err
			}
			m.key = t.(string) // the decoder takes nothing else for a key
			if seen[m.key] {
				return &jsonError{m.at, fmt.Sprintf("%q is given twice", cut(m.key))}
			}
			seen[m.key] = true
		}
		if m.value, err = p.value(depth + 1); err != nil {
			return err
		}
		v.members = append(v.members, m)
	}
	_, _, err := p.token()
	return err
}
