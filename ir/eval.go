package ir

import (
	"fmt"
	"slices"
)

// A Machine evaluates a program in float64: the definition of what compiled code has to compute,
// not a way to run a model. Its states persist from one Run to the next, and positions go on.
type Machine struct {
	// Inputs, if it is not nil, is given what a linear or project is about to multiply by its matrix, all
	// rows, and returns what to multiply instead: as compiled code rounds it. It leaves x as it is.
	Inputs func(v *Value, layer int, x []float64) []float64

	program *Program
	load    func(w *Weight, layer int) ([]float64, error)
	weights map[weightKey][]float64
	states  map[*State][]*memory // one a layer
	pos     int                  // tokens that went through
}

type weightKey struct {
	w     *Weight
	layer int
}

// NewMachine makes a machine at position 0. The function gives the values of a weight, row-major;
// layer is -1 for a weight that no layer repeats. Each is asked for once.
func NewMachine(p *Program, weights func(w *Weight, layer int) ([]float64, error)) *Machine {
	m := &Machine{program: p, load: weights, weights: map[weightKey][]float64{}}
	m.Reset()
	return m
}

// Reset puts the machine back to position 0, its states empty.
func (m *Machine) Reset() {
	m.pos = 0
	m.states = map[*State][]*memory{}
	for _, s := range m.program.States {
		for range s.Layers {
			m.states[s] = append(m.states[s], newMemory(s))
		}
	}
}

// Run evaluates the program on the tokens that follow those of earlier Runs, each stage on the
// rows that the entry demands of it, and returns the rows of the last stage's result that the
// entry asks for. After an error the states are those from before the call.
func (m *Machine) Run(entry *Entry, tokens []int32) (logits [][]float64, err error) {
	if err := m.ready(entry, tokens); err != nil {
		return nil, err
	}
	x, rows := []float64(nil), len(tokens)
	var t Type
	for i, st := range m.program.Stages {
		if entry.Rows[i] == Last && rows > 1 {
			x, rows = lastRow(x, rows), 1
		}
		for layer := range st.Repeat {
			at := len(tokens) - rows
			e := &Env{Rows: rows, Pos: m.pos + at, Layer: layer, Tokens: tokens[at:], machine: m, param: x, values: map[*Value][]float64{}}
			for _, v := range st.Func.Values {
				e.values[v] = v.Op.Eval(v, e)
			}
			if r := st.Func.Result; r != nil {
				x, t = e.values[r], r.Type
			}
		}
	}
	m.pos += len(tokens)
	if entry.Want == Last {
		x, rows = lastRow(x, rows), 1
	}
	for r := range rows {
		logits = append(logits, x[r*t.Size():(r+1)*t.Size()])
	}
	return logits, nil
}

// lastRow is the last of rows rows of x, nil if there are none yet.
func lastRow(x []float64, rows int) []float64 {
	return x[len(x)-len(x)/rows:]
}

// ready loads the weights and checks what a caller can get wrong.
func (m *Machine) ready(entry *Entry, tokens []int32) error {
	if len(entry.Rows) != len(m.program.Stages) {
		return fmt.Errorf("entry %s has rows for %d stages, want %d", entry.Name, len(entry.Rows), len(m.program.Stages))
	}
	if len(tokens) == 0 {
		return fmt.Errorf("no tokens")
	}
	for _, st := range m.program.Stages {
		for v := range st.Func.All(Embed) {
			for i, t := range tokens {
				if n := v.Weights[0].Type.Shape[0]; t < 0 || int(t) >= n {
					return fmt.Errorf("token %d is %d, want 0 to %d", i, t, n-1)
				}
			}
		}
	}
	for _, w := range m.program.Weights {
		from, to := 0, w.Layers
		if w.Layers == 0 {
			from, to = -1, 0
		}
		for layer := from; layer < to; layer++ {
			key := weightKey{w, layer}
			if m.weights[key] != nil {
				continue
			}
			data, err := m.load(w, layer)
			if err != nil {
				return err
			}
			if len(data) != w.Type.Size() {
				return fmt.Errorf("weight @%s: %d values, want %v", w.Name, len(data), w.Type)
			}
			m.weights[key] = data
		}
	}
	return nil
}

// State is a copy of one part of one layer of a state, and its shape: [tokens heads d], those of a
// Ring being the ones that the window still holds, oldest first; the part's own for Carry.
func (m *Machine) State(name string, layer int, part string) (data []float64, shape []int) {
	for s, layers := range m.states {
		i := slices.IndexFunc(s.Parts, func(p Part) bool { return p.Name == part })
		if s.Name != name || i < 0 || layer >= len(layers) {
			continue
		}
		shape := s.Parts[i].Type.Shape
		if s.Kind != Carry {
			shape = append([]int{layers[layer].rows}, shape...)
		}
		return slices.Clone(layers[layer].parts[i]), slices.Clone(shape)
	}
	panic(fmt.Sprintf("BUG: no part %s of layer %d of state $%s", part, layer, name))
}

// Env is what an op sees of the machine when it is evaluated.
type Env struct {
	Rows   int     // rows in work
	Pos    int     // absolute position of the first
	Layer  int     // which repeat of the stage
	Tokens []int32 // of those rows

	machine *Machine
	param   []float64
	values  map[*Value][]float64
}

// arg is argument i of v, all rows.
func (e *Env) arg(v *Value, i int) []float64 { return e.values[v.Args[i]] }

// inputs is x, or what v has to multiply in its place.
func (e *Env) inputs(v *Value, x []float64) []float64 {
	if e.machine.Inputs == nil {
		return x
	}
	return e.machine.Inputs(v, e.Layer, x)
}

// weight is weight i of v in this layer.
func (e *Env) weight(v *Value, i int) []float64 {
	w := v.Weights[i]
	if w.Layers == 0 {
		return e.machine.weights[weightKey{w, -1}]
	}
	return e.machine.weights[weightKey{w, e.Layer}]
}

// state is what v's state holds in this layer; a state of one layer is the same for all.
func (e *Env) state(v *Value) *memory {
	layers := e.machine.states[v.State]
	if len(layers) == 1 {
		return layers[0]
	}
	return layers[e.Layer]
}

// memory is the contents of one layer of a state.
type memory struct {
	parts [][]float64 // Carry: the whole; else [rows …]
	sizes []int       // elements of a part's row
	rows  int         // as many as every part has, but between two appends
	first int         // position of row 0
}

func newMemory(s *State) *memory {
	m := &memory{}
	for _, p := range s.Parts {
		m.sizes = append(m.sizes, p.Type.Size())
		var data []float64
		if s.Kind == Carry {
			data = make([]float64, p.Type.Size())
		}
		m.parts = append(m.parts, data)
	}
	return m
}

// append adds rows to a part.
func (m *memory) append(part int, x []float64) {
	m.parts[part] = append(m.parts[part], x...)
	m.rows = len(m.parts[part]) / m.sizes[part]
}

// keep drops all but the last n rows.
func (m *memory) keep(n int) {
	drop := max(0, m.rows-n)
	for i, size := range m.sizes {
		m.parts[i] = slices.Delete(m.parts[i], 0, drop*size)
	}
	m.rows -= drop
	m.first += drop
}
