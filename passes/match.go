package passes

import (
	"reflect"
	"slices"

	"github.com/yococ/yococ/ir"
)

// sameAttr reports whether two values of one op have equal attributes.
func sameAttr(u, v *ir.Value) bool { return reflect.DeepEqual(u.Attr, v.Attr) }

// only returns v if it is a value of op with one use, else nil.
func only(f *ir.Func, v *ir.Value, op *ir.Op) *ir.Value {
	if v != nil && v.Op == op && f.Uses()[v] == 1 {
		return v
	}
	return nil
}

// through returns the value under reshapes that have one use each.
func through(f *ir.Func, v *ir.Value) *ir.Value {
	for v.Op == ir.Reshape && f.Uses()[v] == 1 {
		v = v.Args[0]
	}
	return v
}

// setArg replaces argument i of v; the result's type stays.
func setArg(v *ir.Value, i int, arg *ir.Value) {
	args := slices.Clone(v.Args)
	args[i] = arg
	v.BecomeWith(v.Op, v.Attr, args, v.Weights, v.State)
}

// users are the values that have v as an argument.
func users(f *ir.Func, v *ir.Value) []*ir.Value {
	var us []*ir.Value
	for _, u := range f.Values {
		if slices.Contains(u.Args, v) {
			us = append(us, u)
		}
	}
	return us
}

// weightUses counts the values of the whole program that read a weight.
func weightUses(p *ir.Program, w *ir.Weight) int {
	n := 0
	for _, s := range p.Stages {
		for _, v := range s.Func.Values {
			for _, x := range v.Weights {
				if x == w {
					n++
				}
			}
		}
	}
	return n
}
