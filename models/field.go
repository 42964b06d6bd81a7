package models

import (
	"math"
	"reflect"
	"strconv"
)

// walk calls visit for every key that s has (of a union those of the chosen kind, of a choice those
// of the form in use), parents before children, with its path and the pointer that its accessor
// takes. It goes no further into keys for which visit is false.
func walk(s *Spec, visit func(f *field, at string, owner any) bool) {
	walkFields(s, form.fields, "", s, visit)
}

func walkFields(s *Spec, fields []field, at string, owner any, visit func(f *field, at string, owner any) bool) {
	for i := range fields {
		f := &fields[i]
		if p := join(at, f.key); visit(f, p, owner) {
			f.walkInto(s, p, owner, visit)
		}
	}
}

// walkInto visits the keys of one that is a mapping or a list.
func (f *field) walkInto(s *Spec, at string, owner any, visit func(f *field, at string, owner any) bool) {
	switch f.shape {
	case group:
		if v := f.value(owner); v != nil {
			walkFields(s, f.fields, at, v, visit)
		}
	case union:
		if v := f.variant(owner); v != nil {
			walkFields(s, v.fields, at, f.value(owner), visit)
		}
	case choice:
		if !f.empty(s, owner) {
			walkFields(s, f.written(s, owner, at).fields, at, f.value(owner), visit)
		}
	case list:
		for i, e := range f.elements(owner) {
			p := join(at, strconv.Itoa(i))
			if visit(f.element, p, e) {
				f.element.walkInto(s, p, e, visit)
			}
		}
	}
}

// value is what a mapping is read into: the pointer to a struct, nil if there is none.
func (f *field) value(owner any) any {
	p := f.at(owner)
	v := reflect.ValueOf(p).Elem()
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return v.Interface()
	}
	return p
}

// create has a group that is a pointer point to something, and gives what value does.
func (f *field) create(owner any) any {
	if v := reflect.ValueOf(f.at(owner)).Elem(); v.Kind() == reflect.Pointer && v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return f.value(owner)
}

// variant gives the kind that a union's value has, nil if none.
func (f *field) variant(owner any) *variant {
	v := f.value(owner)
	for i := range f.variants {
		if v != nil && f.variants[i].is(v) {
			return &f.variants[i]
		}
	}
	return nil
}

func (v *variant) is(m any) bool { return reflect.TypeOf(m) == reflect.TypeOf(v.make()) }

// canonical gives the first form that a choice's value can be written in.
func (f *field) canonical(owner any) *variant {
	if short := &f.variants[0]; short.fits(f.at(owner)) {
		return short
	}
	return &f.variants[1]
}

// written gives the form that the choice at a path was read in, if it was.
func (f *field) written(s *Spec, owner any, at string) *variant {
	if s.src.isLong(at) {
		return &f.variants[1]
	}
	return f.canonical(owner)
}

// elements are pointers to those of a list.
func (f *field) elements(owner any) []any {
	v := reflect.ValueOf(f.at(owner)).Elem()
	es := make([]any, v.Len())
	for i := range es {
		es[i] = v.Index(i).Addr().Interface()
	}
	return es
}

// resize makes a list of n empty elements.
func (f *field) resize(owner any, n int) {
	v := reflect.ValueOf(f.at(owner)).Elem()
	v.Set(reflect.MakeSlice(v.Type(), n, n))
}

// empty reports whether the key is left out: a path that names nothing, a union without a kind, no
// precisions, no such half, a default that goes without saying.
func (f *field) empty(s *Spec, owner any) bool {
	switch f.shape {
	case path:
		return f.get(owner) == ""
	case group:
		return !f.none && f.value(owner) == nil
	case union:
		return f.variant(owner) == nil
	case choice:
		half, ok := f.at(owner).(*Stack)
		return ok && len(half.Blocks) == 0
	case formats:
		return len(s.Precision) == 0
	}
	return f.quiet && f.get(owner) == f.def
}

// get reads the field's value: an int, float64, bool or string.
func (f *field) get(owner any) any {
	v := reflect.ValueOf(f.at(owner)).Elem()
	if v.Kind() == reflect.String {
		return v.String()
	}
	return v.Interface()
}

// set stores v, an int, float64, bool or string as the field's shape wants.
func (f *field) set(owner, v any) {
	p := reflect.ValueOf(f.at(owner)).Elem()
	p.Set(reflect.ValueOf(v).Convert(p.Type()))
}

func (f *field) inRange(v float64) bool {
	return v >= f.min && v <= f.max && !math.IsNaN(v)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
