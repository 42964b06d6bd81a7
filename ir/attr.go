package ir

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Attributes in the text form: {key=value …} over the fields of the op's attribute struct, a key
// being the field's name in lower case. Zero fields are left out; a true one is its key alone.

// attrText is the text form of an attribute struct, "" if all its fields are zero.
func attrText(attr any) string {
	if attr == nil {
		return ""
	}
	var words []string
	s := reflect.ValueOf(attr)
	for i := range s.NumField() {
		f := s.Field(i)
		if f.IsZero() {
			continue
		}
		key := strings.ToLower(s.Type().Field(i).Name)
		if f.Kind() == reflect.Bool {
			words = append(words, key)
			continue
		}
		words = append(words, key+"="+fieldText(f))
	}
	if len(words) == 0 {
		return ""
	}
	return "{" + strings.Join(words, " ") + "}"
}

func fieldText(f reflect.Value) string {
	switch x := f.Interface().(type) {
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	case int:
		return strconv.Itoa(x)
	case string:
		return x
	case []int:
		return strings.Trim(Type{Shape: x}.String(), "f32")
	case RopeAttr:
		return x.String()
	}
	panic(fmt.Sprintf("BUG: attribute field of type %v", f.Type()))
}

// parseAttr reads the text between the braces into a struct of the op's kind.
func parseAttr(op *Op, text string) (any, error) {
	words, err := attrWords(text)
	if err != nil {
		return nil, err
	}
	if op.Attr == nil {
		if len(words) > 0 {
			return nil, fmt.Errorf("%s has no attributes", op.Name)
		}
		return nil, nil
	}
	s := reflect.New(reflect.TypeOf(op.Attr)).Elem()
	seen := map[string]bool{}
	for _, w := range words {
		key, value, given := strings.Cut(w, "=")
		i := fieldNamed(s.Type(), key)
		if i < 0 {
			return nil, fmt.Errorf("%s has no attribute %q", op.Name, key)
		}
		if seen[key] {
			return nil, fmt.Errorf("attribute %q stands twice", key)
		}
		seen[key] = true
		if err := parseField(s.Field(i), value, given); err != nil {
			return nil, fmt.Errorf("attribute %q: %w", key, err)
		}
	}
	return s.Interface(), nil
}

// attrWords splits at blanks outside brackets.
func attrWords(text string) ([]string, error) {
	var words []string
	for text = strings.TrimLeft(text, " \t"); text != ""; text = strings.TrimLeft(text, " \t") {
		end := strings.IndexAny(text, " \t")
		if open := strings.IndexByte(text, '['); open >= 0 && (end < 0 || open < end) {
			n := strings.IndexByte(text, ']')
			if n < open {
				return nil, fmt.Errorf("a [ without ] in the attributes")
			}
			end = n + 1
		}
		if end < 0 {
			end = len(text)
		}
		words, text = append(words, text[:end]), text[end:]
	}
	return words, nil
}

// fieldNamed is the index of the field with that key, -1 for none.
func fieldNamed(t reflect.Type, key string) int {
	return slices.IndexFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		return strings.ToLower(f.Name) == key
	})
}

func parseField(f reflect.Value, text string, given bool) error {
	if f.Kind() == reflect.Bool {
		if given {
			return fmt.Errorf("stands alone, without a value")
		}
		f.SetBool(true)
		return nil
	}
	if !given {
		return fmt.Errorf("want a value")
	}
	switch p := f.Addr().Interface().(type) {
	case *float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		*p = x
	case *int:
		x, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not an integer", text)
		}
		*p = x
	case *string:
		if !isWord(text) {
			return fmt.Errorf("%q is not a word", text)
		}
		*p = text
	case *[]int:
		x, err := parseShape(text)
		if err != nil {
			return err
		}
		*p = x
	case *RopeAttr:
		x, err := parseRope(text)
		if err != nil {
			return err
		}
		*p = x
	default:
		panic(fmt.Sprintf("BUG: attribute field of type %v", f.Type()))
	}
	return nil
}

// parseShape reads [4 64].
func parseShape(text string) ([]int, error) {
	inner, ok := strings.CutPrefix(text, "[")
	inner, ok2 := strings.CutSuffix(inner, "]")
	if !ok || !ok2 {
		return nil, fmt.Errorf("%q is not a shape, want [sizes]", text)
	}
	var shape []int
	for _, w := range strings.Fields(inner) {
		d, err := strconv.Atoi(w)
		if err != nil {
			return nil, fmt.Errorf("%q is not a shape, want [sizes]", text)
		}
		shape = append(shape, d)
	}
	return shape, checkShape(shape)
}

// parseType reads f32[4 64].
func parseType(text string) (Type, error) {
	name, _, _ := strings.Cut(text, "[")
	elem, err := ParseElem(name)
	if err != nil || elem.Quantized() {
		return Type{}, fmt.Errorf("unknown element type %q, want one of %s", name, strings.Join(elemNames[:Q8], ", "))
	}
	shape, err := parseShape(text[len(name):])
	return Type{elem, shape}, err
}

// isWord reports whether s can stand as a name in the text form: letters, digits and ._-/ alone.
func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/", r))
	})
}
