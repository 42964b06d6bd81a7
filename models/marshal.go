package models

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Marshal writes the spec as YAML, every key with its value, those given by Comment with their
// comment. Paths are written as they stand, so the text belongs in the folder that they are
// relative to; see MarshalFor. For a spec that Check accepts, Parse gives an equal one back.
func (s *Spec) Marshal() []byte {
	var w writer
	w.fields(s, form.fields, "", "", s)
	return w.Bytes()
}

// MarshalFor is Marshal for a file: paths are written relative to its folder if they can be.
func (s *Spec) MarshalFor(file string) []byte {
	c := *s
	dir := filepath.Dir(file)
	for _, p := range []*string{&c.Checkpoint.Path, &c.Tokenizer} {
		if *p != "" {
			*p = relative(dir, *p)
		}
	}
	return c.Marshal()
}

func relative(dir, path string) string {
	if filepath.IsAbs(path) && !filepath.IsAbs(dir) {
		return path // made relative it would come back as another text for the same file
	}
	if rel, err := filepath.Rel(dir, path); err == nil {
		return rel
	}
	absDir, err1 := filepath.Abs(dir)
	absPath, err2 := filepath.Abs(path)
	if rel, err := filepath.Rel(absDir, absPath); err == nil && err1 == nil && err2 == nil {
		return rel
	}
	return path
}

// Equal reports whether two specs describe the same model with the same files, wherever and
// however they were written down.
func (s *Spec) Equal(t *Spec) bool {
	a, b := *s, *t
	a.src, b.src = nil, nil
	return reflect.DeepEqual(a, b)
}

type writer struct{ bytes.Buffer }

// fields writes one key a line, those of flow mappings on the line of their owner.
func (w *writer) fields(s *Spec, fields []field, at, indent string, owner any) {
	for i := range fields {
		f := &fields[i]
		p := join(at, f.key)
		if f.empty(s, owner) {
			continue
		}
		switch {
		case f.flow:
			w.line(indent+f.key+": "+flow(s, f, owner), comments(s, f, p))
		case f.shape == formats:
			w.line(indent+f.key+":", s.comment(p))
			for _, e := range s.Precision {
				w.line(indent+"  "+formatText(e.Key)+": "+e.Format, s.comment(join(p, e.Key)))
			}
		case f.shape == group:
			w.line(indent+f.key+":", s.comment(p))
			w.fields(s, f.fields, p, indent+"  ", f.value(owner))
		case f.shape == union:
			v := f.variant(owner)
			w.line(indent+f.key+":", s.comment(p))
			w.line(indent+"  kind: "+v.kind, "")
			w.fields(s, v.fields, p, indent+"  ", f.value(owner))
		case f.shape == choice:
			w.line(indent+f.key+":", s.comment(p))
			w.fields(s, f.canonical(owner).fields, p, indent+"  ", f.value(owner))
		case f.shape == list:
			w.line(indent+f.key+":", s.comment(p))
			w.list(s, f, p, indent+"  ", owner)
		default:
			w.line(indent+f.key+": "+formatValue(f, f.get(owner)), s.comment(p))
		}
	}
}

// list writes the mappings that are a list's elements, each after a dash.
func (w *writer) list(s *Spec, f *field, at, indent string, owner any) {
	for i, e := range f.elements(owner) {
		fields := f.element.fields
		if f.element.shape == choice {
			fields = f.element.canonical(e).fields
		}
		var sub writer
		sub.fields(s, fields, join(at, strconv.Itoa(i)), indent+"  ", f.element.value(e))
		w.WriteString(indent + "- " + strings.TrimPrefix(sub.String(), indent+"  "))
	}
}

func (w *writer) line(text, comment string) {
	w.WriteString(text)
	if comment != "" {
		w.WriteString(" # " + comment)
	}
	w.WriteByte('\n')
}

// flow writes a mapping on one line.
func flow(s *Spec, f *field, owner any) string {
	v := f.value(owner)
	if v == nil {
		return "none"
	}
	var parts []string
	for i := range f.fields {
		if c := &f.fields[i]; !c.empty(s, v) {
			parts = append(parts, c.key+": "+formatValue(c, c.get(v)))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// comments gathers the comments of a flow mapping and of what is in it: "freq, pairing: why".
func comments(s *Spec, f *field, at string) string {
	var texts []string
	whose := map[string][]string{}
	for i := range f.fields {
		key := f.fields[i].key
		t := s.comment(join(at, key))
		if t == "" {
			continue
		}
		if whose[t] == nil {
			texts = append(texts, t)
		}
		whose[t] = append(whose[t], key)
	}
	for i, t := range texts {
		texts[i] = strings.Join(whose[t], ", ") + ": " + t
	}
	if t := s.comment(at); t != "" {
		texts = slices.Insert(texts, 0, t)
	}
	return strings.Join(texts, "; ")
}

func (s *Spec) comment(at string) string {
	if s.src == nil {
		return ""
	}
	return printable(s.src.comments[at])
}

func formatValue(f *field, v any) string {
	switch v := v.(type) {
	case float64:
		return formatNumber(v)
	case string:
		if f.shape == path {
			v = filepath.ToSlash(v)
		}
		return formatText(v)
	}
	return fmt.Sprint(v)
}

// formatNumber writes a float64 shortest, and so that every YAML reader takes it for a number:
// YAML 1.1 wants a point before an exponent and a sign in it.
func formatNumber(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	t := strconv.FormatFloat(v, 'g', -1, 64)
	if m, e, found := strings.Cut(t, "e"); found {
		if !strings.Contains(m, ".") {
			m += ".0"
		}
		t = m + "e" + e[:1] + strings.TrimLeft(e[1:], "0")
	}
	return t
}

var plain = regexp.MustCompile(`^(\.{1,2}/)*[A-Za-z][A-Za-z0-9_./-]*$`)

// formatText writes text plain where no YAML reader takes it for something else.
func formatText(v string) string {
	words := []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
	if plain.MatchString(v) && !slices.Contains(words, strings.ToLower(v)) {
		return v
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("BUG: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}
