package models

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// source is the text a spec was read from and where each of its keys stands: the value of a
// scalar, the key of a mapping. A nil source knows nothing and may be asked all the same.
type source struct {
	file     string
	lines    []string
	at       map[string]place
	long     map[string]bool   // mappings written in the second form of a choice, by path
	comments map[string]string // for Marshal, by path
}

type place struct{ line, col int }

func newSource(file string, text []byte) *source {
	lines := strings.Split(string(text), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return &source{file: file, lines: lines, at: map[string]place{}, long: map[string]bool{}}
}

func (src *source) isLong(path string) bool { return src != nil && src.long[path] }

// line gives line n, from 1, without its end; "" if there is none.
func (src *source) line(n int) string {
	if src == nil || n < 1 || n > len(src.lines) {
		return ""
	}
	return strings.TrimPrefix(src.lines[n-1], "\ufeff")
}

// place finds a key or, if it is not in the text, the nearest key around it.
func (src *source) place(path string) (p place, found bool) {
	for src != nil && path != "" {
		if p, found = src.at[path]; found {
			return p, true
		}
		path = path[:max(strings.LastIndexByte(path, '.'), 0)]
	}
	return place{}, false
}

// err is an error about a key.
func (src *source) err(path, msg string) *Error {
	p, found := src.place(path)
	if !found && src != nil && src.at != nil {
		p = place{1, 1} // it should be in the text, and nothing around it is either
	}
	return src.errAt(p.line, p.col, path, msg)
}

func (src *source) errAt(line, col int, path, msg string) *Error {
	e := &Error{Line: line, Col: col, Path: path, Msg: msg, Source: src.line(line)}
	if src != nil {
		e.File = src.file
	}
	return e
}

// errNode is an error about a YAML node.
func (src *source) errNode(n *yaml.Node, path, msg string) *Error {
	return src.errAt(n.Line, n.Column, path, msg)
}

// Pos says where the spec states a key, as "file:line:col": at the value of a scalar, at the
// key of a mapping. A key that was left out has the position of the mapping it would be in; of
// a spec that was built in memory all positions are "".
func (s *Spec) Pos(path string) string {
	if s.src == nil {
		return ""
	}
	p, _ := s.src.place(path)
	return pos(s.src.file, p.line, p.col)
}

// File is the file that the spec was read from, "" if it was built in memory.
func (s *Spec) File() string {
	if s.src == nil {
		return ""
	}
	return s.src.file
}

// Comment has Marshal put text beside the key, as a comment of one line.
func (s *Spec) Comment(path, text string) {
	if s.src == nil {
		s.src = &source{}
	}
	if s.src.comments == nil {
		s.src.comments = map[string]string{}
	}
	s.src.comments[path] = strings.Join(strings.Fields(text), " ")
}

// keys gives the names of fields.
func keys(fields []field) []string {
	var ks []string
	for _, f := range fields {
		ks = append(ks, f.key)
	}
	return slices.Clip(ks)
}
