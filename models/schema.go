package models

//go:generate go test -run ^TestSchemaUpToDate$ . -rewrite

import (
	"bytes"
	"encoding/json"
	"strings"
)

// JSONSchema is the YAML form as a JSON Schema (draft 2020-12) for editors. Rules between keys
// are beyond it; Parse checks those. schema.json holds what it returns.
func JSONSchema() []byte {
	doc := form.schema()
	doc["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	doc["title"] = "yococ model spec"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		panic("BUG: " + err.Error())
	}
	return b.Bytes()
}

// schema is one key's schema. Maps print with sorted keys, so the text is always the same.
func (f *field) schema() map[string]any {
	m := map[string]any{}
	if f.doc != "" {
		m["description"] = f.doc
	}
	if f.def != nil && f.def != "" {
		m["default"] = f.def
	}
	if f.same != "" {
		m["description"] = f.doc + " (default: the same as " + f.same + ")"
	}
	switch f.shape {
	case integer:
		m["type"], m["minimum"], m["maximum"] = "integer", int64(f.min), int64(f.max)
	case number:
		m["type"], m["minimum"], m["maximum"] = "number", f.min, f.max
	case boolean:
		m["type"] = "boolean"
	case text, path:
		m["type"] = "string"
		if f.enum != nil {
			m["enum"] = f.enum
		}
		if f.key == "name" {
			m["pattern"], m["maxLength"] = "^[a-z][a-z0-9]*$", 64
		}
	case formats:
		m["type"] = "object"
		m["additionalProperties"] = map[string]any{"enum": precisions, "type": "string"}
	case group:
		object(m, f.fields)
		if f.none {
			return map[string]any{"description": f.doc, "oneOf": []any{m, map[string]any{"const": "none"}}}
		}
	case choice:
		var of []any
		for _, v := range f.variants {
			o := map[string]any{}
			object(o, v.fields)
			of = append(of, o)
		}
		m["oneOf"] = of
	case list:
		m["type"], m["minItems"], m["items"] = "array", 1, f.element.schema()
	case union:
		var of []any
		for _, v := range f.variants {
			kind := map[string]any{"const": v.kind, "description": v.doc}
			o := map[string]any{"description": v.doc, "title": strings.ReplaceAll(v.kind, "-", " ")}
			object(o, v.fields)
			o["properties"].(map[string]any)["kind"] = kind
			required, _ := o["required"].([]string)
			o["required"] = append([]string{"kind"}, required...)
			of = append(of, o)
		}
		m["oneOf"] = of
	}
	return m
}

// object adds what makes m the schema of a mapping.
func object(m map[string]any, fields []field) {
	props, required := map[string]any{}, []string{}
	for i := range fields {
		f := &fields[i]
		props[f.key] = f.schema()
		if f.required {
			required = append(required, f.key)
		}
	}
	m["type"], m["properties"], m["additionalProperties"] = "object", props, false
	if len(required) > 0 {
		m["required"] = required
	}
}
