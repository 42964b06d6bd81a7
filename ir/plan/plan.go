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
	Inputs  int   // of the widest matrix product that normalizes its input
	Objects []Ref // whose routines need scratch: RetainSpec, AttendSpec
}

// Weight returns the weight of a name, nil if there is none.
func (p *Plan) Weight(name string) *Weight {
	return named(p.Weights, func(w *Weight) string { return w.Name }, name)
}

// Object returns the object of a name, nil if there is none.
func (p *Plan) Object(name string) *Object {
	return named(p.Objects, func(o *Object) string { return o.Name }, name)
}

// State returns the state of a name, nil if there is none.
func (p *Plan) State(name string) *State {
	return named(p.States, func(s *State) string { return s.Name }, name)
}

// Slot returns the slot of a name, nil if there is none.
func (p *Plan) Slot(name string) *Slot {
	return named(p.Slots, func(s *Slot) string { return s.Name }, name)
}

// Stage returns the stage of a name, nil if there is none.
func (p *Plan) Stage(name string) *Stage {
	return named(p.Stages, func(s *Stage) string { return s.Name }, name)
}

func named[T any](list []T, name func(*T) string, want string) *T {
	for i := range list {
		if name(&list[i]) == want {
			return &list[i]
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

// Field returns the value of an object's field.
func (o *Object) Field(name string) any {
	for _, f := range o.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	panic("BUG: " + o.Name + " has no field " + name)
}

// Int returns the value of an integer field.
func (o *Object) Int(name string) int { return o.Field(name).(int) }

// HeadRows is how many rows' logits a session keeps at a time.
const HeadRows = 8

// Logits is the slot of the head's result: HeadRows rows, outside the arena.
const Logits = "logits"
