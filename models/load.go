package models

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxText bounds a spec file: a thousand times a real one.
const maxText = 1 << 20

// Load reads and checks the spec in a file. What is wrong with it comes back as Errors.
func Load(path string) (*Spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Errors{{File: path, Msg: reason(err)}}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return nil, Errors{{File: path, Msg: reason(err)}}
	}
	return Parse(path, text)
}

// reason is err without the operation and path that the os package puts before it.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}

// Parse reads and checks a spec. The file's name is for messages and for the paths in the spec,
// which are relative to its folder; the file itself is not read. What is wrong comes back as
// Errors: everything at once, in order of position.
func Parse(file string, text []byte) (*Spec, error) {
	src := newSource(file, text)
	root, err := src.parseYAML(text)
	if err != nil {
		return nil, Errors{err}
	}
	s := &Spec{src: src}
	d := decoder{spec: s, bad: map[string]bool{}}
	d.refuseReferences(root)
	if !d.mapping(root, &form, "") {
		return nil, d.errs.Sort()
	}
	d.fields(root, form.fields, "", &yaml.Node{Line: 1, Column: 1}, s)
	d.defaults()
	if es := append(d.errs, s.check(d.bad)...); len(es) > 0 {
		return nil, es.Sort()
	}
	s.resolve(filepath.Dir(file))
	return s, nil
}

// parseYAML gives the root node of the one document in text.
func (src *source) parseYAML(text []byte) (root *yaml.Node, err *Error) {
	if len(text) > maxText {
		return nil, src.errAt(0, 0, "", fmt.Sprintf("a spec has at most %d bytes", maxText))
	}
	if line, col, r := illegal(text); line > 0 {
		return nil, src.errAt(line, col, "", fmt.Sprintf("%s is not allowed: want UTF-8 text", r))
	}
	// The YAML reader reports its own errors as values; a panic in it would be a bug of its own,
	// and is still only a spec that cannot be read.
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, src.errAt(1, 1, "", fmt.Sprintf("is not readable as YAML: %v", r))
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	switch e := dec.Decode(&doc); {
	case e == io.EOF:
		return nil, src.errAt(1, 1, "", "is empty: want "+form.want())
	case e != nil:
		return nil, src.syntax(e)
	}
	switch e := dec.Decode(&more); {
	case e == nil:
		return nil, src.errAt(more.Line, max(more.Column, 1), "", "a second YAML document starts here: want one")
	case e != io.EOF:
		return nil, src.syntax(e)
	}
	if len(doc.Content) == 0 {
		return nil, src.errAt(1, 1, "", "is empty: want "+form.want())
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax turns an error of the YAML reader, which knows lines only, into one of ours.
func (src *source) syntax(err error) *Error {
	m := yamlLine.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0])
	if m == nil {
		return src.errAt(1, 1, "", "is not YAML: "+err.Error())
	}
	line, _ := strconv.Atoi(m[1])
	line = min(max(line, 1), max(len(src.lines), 1))
	if at, col := src.tab(line, m[2]); col > 0 {
		return src.errAt(at, col, "", "is not YAML: a tab indents this line, want spaces")
	}
	text := src.line(line)
	col := 1 + utf8.RuneCountInString(text) - utf8.RuneCountInString(strings.TrimLeft(text, " \t"))
	return src.errAt(line, col, "", "is not YAML: "+m[2])
}

// tab finds the tab in an indentation that the YAML reader stumbled over, which it tells only
// sometimes, and then it may name the line before; col is 0 if it was something else.
func (src *source) tab(from int, msg string) (line, col int) {
	last := from
	switch {
	case strings.Contains(msg, "tab character"):
		last = len(src.lines)
	case !strings.Contains(msg, "cannot start any token"):
		return 0, 0
	}
	for n := from; n <= last; n++ {
		text := src.line(n)
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		if i := strings.IndexByte(indent, '\t'); i >= 0 && len(indent) < len(text) {
			return n, i + 1
		}
	}
	return 0, 0
}

// illegal finds the first byte that is no UTF-8, or control character that no YAML may hold.
func illegal(text []byte) (line, col int, what string) {
	line, col = 1, 1
	for i := 0; i < len(text); col++ {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			return line, col, fmt.Sprintf("byte 0x%02x", text[i])
		case r == '\n':
			line, col = line+1, 0
		case r == '\t', r == '\r', r == 0x85:
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0xfffe, r == 0xffff:
			return line, col, fmt.Sprintf("control character %U", r)
		}
		i += size
	}
	return 0, 0, ""
}

// resolve makes the paths in the spec relative to what the process is relative to.
func (s *Spec) resolve(dir string) {
	for _, p := range []*string{&s.Checkpoint.Path, &s.Tokenizer} {
		if *p == "" {
			continue
		}
		q := filepath.FromSlash(*p)
		if !filepath.IsAbs(q) {
			q = filepath.Join(dir, q)
		}
		*p = filepath.Clean(q)
	}
}
