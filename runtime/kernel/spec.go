package kernel

// What generated code asks of the object that describes a mixer, beside its routine, so that a state of
// one kind is laid out, shown and paid for as any other:
//
//	Scratch(rows)          the private memory of a worker for chunks of so many rows, in floats
//	StateFloats, State     the size of a layer's state, and the state in so much zeroed memory;
//	                       of caches Bytes and View (see spans.go)
//	Rewindable(from, to)   whether the state after from tokens serves as that after the first to of them: what it
//	                       keeps of the others is overwritten before anything looks at it
//	Export(state, pos)     what the state says after pos tokens: tensors named after its parts
//	Forget(state, pos)     makes zero what no token from pos on looks at (see forget.go)

// A Tensor is a named array of numbers, as exported for comparison.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Named are tensors with a prefix before their names.
func Named(prefix string, ts []Tensor) []Tensor {
	for i := range ts {
		ts[i].Name = prefix + ts[i].Name
	}
	return ts
}

// sameBlock reports whether the same block is open after so many tokens and after so many others.
func sameBlock(from, to int) bool { return from/blockTokens == to/blockTokens }

// Scratch is the scratch of the attention routines and of Append, in floats.
func (s AttendSpec) Scratch(rows int) int { return AttendScratch(s.Heads, s.KVHeads, s.Dim, rows) }

// Scratch is the scratch of Retain, in floats.
func (s RetainSpec) Scratch(rows int) int { return RetainScratch(s.Dim, rows) }
