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
	walk(s, &form, "", func(f *field, at string) bool {
		if c.bad[at] {
			return false
		}
		c.value(f, at)
		return true
	})
	if !c.bad["self.mixer"] && s.Self.Mixer == nil {
		c.fail("self.mixer", "is missing")
	}
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
func (c *checker) value(f *field, at string) {
	switch f.shape {
	case integer:
		if v := f.get(c.spec).(int); !f.inRange(float64(v)) {
			c.fail(at, "%d is out of range: want %s", v, f.want())
		}
	case number:
		if v := f.get(c.spec).(float64); !f.inRange(v) {
			c.fail(at, "%s is out of range: want %s", formatNumber(v), f.want())
		}
	case text:
		v := f.get(c.spec).(string)
		if f.enum != nil && !slices.Contains(f.enum, v) {
			c.fail(at, "%q is unknown: want %s%s", v, f.want(), didYouMean(v, f.enum))
		}
		if at == "name" {
			if err := ValidName(v); err != nil {
				c.fail(at, "%v", err)
			}
		}
	case path:
		if v := f.get(c.spec).(string); !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
			c.fail(at, "%q is no path: want UTF-8 without control characters", v)
		}
	}
}

// sizes checks the rules between keys.
func (c *checker) sizes() {
	s := c.spec
	c.heads("cross.heads", s.Cross.Heads)
	c.divides("cache.kv_heads", s.Cache.KVHeads, "cross.heads", s.Cross.Heads)
	switch m := s.Self.Mixer.(type) {
	case *GatedRetention:
		c.heads("self.mixer.heads", m.Heads)
	case *SlidingWindow:
		c.heads("self.mixer.heads", m.Heads)
		c.divides("self.mixer.kv_heads", m.KVHeads, "self.mixer.heads", m.Heads)
	}
	if len(c.errs) == 0 && len(c.bad) == 0 {
		c.precision()
		if n := s.Params(); n > maxParams {
			c.fail("dim", "the model would have %d parameters: want at most %d", n, int64(maxParams))
		}
	}
}

// heads checks that dim is so many heads of an even width: rotation works on pairs.
func (c *checker) heads(at string, n int) {
	dim := c.spec.Dim
	switch {
	case !c.ok("dim", at):
	case dim%n != 0:
		c.fail(at, "%d does not divide dim (%d)", n, dim)
	case dim/n%2 != 0:
		c.fail(at, "%d makes heads of %d elements (dim is %d): want an even width", n, dim/n, dim)
	}
}

func (c *checker) divides(at string, n int, of string, m int) {
	if c.ok(at, of) && m%n != 0 {
		c.fail(at, "%d does not divide %s (%d)", n, of, m)
	}
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
	case formats:
		return "a mapping with roles as keys, such as self.ffn.down, and formats: " + strings.Join(precisions, ", ")
	}
	var keys []string
	for _, c := range f.fields {
		keys = append(keys, c.key)
	}
	return "a mapping with keys " + strings.Join(keys, ", ")
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
