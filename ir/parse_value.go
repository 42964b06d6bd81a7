package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// value reads %7:f32[4 64] = rope %5 @weight $state {attributes}.
func (ps *parser) value(l, pos string) error {
	if ps.stage == nil || ps.ended {
		return fmt.Errorf("a value outside a stage")
	}
	left, right, ok := strings.Cut(l, "=")
	if !ok {
		return fmt.Errorf("want \"%%ID:TYPE = OP …\"")
	}
	idText, typeText, typed := strings.Cut(strings.TrimSpace(left), ":")
	id, err := parseID(idText)
	if err != nil {
		return err
	}
	if ps.values[id] != nil {
		return fmt.Errorf("%v is defined twice", id)
	}
	v := &Value{ID: id, Pos: pos}
	if typed {
		if v.Type, err = parseType(typeText); err != nil {
			return err
		}
	}
	right, attr, braced := strings.Cut(right, "{")
	if attr, ok = strings.CutSuffix(attr, "}"); braced != ok {
		return fmt.Errorf("attributes are not closed by }")
	}
	words := strings.Fields(right)
	if len(words) == 0 || ops[words[0]] == nil {
		return fmt.Errorf("%q is not an op", strings.Join(words[:min(1, len(words))], ""))
	}
	v.Op = ops[words[0]]
	if v.Attr, err = parseAttr(v.Op, attr); err != nil {
		return err
	}
	for _, w := range words[1:] {
		if err := ps.operand(v, w); err != nil {
			return err
		}
	}
	return ps.define(v)
}

// operand adds the argument, weight or state that w names to v.
func (ps *parser) operand(v *Value, w string) error {
	switch w[0] {
	case '%':
		id, err := parseID(w)
		if err != nil {
			return err
		}
		a := ps.values[id]
		if a == nil {
			if ps.checked {
				return fmt.Errorf("%v is not defined", id)
			}
			ps.missing[id] = append(ps.missing[id], usage{v, len(v.Args)})
		}
		v.Args = append(v.Args, a)
	case '@':
		weight := ps.p.Weight(w[1:])
		if weight == nil {
			return fmt.Errorf("weight %s is not defined", w)
		}
		v.Weights = append(v.Weights, weight)
	case '$':
		if v.State != nil {
			return fmt.Errorf("a second state, %s", w)
		}
		if v.State = ps.p.State(w[1:]); v.State == nil {
			return fmt.Errorf("state %s is not defined", w)
		}
	default:
		return fmt.Errorf("%q is not an operand, want %%ID, @WEIGHT or $STATE", w)
	}
	return nil
}

// define puts v into the function, its type checked.
func (ps *parser) define(v *Value) error {
	f := ps.stage.Func
	if ps.checked {
		t, err := infer(v)
		if err != nil {
			return err
		}
		if !t.Equal(v.Type) {
			return fmt.Errorf("%s: result is %v, the line says %v", v.Op.Name, orNone(t), orNone(v.Type))
		}
		if v.Op == Param && len(f.Values) > 0 {
			return fmt.Errorf("param has to be the first value")
		}
	}
	if v.Op == Param && f.Param == nil {
		f.Param = v
	}
	f.Values = append(f.Values, v)
	ps.values[v.ID] = v
	f.next = max(f.next, v.ID+1)
	for _, u := range ps.missing[v.ID] {
		u.v.Args[u.arg] = v
	}
	delete(ps.missing, v.ID)
	return nil
}

// orNone is a type's text, "no value" for that of an op without a result.
func orNone(t Type) string {
	if len(t.Shape) == 0 {
		return "no value"
	}
	return t.String()
}

// result reads %7, after return.
func (ps *parser) result(l string) error {
	if ps.stage == nil || ps.ended {
		return fmt.Errorf("a return outside a stage")
	}
	id, err := parseID(l)
	if err != nil {
		return err
	}
	v := ps.values[id]
	if v == nil {
		return fmt.Errorf("%v is not defined", id)
	}
	if len(v.Type.Shape) == 0 {
		return fmt.Errorf("%v has no value to return", id)
	}
	ps.stage.Func.Result, ps.ended = v, true
	return nil
}

// parseID reads %7.
func parseID(w string) (ID, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(w, "%"), 10, 31)
	if err != nil || w[0] != '%' {
		return 0, fmt.Errorf("%q is not a value, want %%ID", w)
	}
	return ID(n), nil
}
