package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/yococ/yococ/models"
)

// parseGolden reads golden.json: {"prompts": […]} with "weights" naming a format or not there, or
// {"weights": {format: {"prompts": […]}}}, of which dtype's are returned with the prefix that the
// tensors have then. What is wrong is an error with its place; keys that are not known are skipped.
func parseGolden(file string, text []byte, dtype string) (prompts []GoldenPrompt, prefix string, err error) {
	r := &goldenReader{file: file, text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	r.dec.UseNumber()
	err = r.object("", "an object", func(key string) (err error) {
		switch {
		case key == "prompts" && prefix == "":
			prompts, err = r.prompts(key)
		case key == "weights" && r.peek() == '{':
			prompts, prefix = nil, dtype+"."
			err = r.object(key, "", func(format string) error {
				if format != dtype {
					return r.skip()
				}
				return r.object(key+"."+format, "an object with prompts", func(k string) (err error) {
					if k != "prompts" {
						return r.skip()
					}
					prompts, err = r.prompts(key + "." + format + ".prompts")
					return err
				})
			})
		default:
			err = r.skip()
		}
		return err
	})
	if err == nil {
		at := r.next()
		if _, e := r.dec.Token(); e != io.EOF {
			err = r.errAt(at, "", "something follows the object")
		}
	}
	if err == nil && len(prompts) == 0 {
		err = fmt.Errorf("%s: has no prompts for %s weights", file, dtype)
	}
	return prompts, prefix, err
}

func (r *goldenReader) prompts(path string) (ps []GoldenPrompt, err error) {
	err = r.list(path, "a list of prompts", func(at string) error {
		p, err := r.prompt(at)
		ps = append(ps, p)
		return err
	})
	return ps, err
}

func (r *goldenReader) prompt(path string) (p GoldenPrompt, err error) {
	const want = "a number from 0"
	start := r.next()
	err = r.object(path, "an object with tokens and greedy", func(key string) (err error) {
		at := path + "." + key
		switch key {
		case "tokens":
			p.Tokens, err = r.tokens(at)
		case "greedy":
			p.Greedy, err = r.tokens(at)
		case "gaps":
			p.Gaps = nil
			err = r.list(at, "a list of numbers", func(at string) error {
				x, err := r.number(at, want, math.Inf(1))
				p.Gaps = append(p.Gaps, x)
				return err
			})
		case "f32_reference_max_abs_diff":
			p.Diff, err = r.number(at, fmt.Sprintf("%s, below %d", want, maxDiff), maxDiff)
		default:
			err = r.skip()
		}
		return err
	})
	switch {
	case err != nil:
	case p.Tokens == nil:
		err = r.errAt(start, path, "tokens are missing")
	case p.Greedy == nil:
		err = r.errAt(start, path, "greedy is missing: want the tokens that follow")
	}
	return p, err
}

// tokens reads a list that is not empty.
func (r *goldenReader) tokens(path string) (ts []int32, err error) {
	const want = "a list of tokens"
	start := r.next()
	err = r.list(path, want, func(at string) error {
		from := r.next()
		x, err := r.number(at, "a token, an integer from 0", math.MaxInt32)
		if err == nil && x != math.Trunc(x) {
			err = r.errAt(from, at, "got %v, want a token, an integer from 0", x)
		}
		ts = append(ts, int32(x))
		return err
	})
	if err == nil && len(ts) == 0 {
		err = r.errAt(start, path, "is empty: want %s", want)
	}
	return ts, err
}

// A goldenReader reads JSON value by value, so that it knows the place of each.
type goldenReader struct {
	file string
	text []byte
	dec  *json.Decoder
}

func (r *goldenReader) errAt(at int, path, format string, args ...any) error {
	before := r.text[:min(at, len(r.text))]
	line := 1 + bytes.Count(before, []byte("\n"))
	col := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return models.Errors{{File: r.file, Line: line, Col: col, Path: path, Msg: fmt.Sprintf(format, args...)}}
}

// next is the byte where the next value or key starts.
func (r *goldenReader) next() int {
	at := int(r.dec.InputOffset())
	for at < len(r.text) && bytes.IndexByte([]byte(" \t\r\n,:"), r.text[at]) >= 0 {
		at++
	}
	return at
}

// peek is the first byte of the next value, 0 at the end.
func (r *goldenReader) peek() byte {
	if at := r.next(); at < len(r.text) {
		return r.text[at]
	}
	return 0
}

func (r *goldenReader) syntax(at int, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.errAt(len(r.text), "", "is not JSON: it is cut off")
	}
	return r.errAt(at, "", "is not JSON: %v", err)
}

// token reads one token, and gives its place and its own text for messages.
func (r *goldenReader) token() (t json.Token, at int, err error) {
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

func (r *goldenReader) open(path, want string, delim json.Delim) error {
	t, at, err := r.token()
	if err == nil && t != delim {
		err = r.errAt(at, path, "got %s, want %s", describe(t), want)
	}
	return err
}

// object calls each after every key; each reads the value.
func (r *goldenReader) object(path, want string, each func(key string) error) error {
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
func (r *goldenReader) list(path, want string, each func(at string) error) error {
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
func (r *goldenReader) number(path, want string, limit float64) (float64, error) {
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

func (r *goldenReader) skip() error {
	at := r.next()
	var skipped json.RawMessage
	if err := r.dec.Decode(&skipped); err != nil {
		return r.syntax(at, err)
	}
	return nil
}
