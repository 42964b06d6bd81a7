package plan

import (
	"slices"
	"strings"

	"github.com/yococ/yococ/ir"
)

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

	CacheElem ir.Elem // of the shared cache

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
	Inputs  int   // of the widest matrix product that does not multiply its input as it is
	Objects []Ref // whose routines need scratch: they have a method Scratch
}

// Weight returns the weight of a name, nil if there is none.
func (p *Plan) Weight(name string) *Weight {
	return named(p.Weights, func(w *Weight) string { return w.Name }, name)
}

// Formats are the element types of the matrices, each once.
func (p *Plan) Formats() []ir.Elem {
	var es []ir.Elem
	for i := range p.Weights {
		if w := &p.Weights[i]; w.Form == Matrix {
			es = append(es, w.Formats()...)
		}
	}
	slices.Sort(es)
	return slices.Compact(es)
}

// Quantized reports whether any matrix is.
func (p *Plan) Quantized() bool { return slices.ContainsFunc(p.Formats(), ir.Elem.Quantized) }

// Rounds reports whether any product is of other factors than the checkpoint's and the program's: of
// quantized ones, or of activations rounded to bfloat16.
func (p *Plan) Rounds() bool {
	return p.Quantized() || slices.ContainsFunc(p.Weights, func(w Weight) bool { return w.Rounds })
}

// Precision is Formats in words: q4, or bf16+q8.
func (p *Plan) Precision() string {
	var names []string
	for _, e := range p.Formats() {
		names = append(names, e.String())
	}
	return strings.Join(names, "+")
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
	Name   string // of the program's stage, as an identifier
	Doc    string // its equations, one a line
	Repeat int
	Layers bool // its weights and states are those of a layer, one a run
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

// An Object is a value that an engine builds once: a routine's shapes and constants.
type Object struct {
	Name   string // field of the engine
	Type   string // type in runtime/kernel: RetainSpec, AttendSpec, CacheSpec, Rope, …
	Fields []Field
}

// A Field is one field of an object.
type Field struct {
	Name  string
	Value any // int, float64, bool, string, ir.Elem or Ref
}

// A Ref is the address of another object, by name, "" for none.
type Ref string

// A State is the memory of a state of the program.
type State struct {
	Name   string // field of the engine: cache if it is the shared one, else the state's own as an identifier
	Kind   ir.StateKind
	Type   string // in runtime/kernel, of a layer of it: Cache, Retention, …
	Object string // that lays it out
	Layers int    // 0 for the shared cache, of which there is one
	First  int    // layer of the stack that the first of them belongs to
	Step   int    // and how many layers on the next one's is
}

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
