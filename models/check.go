package models

import (
	"fmt"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Check says what is wrong with a spec that was built in memory: values out of range and sizes
// that do not fit each other, all of them, as Errors with a Path and, if the spec was read from
// a file, with positions. Load and Parse have done it already.
func (s *Spec) Check() error {
	if es := s.check(nil); len(es) > 0 {
		return es.Sort()
	}
	return nil
}

// check is Check over the keys that are not in bad: a key that could not be read has its error.
func (s *Spec) check(bad map[string]bool) Errors {
	c := checker{spec: s, bad: map[string]bool{}}
	for p := range bad {
		c.bad[p] = true
	}
	walk(s, func(f *field, at string, owner any) bool {
		if c.bad[at] {
			return false
		}
		c.value(f, at, owner)
		return true
	})
	c.sizes()
	return c.errs
}

type checker struct {
	spec *Spec
	bad  map[string]bool
	errs Errors
}

func (c *checker) fail(at, format string, args ...any) {
	c.bad[at] = true
	c.errs = append(c.errs, c.spec.src.err(at, fmt.Sprintf(format, args...)))
}

// ok reports whether all of the keys hold usable values.
func (c *checker) ok(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(p string) bool { return c.bad[p] })
}

// value checks one key by itself.
func (c *checker) value(f *field, at string, owner any) {
	switch f.shape {
	case integer:
		if v := f.get(owner).(int); !f.inRange(float64(v)) {
			c.fail(at, "%d is out of range: want %s", v, f.want())
		}
	case number:
		if v := f.get(owner).(float64); !f.inRange(v) {
			c.fail(at, "%s is out of range: want %s", formatNumber(v), f.want())
		}
	case text:
		v := f.get(owner).(string)
		if f.enum != nil && !slices.Contains(f.enum, v) {
			c.fail(at, "%q is unknown: want %s%s", v, f.want(), didYouMean(v, f.enum))
		}
		if at == "name" {
			if err := ValidName(v); err != nil {
				c.fail(at, "%v", err)
			}
		}
	case path:
		if v := f.get(owner).(string); !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
			c.fail(at, "%q is no path: want UTF-8 without control characters", v)
		}
	}
}

// sizes checks the rules between keys.
func (c *checker) sizes() {
	s := c.spec
	places := s.Places()
	c.stacks(places)
	for _, p := range places {
		switch {
		case !c.ok(p.At, p.Mixed):
		case p.Mixer == nil:
			c.fail(p.Mixed, "is missing")
		default:
			p.Mixer.check(c, p.Mixed)
		}
	}
	if len(c.errs) == 0 && len(c.bad) == 0 {
		c.precision()
		if n := s.Params(); n > maxParams {
			c.fail("dim", "the model would have %d parameters: want at most %d", n, int64(maxParams))
		}
	}
}

// stacks checks which halves there are, and that there is one shared cache where it is read.
func (c *checker) stacks(places []Place) {
	s := c.spec
	for _, half := range []struct {
		name  string
		stack Stack
	}{{"self", s.Self}, {"cross", s.Cross}} {
		counted := !slices.ContainsFunc(places, func(p Place) bool { return p.Half == half.name && !c.ok(p.Count) })
		if n := half.stack.Len(); len(half.stack.Blocks) > 1 && n > maxLayers && counted && c.ok(half.name) {
			c.fail(half.name, "%d layers: want at most %d", n, maxLayers)
		}
	}
	if !c.ok("self", "cache", "cross") {
		return
	}
	reads, shares, told := false, "", c.readable(s.places("self", s.Self, 0))
	for i, p := range places {
		switch m := p.Mixer.(type) {
		case *CrossAttention:
			reads = true
		case *Attention:
			told = told && c.ok(join(p.Mixed, "shares"))
			last := p.Half == "self" && p.Repeat == 1 && (i+1 == len(places) || places[i+1].Half == "cross")
			switch {
			case !m.Shares:
			case !last:
				c.fail(join(p.Mixed, "shares"), "only the last layer of the self-decoder, not repeated, can share its keys and values")
			case s.Cache != nil:
				c.fail(join(p.Mixed, "shares"), "there is a cache already: want either")
			default:
				shares = join(p.Mixed, "shares")
			}
		}
	}
	switch cached := s.Cache != nil || shares != ""; {
	case len(c.errs) > 0, !c.ok("self.stack", "cross.stack"): // of them
	case len(s.Self.Blocks) == 0:
		c.fail("self", "is missing: want %s", form.child("self").want())
	case s.Cache != nil && len(s.Cross.Blocks) == 0:
		c.fail("cross", "is missing: want %s, which reads the cache", form.child("cross").want())
	case !cached && len(s.Cross.Blocks) > 0 && told:
		c.fail("cache", "is missing: want %s, which the cross-decoder reads", form.child("cache").want())
	case s.Cache != nil && !reads && c.readable(places):
		c.fail("cross", "no layer reads the shared cache: want %s in some", crossAttention.kind)
	}
}

// readable reports whether the mixers of all places could be read.
func (c *checker) readable(places []Place) bool {
	return !slices.ContainsFunc(places, func(p Place) bool { return p.Mixer == nil || !c.ok(p.Mixed) })
}

// child is the key of that name.
func (f *field) child(key string) *field {
	return &f.fields[slices.IndexFunc(f.fields, func(c field) bool { return c.key == key })]
}

// want says in words what the key accepts.
func (f *field) want() string {
	switch f.shape {
	case integer:
		return fmt.Sprintf("an integer from %d to %d", int64(f.min), int64(f.max))
	case number:
		return fmt.Sprintf("a number from %s to %s", formatNumber(f.min), formatNumber(f.max))
	case boolean:
		return "true or false"
	case text:
		if f.enum != nil {
			return strings.Join(f.enum, " or ")
		}
		return "text: " + f.doc
	case path:
		return "text: " + f.doc
	case union:
		return "a mapping with the key kind and those of that kind"
	case choice:
		return "a mapping with keys " + strings.Join(keys(f.variants[0].fields), ", ") + ", or with " + f.variants[1].kind
	case list:
		return "a list of at least one: " + f.doc
	case formats:
		return "a mapping with roles as keys, such as self.ffn.down, and formats: " + strings.Join(precisions, ", ")
	}
	want := "a mapping with keys " + strings.Join(keys(f.fields), ", ")
	if f.none {
		want += ", or none"
	}
	return want
}

func didYouMean(word string, candidates []string) string {
	if c := Nearest(word, candidates); c != "" {
		return fmt.Sprintf(" (did you mean %s?)", c)
	}
	return ""
}

// ValidName says why name cannot be that of a generated package, nil if it can.
func ValidName(name string) error {
	const want = "want a Go package name: lower-case letters and digits, a letter first"
	switch {
	case name == "":
		return fmt.Errorf("is empty: %s", want)
	case len(name) > 64:
		return fmt.Errorf("has %d characters: want at most 64", len(name))
	case name[0] <= '9', strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }):
		return fmt.Errorf("%s is no package name: %s", strconv.Quote(name), want)
	case token.IsKeyword(name):
		return fmt.Errorf("%q is a keyword of Go: %s", name, want)
	case slices.Contains(reserved, name):
		return fmt.Errorf("%q means something else to Go: choose another name", name)
	}
	return nil
}

// reserved are names that cannot be used, or would mislead, as a package's: commands and
// folders that the go command treats apart, and predeclared identifiers.
var reserved = strings.Fields(`main init internal vendor testdata documentation
	any append bool byte cap clear close comparable complex complex64 complex128 copy delete error false
	float32 float64 imag int int8 int16 int32 int64 iota len make max min new nil panic print println real
	recover rune string true uint uint8 uint16 uint32 uint64 uintptr`)

// PackageName makes a valid name out of any text, such as a folder's name: "YOCO-3B" gives
// yoco3b.
func PackageName(text string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return -1
		}
		return r
	}, text)
	if name == "" || name[0] <= '9' || ValidName(name[:min(len(name), 64)]) != nil {
		name = "model" + name
	}
	return name[:min(len(name), 64)]
}
