package models

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// decoder moves YAML nodes into a Spec along the table of form.go. It collects errors and goes
// on; bad has the path of every key without a usable value, so that no error causes another.
type decoder struct {
	spec *Spec
	bad  map[string]bool
	errs Errors
	full bool // maxErrors reached: no more are collected
}

// maxErrors is where reading gives up listing: a text with more is not a spec.
const maxErrors = 100

func (d *decoder) fail(n *yaml.Node, at, format string, args ...any) {
	d.bad[at] = true
	if d.full {
		return
	}
	msg := fmt.Sprintf(format, args...)
	if len(d.errs) == maxErrors {
		d.full = true
		at, msg = "", "there are more errors; these are the first ones found"
	}
	d.errs = append(d.errs, d.spec.src.errNode(n, at, msg))
}

// refuseReferences reports anchors and aliases anywhere: a spec says each thing where it stands.
// Aliases have no anchor to refer to then.
func (d *decoder) refuseReferences(n *yaml.Node) {
	if n.Anchor != "" {
		d.fail(n, "", "anchors (&%s) are not used in specs: write the value out", printable(n.Anchor))
	}
	for _, c := range n.Content {
		d.refuseReferences(c)
	}
}

// mapping reports whether n is a mapping, else the error.
func (d *decoder) mapping(n *yaml.Node, f *field, at string) bool {
	if n.Kind == yaml.MappingNode && n.ShortTag() == "!!map" {
		return true
	}
	d.fail(n, at, "got %s, want %s", describe(n), f.want())
	return false
}

// fields reads the mapping n into owner. Its own key is for errors about what is not there.
func (d *decoder) fields(n *yaml.Node, fields []field, at string, key *yaml.Node, owner any) {
	seen := map[string]*yaml.Node{}
	var meant []string // what misspelt keys were probably meant to be
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.ShortTag() != "!!str" {
			d.fail(k, at, "got %s as a key, want one of %s", describe(k), strings.Join(keys(fields), ", "))
			continue
		}
		p := join(at, k.Value)
		j := slices.IndexFunc(fields, func(f field) bool { return f.key == k.Value })
		if j < 0 {
			meant = append(meant, d.unknown(k, fields, at))
			continue
		}
		if first := seen[k.Value]; first != nil {
			d.fail(k, p, "is given twice: first in line %d", first.Line)
			continue
		}
		seen[k.Value] = k
		d.spec.src.at[p] = place{k.Line, k.Column}
		d.value(v, &fields[j], p, k, owner)
	}
	for i := range fields {
		f := &fields[i]
		p := join(at, f.key)
		switch {
		case seen[f.key] != nil:
		case slices.Contains(meant, f.key):
			d.bad[p] = true
		case f.required:
			d.fail(key, p, "is missing: want %s", d.missing(f))
		}
	}
}

func (d *decoder) missing(f *field) string {
	if f.shape == text || f.shape == path {
		return f.want()
	}
	return f.want() + ": " + f.doc
}

// unknown reports a key that does not exist, and gives the one that was probably meant or "".
func (d *decoder) unknown(k *yaml.Node, fields []field, at string) string {
	name := k.Value
	if len(name) > 60 {
		name = strings.ToValidUTF8(name[:60], "") + "…"
	}
	hint := didYouMean(k.Value, keys(fields))
	if hint == "" {
		hint = ": known keys are " + strings.Join(keys(fields), ", ")
	}
	d.fail(k, join(at, printable(name)), "is an unknown key%s", hint)
	return Nearest(k.Value, keys(fields))
}

// value reads one key's value.
func (d *decoder) value(v *yaml.Node, f *field, at string, key *yaml.Node, owner any) {
	switch f.shape {
	case group:
		if none := f.none && v.Kind == yaml.ScalarNode && v.Value == "none"; !none && d.mapping(v, f, at) {
			d.fields(v, f.fields, at, key, f.create(owner))
		}
		return
	case union:
		if d.mapping(v, f, at) {
			d.union(v, f, at, key, owner)
		}
		return
	case choice:
		if d.mapping(v, f, at) {
			d.choice(v, f, at, key, owner)
		}
		return
	case list:
		d.list(v, f, at, owner)
		return
	case formats:
		if d.mapping(v, f, at) {
			d.precision(v, at)
		}
		return
	}
	d.spec.src.at[at] = place{v.Line, v.Column}
	got, ok := scalar(v, f)
	if !ok {
		digits := ""
		if f.shape == integer && v.ShortTag() == "!!int" {
			digits = " in decimal digits"
		}
		d.fail(v, at, "got %s, want %s%s", describe(v), f.want(), digits)
		return
	}
	f.set(owner, got)
}

// choice reads a mapping in the form that its keys tell.
func (d *decoder) choice(n *yaml.Node, f *field, at string, key *yaml.Node, owner any) {
	v := &f.variants[0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Kind == yaml.ScalarNode && k.Value == f.variants[1].kind {
			v = &f.variants[1]
			d.spec.src.long[at] = true
		}
	}
	if v.start != nil {
		v.start(f.at(owner))
	}
	d.fields(n, v.fields, at, key, f.value(owner))
}

// list reads the elements of a list, at least one.
func (d *decoder) list(n *yaml.Node, f *field, at string, owner any) {
	switch {
	case n.Kind != yaml.SequenceNode || n.ShortTag() != "!!seq":
		d.fail(n, at, "got %s, want %s", describe(n), f.want())
		return
	case len(n.Content) == 0:
		d.fail(n, at, "is an empty list: want %s", f.want())
		return
	}
	f.resize(owner, len(n.Content))
	for i, e := range f.elements(owner) {
		v, p := n.Content[i], join(at, strconv.Itoa(i))
		d.spec.src.at[p] = place{v.Line, v.Column}
		d.value(v, f.element, p, v, e)
	}
}

// union reads a mapping whose key "kind" says what the other keys are.
func (d *decoder) union(n *yaml.Node, f *field, at string, key *yaml.Node, owner any) {
	var kinds []string
	for _, v := range f.variants {
		kinds = append(kinds, v.kind)
	}
	kind := field{key: "kind", shape: text, enum: kinds, required: true, at: func(any) any { return new(string) }}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Value != "kind" || k.Kind != yaml.ScalarNode {
			continue
		}
		p := join(at, "kind")
		got, ok := scalar(v, &kind)
		j := slices.Index(kinds, fmt.Sprint(got))
		switch {
		case !ok:
			d.fail(v, p, "got %s, want %s", describe(v), kind.want())
			d.bad[at] = true
		case j < 0:
			d.fail(v, p, "%s is unknown: known kinds are %s%s", describe(v), strings.Join(kinds, ", "), didYouMean(v.Value, kinds))
			d.bad[at] = true
		default:
			reflect.ValueOf(f.at(owner)).Elem().Set(reflect.ValueOf(f.variants[j].make()))
			d.fields(n, append([]field{kind}, f.variants[j].fields...), at, key, f.value(owner))
		}
		return
	}
	d.fail(key, join(at, "kind"), "is missing: want %s", kind.want())
	d.bad[at] = true
}

var (
	decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,17})$`)
	decFrac = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?$`)
)

// scalar reads a value of the field's shape from n: plain decimal numbers, true and false, text.
func scalar(n *yaml.Node, f *field) (any, bool) {
	if n.Kind != yaml.ScalarNode {
		return nil, false
	}
	tag := n.ShortTag()
	switch f.shape {
	case integer:
		if tag != "!!int" || !decimal.MatchString(n.Value) {
			return nil, false
		}
		v, err := strconv.ParseInt(n.Value, 10, strconv.IntSize)
		return int(v), err == nil
	case number:
		if tag != "!!int" && tag != "!!float" || !decFrac.MatchString(n.Value) {
			return nil, false
		}
		v, err := strconv.ParseFloat(n.Value, 64)
		return v, err == nil
	case boolean:
		v, err := strconv.ParseBool(strings.ToLower(n.Value))
		return v, err == nil && tag == "!!bool"
	}
	return n.Value, tag == "!!str"
}

// describe names a node in an error.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*" + printable(n.Value) + ")"
	}
	v := n.Value
	if len(v) > 60 {
		v = strings.ToValidUTF8(v[:60], "") + "…"
	}
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp", "!!binary":
		return "the text " + strconv.Quote(v)
	case "!!null":
		return "nothing"
	case "!!int", "!!float", "!!bool", "!!merge":
		return printable(v)
	default:
		return "a value tagged " + printable(tag)
	}
}

// defaults fills in what the text leaves out. A default that is another key's value is usable
// only if that one is.
func (d *decoder) defaults() {
	absent := func(at string) bool { _, given := d.spec.src.at[at]; return !given && !d.bad[at] }
	walk(d.spec, func(f *field, at string, owner any) bool {
		switch {
		case f.key == "" || !absent(at): // an element of a list is there
		case f.def != nil:
			f.set(owner, f.def)
		case f.none:
			f.create(owner)
		}
		return true
	})
	walk(d.spec, func(f *field, at string, owner any) bool {
		if f.sameAs == nil || !absent(at) {
			return true
		}
		v, from := f.sameAs(d.spec, owner, at[:max(strings.LastIndexByte(at, '.'), 0)])
		if v == nil || d.unusable(from) {
			d.bad[at] = true
		} else {
			f.set(owner, v)
		}
		return true
	})
	// A group that could not be read leaves the keys in it without values.
	walk(d.spec, func(f *field, at string, _ any) bool {
		if d.unusable(at) {
			d.bad[at] = true
		}
		return true
	})
}

// unusable reports whether a key, or a mapping around it, could not be read.
func (d *decoder) unusable(at string) bool {
	for at != "" {
		if d.bad[at] {
			return true
		}
		at = at[:max(strings.LastIndexByte(at, '.'), 0)]
	}
	return false
}
