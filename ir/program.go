package ir

// A Program is a model: what is computed, and nothing of how. Stages run in order over one set
// of states and weights. Shapes are static; rows are an argument.
type Program struct {
	Name    string
	States  []*State
	Weights []*Weight
	Stages  []*Stage // embed, the blocks of the self-decoder, share, those of the cross-decoder, head
	Entries []*Entry
}

// A Stage is a function that runs Repeat times, the residual stream going from one run into the
// next. Equal layers are one stage: run l of it uses layer l of the weights and states that it names.
type Stage struct {
	Name   string
	Func   *Func
	Repeat int
}

// An Entry is a way to run the program, and how many rows each stage has to compute in it.
type Entry struct {
	Name string
	Rows []Rows // one a stage
	Want Rows   // for which rows the results of the last stage are asked for
}

// Rows says which rows of a chunk are computed.
type Rows uint8

const (
	All  Rows = iota // every row
	Last             // the last row of the last chunk
)

func (r Rows) String() string { return [...]string{"all", "last"}[r] }

// A State is what persists from token to token.
type State struct {
	Name   string
	Kind   StateKind
	Parts  []Part // k and v; the retention matrix
	Window int    // Ring: tokens that stay visible
	Layers int    // one such state a layer; 1 for Shared
	First  int    // layer of the whole stack, both halves counted through, that the first of them belongs to
	Step   int    // and how many layers on the next one's is; 0 stands for 1
}

// Layer is the layer of the whole stack that state l belongs to.
func (s *State) Layer(l int) int { return s.First + l*max(s.Step, 1) }

// A Part is one tensor of a state: the whole of it for Carry, of one token for the other kinds.
type Part struct {
	Name string
	Type Type
}

// StateKind is how a state grows.
type StateKind uint8

const (
	Shared StateKind = iota // grows with the context: the one key/value cache
	Grow                    // grows with the context, a layer's own
	Ring                    // the last Window tokens
	Carry                   // a fixed-size summary
)

func (k StateKind) String() string { return [...]string{"shared", "grow", "ring", "carry"}[k] }

// A Weight is a trained tensor, or several equal ones, a layer each.
type Weight struct {
	Name   string // the role: self.q, cross.ffn.norm, …
	Type   Type   // of one layer, [out in] for a matrix
	Layers int    // 0 for a weight that no layer repeats
	First  int    // layer of its sources that its first layer is made from
	Pos    string // where in the spec it was asked for, for messages
	Pack   Pack   // how its values come from the checkpoint; rewrites fill it in
}

// A Pack is how a weight is made from checkpoint tensors: the Sources stacked along the first axis.
type Pack struct {
	Sources []Source
}

// A Source is one checkpoint tensor that goes into a weight, and what is folded into it.
type Source struct {
	Role   string  // in the checkpoint
	NegExp bool    // every element x is -exp(x) instead
	Scale  float64 // every element is multiplied by it; 1 for none
	Gain   string  // role of a vector that column i is multiplied by, "" for none
	Rows   int     // rows of the weight that it makes; 0: all of them, it is the only source
}

// Weight is the weight of that name, nil if there is none.
func (p *Program) Weight(name string) *Weight {
	return named(p.Weights, func(w *Weight) string { return w.Name }, name)
}

// State is the state of that name, nil if there is none.
func (p *Program) State(name string) *State {
	return named(p.States, func(s *State) string { return s.Name }, name)
}

// Stage is the stage of that name, nil if there is none.
func (p *Program) Stage(name string) *Stage {
	return named(p.Stages, func(s *Stage) string { return s.Name }, name)
}

// Entry is the entry of that name, nil if there is none.
func (p *Program) Entry(name string) *Entry {
	return named(p.Entries, func(e *Entry) string { return e.Name }, name)
}

func named[T any](list []*T, name func(*T) string, want string) *T {
	for _, x := range list {
		if name(x) == want {
			return x
		}
	}
	return nil
}
