package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The format (huggingface/safetensors):
//
//	offset   bytes
//	     0   8      n, little endian
//	     8   n      JSON: {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, …},
//	                and perhaps "__metadata__": {"key": "text"}; spaces may follow it
//	   8+n   rest   data; offsets count from here, cover it without gaps and without overlap
const (
	maxHeader = 100_000_000 // bytes; the format's own limit
	maxRank   = 16
)

// A FormatError says why a file is not what it should be.
type FormatError struct {
	File   string
	Tensor string // the tensor it is about, if about one
	Offset int64  // the byte of the file where that shows, -1 if nowhere in particular
	Msg    string
}

func (e *FormatError) Error() string {
	var b strings.Builder
	b.WriteString(e.File + ": ")
	if e.Tensor != "" {
		fmt.Fprintf(&b, "tensor %s: ", show(e.Tensor))
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, "byte %d: ", e.Offset)
	}
	return b.String() + e.Msg
}

// show prints a name from a file: as it is if it is plain, quoted and cut otherwise.
func show(name string) string {
	const longest = 200
	cut := ""
	if len(name) > longest {
		name, cut = strings.ToValidUTF8(name[:longest], ""), "…"
	}
	if q := strconv.Quote(name); q != `"`+name+`"` || name == "" || strings.ContainsAny(name, " ,:") {
		return q + cut
	}
	return name + cut
}

// parse reads a whole safetensors file: its tensors in order of their data.
func parse(file string, data []byte) ([]Tensor, error) {
	h := header{file: file}
	if len(data) < 8 {
		return nil, h.err("", 0, "the file has %d bytes: it is cut off before the header's length (8 bytes)", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	switch {
	case n > maxHeader:
		return nil, h.err("", 0, "the header's length is %d: at most %d is possible; this is not a safetensors file", n, maxHeader)
	case n > uint64(len(data)-8):
		return nil, h.err("", 0, "the header's length is %d, but the file ends %d bytes after it: it is cut off", n, len(data)-8)
	}
	text, body := data[8:8+n], data[8+n:]
	if err := h.read(text, int64(len(body))); err != nil {
		return nil, err
	}
	if err := h.cover(int64(len(body)), int64(8+n)); err != nil {
		return nil, err
	}
	ts := make([]Tensor, len(h.entries))
	for i, e := range h.entries {
		ts[i] = Tensor{Name: e.name, DType: e.dtype, Shape: e.shape, Data: body[e.begin:e.end:e.end], File: file}
	}
	return ts, nil
}

// header is the JSON part while it is read.
type header struct {
	file    string
	dec     *json.Decoder
	entries []entry
}

type entry struct {
	name       string
	dtype      DType
	shape      []int
	begin, end int64
	at         int64 // byte of the file where its description starts
}

func (h *header) err(tensor string, at int64, format string, args ...any) error {
	return &FormatError{File: h.file, Tensor: tensor, Offset: at, Msg: fmt.Sprintf(format, args...)}
}

// here is the byte of the file up to which JSON has been read.
func (h *header) here() int64 { return 8 + h.dec.InputOffset() }

// read fills entries from the header's text, each checked by itself.
func (h *header) read(text []byte, body int64) error {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size <= 1 {
			return h.err("", int64(8+i), "the header is not UTF-8")
		}
		i += size
	}
	if len(text) == 0 || text[0] != '{' {
		return h.err("", 8, "the header is no JSON object: want { as its first byte")
	}
	h.dec = json.NewDecoder(bytes.NewReader(text))
	h.dec.UseNumber()
	if _, err := h.dec.Token(); err != nil {
		return h.syntax("", err)
	}
	seen := map[string]bool{}
	for h.dec.More() {
		name, err := h.text("")
		if err != nil {
			return err
		}
		if seen[name] {
			return h.err(name, h.here(), "is described twice")
		}
		seen[name] = true
		if name == "__metadata__" {
			err = h.metadata()
		} else {
			err = h.entry(name, body)
		}
		if err != nil {
			return err
		}
	}
	if _, err := h.dec.Token(); err != nil {
		return h.syntax("", err)
	}
	if rest := text[h.dec.InputOffset():]; len(bytes.TrimLeft(rest, " \t\r\n")) > 0 {
		return h.err("", h.here(), "something follows the header's JSON object: only spaces may")
	}
	return nil
}

func (h *header) syntax(tensor string, err error) error {
	return h.err(tensor, h.here(), "the header is not JSON: %v", err)
}

// open reads the bracket that starts an object or a list.
func (h *header) open(tensor, what string, want json.Delim) error {
	t, err := h.dec.Token()
	if err != nil {
		return h.syntax(tensor, err)
	}
	if t != want {
		return h.err(tensor, h.here(), "%s is %s: want %s", what, shown(t), shown(want))
	}
	return nil
}

// shown is a JSON token as messages name it.
func shown(t json.Token) string {
	switch t := t.(type) {
	case nil:
		return "null"
	case json.Delim:
		if t == '{' {
			return "an object"
		}
		return "a list"
	case string:
		return show(t)
	}
	return fmt.Sprint(t)
}

func (h *header) text(tensor string) (string, error) {
	t, err := h.dec.Token()
	if err != nil {
		return "", h.syntax(tensor, err)
	}
	s, ok := t.(string)
	if !ok {
		return "", h.err(tensor, h.here(), "%s stands where a text should", shown(t))
	}
	return s, nil
}

// metadata reads texts by texts; they mean nothing to us.
func (h *header) metadata() error {
	if err := h.open("", "__metadata__", '{'); err != nil {
		return err
	}
	for h.dec.More() {
		for range 2 {
			if _, err := h.text(""); err != nil {
				return err
			}
		}
	}
	if _, err := h.dec.Token(); err != nil {
		return h.syntax("", err)
	}
	return nil
}

// entry reads one tensor's description. Keys that the format does not have are skipped, as the
// reference reader does.
func (h *header) entry(name string, body int64) error {
	e := entry{name: name, at: h.here()}
	if err := h.open(name, "its description", '{'); err != nil {
		return err
	}
	var dtype string
	var shape, offsets []int64
	seen := map[string]bool{}
	for h.dec.More() {
		key, err := h.text(name)
		if err != nil {
			return err
		}
		if seen[key] {
			return h.err(name, h.here(), "%s is given twice", show(key))
		}
		seen[key] = true
		switch key {
		case "dtype":
			dtype, err = h.text(name)
		case "shape":
			shape, err = h.integers(name, key, maxRank)
		case "data_offsets":
			offsets, err = h.integers(name, key, 2)
		default:
			var skipped json.RawMessage
			if e := h.dec.Decode(&skipped); e != nil {
				err = h.syntax(name, e)
			}
		}
		if err != nil {
			return err
		}
	}
	if _, err := h.dec.Token(); err != nil {
		return h.syntax(name, err)
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[key] {
			return h.err(name, e.at, "%s is missing", key)
		}
	}
	e.dtype = DType(strings.ToLower(dtype))
	if sizes[e.dtype] == 0 || dtype != strings.ToUpper(dtype) {
		return h.err(name, e.at, "dtype %s is unknown", show(dtype))
	}
	return h.check(e, shape, offsets, body)
}

// check holds a description against the data: the bytes are there, and as many as the shape says.
func (h *header) check(e entry, shape, offsets []int64, body int64) error {
	if len(offsets) != 2 {
		return h.err(e.name, e.at, "data_offsets has %d numbers: want 2", len(offsets))
	}
	e.begin, e.end = offsets[0], offsets[1]
	switch {
	case e.begin > e.end:
		return h.err(e.name, e.at, "data_offsets [%d %d] end before they begin", e.begin, e.end)
	case e.end > body:
		return h.err(e.name, e.at, "data_offsets [%d %d] go beyond the file's %d bytes of data: it is cut off or its header is wrong", e.begin, e.end, body)
	}
	want, empty := sizes[e.dtype], slices.Contains(shape, 0)
	for _, d := range shape {
		if !empty && want > math.MaxInt64/d || d > math.MaxInt {
			return h.err(e.name, e.at, "shape %v is too large", shape)
		}
		want *= d
		e.shape = append(e.shape, int(d))
	}
	if empty {
		want = 0
	}
	if got := e.end - e.begin; got != want {
		return h.err(e.name, e.at, "%s %v takes %d bytes, but data_offsets [%d %d] give it %d", strings.ToUpper(string(e.dtype)), shape, want, e.begin, e.end, got)
	}
	h.entries = append(h.entries, e)
	return nil
}

// integers reads a list of at most most integers that are not negative.
func (h *header) integers(name, key string, most int) ([]int64, error) {
	if err := h.open(name, key, '['); err != nil {
		return nil, err
	}
	list := []int64{}
	for h.dec.More() {
		t, err := h.dec.Token()
		if err != nil {
			return nil, h.syntax(name, err)
		}
		n, _ := t.(json.Number)
		v, err := strconv.ParseInt(n.String(), 10, 64)
		if err != nil || v < 0 {
			return nil, h.err(name, h.here(), "%s in %s: want an integer from 0", shown(t), key)
		}
		if len(list) == most {
			return nil, h.err(name, h.here(), "%s has more than %d numbers", key, most)
		}
		list = append(list, v)
	}
	if _, err := h.dec.Token(); err != nil {
		return nil, h.syntax(name, err)
	}
	return list, nil
}

// cover checks that the tensors fill the data without gap and overlap, and sorts them by place.
// start is the byte of the file where the data begins.
func (h *header) cover(body, start int64) error {
	slices.SortStableFunc(h.entries, func(a, b entry) int {
		if a.begin != b.begin {
			return cmp.Compare(a.begin, b.begin)
		}
		return cmp.Compare(a.end, b.end)
	})
	var end int64
	for i, e := range h.entries {
		switch {
		case e.begin < end:
			return h.err(e.name, start+e.begin, "its data overlaps that of %s", show(h.entries[i-1].name))
		case e.begin > end:
			return h.err(e.name, start+end, "%d bytes before its data belong to no tensor", e.begin-end)
		}
		end = e.end
	}
	if end != body {
		return h.err("", start+end, "%d bytes after the last tensor belong to none", body-end)
	}
	return nil
}
