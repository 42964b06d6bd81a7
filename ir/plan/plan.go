package plan

import "github.com/yococ/yococ/ir"

// A Plan is a program with every choice made: what codegen, asm and the packer need, and nothing
// else. It prints as text, and its fingerprint ties packed weights to generated code.
type Plan struct {
	Package string // Go package name, and the model's name
	Source  string // base name of the spec, for headers
	Vocab   int
	Dim     int
	Context int // default context length
	Self    int // self-decoder layers
	Cross   int // cross-decoder layers

	WeightElem ir.Elem // of the matrices
	CacheElem  ir.Elem // of the shared cache

	Objects  []Object // what routines need to know that no token changes: shapes, ropes, layouts
	States   []State
	Weights  []Weight
	Slots    []Slot
	Stages   []Stage
	Entries  []Entry
	Residual string // the slot of the residual stream
	Scratch  Scratch
	Kernels  []*Kernel // that the routines of the stages call, in the order of the table Kernels
}

// Scratch says what the largest private scratch of a worker depends on: the runtime has the
// formulas.
type Scratch struct {
	Inputs  int   // of the widest normalized matrix product
	Objects []Ref // whose routines need scratch: RetainSpec, AttendSpec
}

// Weight returns the weight of a name, nil if there is none.
func (p *Plan) Weight(name string) *Weight {
	for i := range p.Weights {
		if p.Weights[i].Name == name {
			return &p.Weights[i]
		}
	}
	return nil
}

// Object returns the object of a name, nil if there is none.
func (p *Plan) Object(name string) *Object {
	for i := range p.Objects {
		if p.Objects[i].Name == name {
			return &p.Objects[i]
		}
	}
	return nil
}

// Stage returns the stage of a name, nil if there is none.
func (p *Plan) Stage(name string) *Stage {
	for i := range p.Stages {
		if p.Stages[i].Name == name {
			return &p.Stages[i]
		}
	}
	return nil
}

// A Stage is a generated function: steps in order. It runs Repeat times an entry.
type Stage struct {
	Name   string // embed, self, share, cross, head
	Doc    string // its equations, one a line
	Repeat int
	Steps  []Step
}

// A Step is one call of a routine, by all workers together.
type Step struct {
	Routine  *Routine
	Operands []Operand // one a parameter of the routine, without the worker
	Value    string    // the value that it computes, "%3:f32[1028]"
	Equation string    // what it computes, for readers
	Sync     bool      // the workers meet before it: it needs what another has not yet finished
}

// An Entry is a sequence of stages that the runtime calls as one.
type Entry struct {
	Name   string // prefill, last, score
	Doc    string
	Stages []int // indices into Plan.Stages
}

// An Object is a value that a session builds once: a routine's shapes and constants.
type Object struct {
	Name   string // field of the engine
	Type   string // type in runtime/kernel: RetainSpec, AttendSpec, CacheSpec, Rope
	Fields []Field
}

// A Field is one field of an object.
type Field struct {
	Name  string
	Value any // int, float64, bool, string, Ref, ContextBlocks or RingBlocks
}

// A Ref is the address of another object, by name.
type Ref string

// ContextBlocks is the number of cache blocks that hold the session's context.
type ContextBlocks struct{}

// RingBlocks is the number of blocks of a ring in which Window tokens stay visible.
type RingBlocks struct{ Window int }

// A State is the memory of one kind of state.
type State struct {
	Name   string // field of the engine: retention, ring, cache
	Kind   ir.StateKind
	Object string // the RetainSpec or CacheSpec that lays it out
	Layers int    // 0 for the shared cache, of which there is one
	Window int    // Ring: tokens that stay visible
}

// A Weight is one tensor of the packed weight file.
type Weight struct {
	Name    string // in the file: self.qkvga
	Field   string // in the generated weight structs: qkvga
	Stage   string // the stage that uses it
	Alias   string // the tensor that it is another view of, "" if it has its own: a tied table
	Form    Form
	Elem    ir.Elem
	N, K    int         // Matrix: outputs and inputs; Table: vocabulary and width; Vector: length in N, K = 1
	Half    int         // Matrix: > 0 interleaves two stacked halves of Half rows each, 32 rows at a time, for SwiGLU
	Layers  int         // leading dimension of the file's tensor; 0 if it has none
	Sources []ir.Source // what it is made of; every source says its rows
	Pos     string
}

// Form is how a weight lies in the file.
type Form uint8

const (
	Matrix Form = iota // panels of 64 output columns, k ascending: runtime/kernel.Matrix
	Vector             // float32, padded to 16
	Table              // row-major: runtime/kernel.Table
)

func (f Form) String() string { return [...]string{"matrix", "vector", "table"}[f] }

// A Slot is a range of the arena: one row of activations for every token of a chunk.
type Slot struct {
	Name     string // field of the scratch struct
	Width    int    // elements in use
	Stride   int    // elements from row to row
	Offset   int    // in elements a row of the chunk: the slot starts at Offset*chunk
	Rows     int    // 0: a row a token of the chunk; else a fixed number of rows, in an area of its own
	From, To int    // steps of Stage during which it is live; -1, -1: always
	Stage    string // "" if always live
	Value    string // the value it holds
}

// Int returns the integer field of an object, by name.
func (o *Object) Int(name string) int {
	for _, f := range o.Fields {
		if f.Name == name {
			return f.Value.(int)
		}
	}
	panic("BUG: " + o.Name + " has no field " + name)
}

// Stride is the distance of rows of width floats: whole cache lines, and never a multiple of
// 4 KB, which would put all rows into one set of the first-level cache.
func Stride(width int) int {
	s := roundUp(width, 16)
	if s%1024 == 0 {
		s += 16
	}
	return s
}

// ArenaFloats is the size of the arena in floats a token of the chunk: the slots, then the cosines
// and sines of every rope.
func (p *Plan) ArenaFloats() int {
	n := 0
	for _, s := range p.Slots {
		n = max(n, s.Offset+s.Stride)
	}
	for _, o := range p.Objects {
		if o.Type == "Rope" {
			n += 2 * Stride(o.Int("Dim"))
		}
	}
	return n
}

// HeadRows is how many rows' logits a session keeps at a time.
const HeadRows = 8

// Logits is the slot of the head's result: HeadRows rows, outside the arena.
const Logits = "logits"
