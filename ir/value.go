package ir

// An ID names a value within its function.
type ID int

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
