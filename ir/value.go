package ir

import (
	"fmt"
	"slices"
)

// An ID names a value within its function.
type ID int

// String is the text form, %7.
func (id ID) String() string { return fmt.Sprintf("%%%d", int(id)) }

// A Value is one static single assignment: an operation applied to values, weights and a state.
// Its ID never changes; the rest changes only through Become.
type Value struct {
	ID      ID
	Op      *Op
	Type    Type // of one row; the zero Type for an operation without a result
	Args    []*Value
	Weights []*Weight
	State   *State
	Attr    any    // the op's attribute struct
	Pos     string // where in the spec, for messages only
}

// Become makes v another operation with the same type, over args alone; nil for attr is the
// op's zero attribute.
func (v *Value) Become(op *Op, attr any, args ...*Value) {
	v.BecomeWith(op, attr, args, nil, nil)
}

// BecomeWith is Become for an operation that has weights or a state.
func (v *Value) BecomeWith(op *Op, attr any, args []*Value, weights []*Weight, state *State) {
	u := Value{ID: v.ID, Op: op, Type: v.Type, Args: slices.Clone(args), Weights: slices.Clone(weights), State: state, Attr: attr, Pos: v.Pos}
	if attr == nil {
		u.Attr = op.Attr
	}
	t, err := infer(&u)
	if err != nil {
		panic(fmt.Sprintf("BUG: %v becomes %v", v, err))
	}
	if !t.Equal(v.Type) {
		panic(fmt.Sprintf("BUG: %v becomes a %s of type %v", v, op.Name, t))
	}
	*v = u
}

// A Func is a straight line of values in an order that respects uses and effects. Its one
// parameter, if it has one, and its one result are the residual stream (the head's result:
// logits).
type Func struct {
	Name   string
	Param  *Value // an op param, nil if the function starts from the tokens
	Values []*Value
	Result *Value // nil if the function only writes a state
	next   ID
}
