package ir

// An Op is the definition of one operation: everything that is true of it wherever it appears.
type Op struct {
	Name     string
	Doc      string                       // one sentence, in the paper's symbols
	MinArgs  int                          // value arguments
	MaxArgs  int                          // at least MinArgs
	Weights  int                          // weight arguments at least; Infer checks optional ones
	Attr     any                          // zero value of its attribute struct, nil if it has none
	Effect   Effect                       // on the value's State
	Locality Locality                     // which rows of the arguments row t depends on
	Infer    func(*Value) (Type, error)   // result type; checks arguments, weights, state and attributes
	Eval     func(*Value, *Env) []float64 // what it means on real numbers, all rows: slow and obvious
}

// Effect is what an operation does to the state that it names.
type Effect uint8

const (
	Pure   Effect = iota // names no state
	Reads                // reads rows that another operation wrote
	Writes               // appends or moves on by every row, and may read it
)

// Locality says which rows an output row depends on. Early exit rests on it.
type Locality uint8

const (
	RowLocal Locality = iota // row t of the arguments alone
	Prefix                   // rows up to t, through a state that this operation writes
	Cached                   // row t of the arguments, and a state that another operation has written
)

var ops = map[string]*Op{}

// define registers op under its name.
func define(op *Op) *Op {
	if ops[op.Name] != nil {
		panic("BUG: op " + op.Name + " is defined twice")
	}
	ops[op.Name] = op
	return op
}
