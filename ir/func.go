package ir

import (
	"fmt"
	"iter"
	"slices"
)

// AddParam puts the function's parameter in front of its values.
func (f *Func) AddParam(t Type, pos string) *Value {
	if f.Param != nil {
		panic("BUG: function " + f.Name + " has a parameter already")
	}
	f.Param = &Value{ID: f.take(), Op: Param, Type: t, Pos: pos}
	f.Values = slices.Insert(f.Values, 0, f.Param)
	return f.Param
}

// Add appends a value; nil for attr is the op's zero attribute. It panics if the op's rule
// refuses the arguments.
func (f *Func) Add(op *Op, attr any, args []*Value, weights []*Weight, state *State, pos string) *Value {
	return f.insert(len(f.Values), op, attr, args, weights, state, pos)
}

// InsertBefore is Add in front of the value at.
func (f *Func) InsertBefore(at *Value, op *Op, attr any, args []*Value, weights []*Weight, state *State, pos string) *Value {
	return f.insert(f.index(at), op, attr, args, weights, state, pos)
}

func (f *Func) insert(i int, op *Op, attr any, args []*Value, weights []*Weight, state *State, pos string) *Value {
	if attr == nil {
		attr = op.Attr
	}
	v := &Value{ID: f.take(), Op: op, Args: slices.Clone(args), Weights: slices.Clone(weights), State: state, Attr: attr, Pos: pos}
	t, err := infer(v)
	if err != nil {
		panic(fmt.Sprintf("BUG: function %s: %v", f.Name, err))
	}
	v.Type = t
	f.Values = slices.Insert(f.Values, i, v)
	return v
}

// take is an ID that no value of f has had.
func (f *Func) take() ID {
	for _, v := range f.Values {
		f.next = max(f.next, v.ID+1)
	}
	f.next++
	return f.next - 1
}

func (f *Func) index(v *Value) int {
	i := slices.Index(f.Values, v)
	if i < 0 {
		panic(fmt.Sprintf("BUG: %v is not in function %s", v.ID, f.Name))
	}
	return i
}

// All yields the values of an op in order, as they stood when the loop began; one that has been
// removed or has become another op since then is left out.
func (f *Func) All(op *Op) iter.Seq[*Value] {
	return func(yield func(*Value) bool) {
		for _, v := range slices.Clone(f.Values) {
			if v.Op == op && slices.Contains(f.Values, v) && !yield(v) {
				return
			}
		}
	}
}

// Uses counts how often each value is an argument; being the function's result counts as a use.
func (f *Func) Uses() map[*Value]int {
	uses := make(map[*Value]int, len(f.Values))
	for _, v := range f.Values {
		for _, a := range v.Args {
			uses[a]++
		}
	}
	if f.Result != nil {
		uses[f.Result]++
	}
	return uses
}

// ReplaceUses puts with in the place of old wherever old is an argument or the result. Both have
// the same type; with stands before every use of old.
func (f *Func) ReplaceUses(old, with *Value) {
	if !old.Type.Equal(with.Type) {
		panic(fmt.Sprintf("BUG: %v replaced by %v", old, with))
	}
	for _, v := range f.Values {
		for i, a := range v.Args {
			if a == old && v != with {
				v.Args[i] = with
			}
		}
	}
	if f.Result == old {
		f.Result = with
	}
}

// Remove takes v out of the function. Nothing may use it any more.
func (f *Func) Remove(v *Value) {
	if n := f.Uses()[v]; n > 0 {
		panic(fmt.Sprintf("BUG: %v removed, which has %d uses", v, n))
	}
	i := f.index(v)
	f.Values = slices.Delete(f.Values, i, i+1)
	if f.Param == v {
		f.Param = nil
	}
}

// Renumber gives the values the IDs 0, 1, … in their order.
func (f *Func) Renumber() {
	for i, v := range f.Values {
		v.ID = ID(i)
	}
	f.next = ID(len(f.Values))
}
