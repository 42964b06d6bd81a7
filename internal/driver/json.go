package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/yococ/yococ/models"
)

// A jsonReader reads JSON value by value, so that it knows the place of each.
type jsonReader struct {
	file  string
	bytes []byte
	above int // lines of the file before the text
	dec   *json.Decoder
}

func newJSONReader(file string, text []byte) *jsonReader {
	r := &jsonReader{file: file, bytes: text, dec: json.NewDecoder(bytes.NewReader(text))}
	r.dec.UseNumber()
	return r
}

func (r *jsonReader) errAt(at int, path, format string, args ...any) error {
	before := r.bytes[:min(at, len(r.bytes))]
	line := r.above + 1 + bytes.Count(before, []byte("\n"))
	col := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return models.Errors{{File: r.file, Line: line, Col: col, Path: path, Msg: fmt.Sprintf(format, args...)}}
}

// next is the byte where the next value or key starts.
func (r *jsonReader) next() int {
	at := int(r.dec.InputOffset())
	for at < len(r.bytes) && bytes.IndexByte([]byte(" \t\r\n,:"), r.bytes[at]) >= 0 {
		at++
	}
	return at
}

// peek is the first byte of the next value, 0 at the end.
func (r *jsonReader) peek() byte {
	if at := r.next(); at < len(r.bytes) {
		return r.bytes[at]
	}
	return 0
}

func (r *jsonReader) syntax(at int, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.errAt(len(r.bytes), "", "is not JSON: it is cut off")
	}
	return r.errAt(at, "", "is not JSON: %v", err)
}

// token reads one token, and gives its place and its own text for messages.
func (r *jsonReader) token() (t json.Token, at int, err error) {
	at = r.next()
	if t, err = r.dec.Token(); err != nil {
		return nil, at, r.syntax(at, err)
	}
	return t, at, nil
}

// describe names a token for a message.
func describe(t json.Token) string {
	switch t := t.(type) {
	case nil:
		return "null"
	case json.Delim:
		if t == '{' {
			return "an object"
		}
		return "a list"
	case string:
		if len(t) > 40 {
			t = t[:40] + "…"
		}
		return strconv.Quote(t)
	}
	return fmt.Sprint(t)
}

func (r *jsonReader) open(path, want string, delim json.Delim) error {
	t, at, err := r.token()
	if err == nil && t != delim {
		err = r.errAt(at, path, "got %s, want %s", describe(t), want)
	}
	return err
}

// object calls each after every key; each reads the value.
func (r *jsonReader) object(path, want string, each func(key string) error) error {
	if err := r.open(path, want, '{'); err != nil {
		return err
	}
	for r.dec.More() {
		t, _, err := r.token()
		if err != nil {
			return err
		}
		if err := each(t.(string)); err != nil { // the decoder takes nothing else for a key
			return err
		}
	}
	_, _, err := r.token()
	return err
}

// list calls each for every element, which it reads; at is the element's path.
func (r *jsonReader) list(path, want string, each func(at string) error) error {
	if err := r.open(path, want, '['); err != nil {
		return err
	}
	for i := 0; r.dec.More(); i++ {
		if err := each(fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	_, _, err := r.token()
	return err
}

// number reads a number from 0, below limit.
func (r *jsonReader) number(path, want string, limit float64) (float64, error) {
	t, at, err := r.token()
	if err != nil {
		return 0, err
	}
	n, ok := t.(json.Number)
	x, perr := strconv.ParseFloat(n.String(), 64)
	if !ok || perr != nil || !(x >= 0 && x < limit) {
		return 0, r.errAt(at, path, "got %s, want %s", describe(t), want)
	}
	return x, nil
}

func (r *jsonReader) skip() error {
	at := r.next()
	var skipped json.RawMessage
	if err := r.dec.Decode(&skipped); err != nil {
		return r.syntax(at, err)
	}
	return nil
}

// text reads a text.
func (r *jsonReader) text(path, want string) (string, error) {
	t, at, err := r.token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", r.errAt(at, path, "got %s, want %s", describe(t), want)
	}
	return s, nil
}

// texts reads a list of texts.
func (r *jsonReader) texts(path, want string) (list []string, err error) {
	err = r.list(path, want, func(at string) error {
		s, err := r.text(at, "a text")
		list = append(list, s)
		return err
	})
	return list, err
}

// value reads anything: numbers are json.Number.
func (r *jsonReader) value() (v any, err error) {
	at := r.next()
	if err := r.dec.Decode(&v); err != nil {
		return nil, r.syntax(at, err)
	}
	return v, nil
}

// end wants that nothing follows the object that was read.
func (r *jsonReader) end() error {
	at := r.next()
	if _, err := r.dec.Token(); err != io.EOF {
		return r.errAt(at, "", "something follows the object")
	}
	return nil
}
