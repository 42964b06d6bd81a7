package plan

import (
	"math"

	"github.com/yococ/yococ/ir"
)

// An Operand is an argument of a step. Its kinds are closed: codegen prints each one way.
type Operand interface{ operand() }

type (
	// SlotArg is a slot of the arena from column Col on: kernel.Rows. The routine uses Size columns of it,
	// 0 for all that follow.
	SlotArg struct {
		Slot string
		Col  int
		Size int
	}
	// InputArg is what enters a matrix product: a slot, normalized on the way if Eps > 0, with
	// the gain Gain ("" for none), and converted to Elem: kernel.Input. Tmp is the slot of the rows
	// as they are multiplied, "" if that is the slot itself.
	InputArg struct {
		Slot string
		Col  int
		Size int // as of a SlotArg
		Gain string
		Eps  float64
		Elem ir.Elem // F32: not converted; Q8: quantized, in those layers whose matrix is; BF16: rounded likewise
		Tmp  string
	}
	// WeightArg is a weight of the stage's layer, by its field: *kernel.Matrix, *kernel.Table,
	// []float32. "" is none.
	WeightArg string
	// ObjectArg is the address of an object. "" is none.
	ObjectArg string
	// StateArg is the address of the stage's layer of a state.
	StateArg string
	// PhasesArg is the rotation of the chunk's positions by a rope, by the rope's name. "" is none.
	PhasesArg string
	// FloatArg is a constant.
	FloatArg float64
	// IntArg is a size.
	IntArg int
	// LayerArg is how many layers are below the one at hand: First, and Step more for each run of the stage.
	LayerArg struct{ First, Step int }
	// NameArg is a parameter of the generated function or a field of the engine: tokens, pos, rows, partial.
	NameArg string
)

func (SlotArg) operand()   {}
func (InputArg) operand()  {}
func (WeightArg) operand() {}
func (ObjectArg) operand() {}
func (StateArg) operand()  {}
func (PhasesArg) operand() {}
func (FloatArg) operand()  {}
func (IntArg) operand()    {}
func (LayerArg) operand()  {}
func (NameArg) operand()   {}

// Width is how wide a row is as it is multiplied by a weight, in floats: as wide as any layer's format
// needs. 0 stands for a row that is multiplied as it is.
func (in InputArg) Width(w *Weight) int {
	n := 0
	for _, e := range w.Formats() {
		switch {
		case e.Quantized():
			n = max(n, QuantizedWidth(w.K))
		case e == ir.BF16 && in.Elem == ir.BF16:
			n = max(n, RoundedWidth(w.K))
		case in.Eps > 0:
			n = max(n, w.K)
		}
	}
	return n
}

// Columns are the columns of a slot that an operand is, [from, to), and the slot; "" for one that is none.
func Columns(o Operand) (slot string, from, to int) {
	size := 0
	switch o := o.(type) {
	case SlotArg:
		slot, from, size = o.Slot, o.Col, o.Size
	case InputArg:
		slot, from, size = o.Slot, o.Col, o.Size
	}
	if size == 0 {
		return slot, from, math.MaxInt
	}
	return slot, from, from + size
}
