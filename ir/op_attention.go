package ir

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Softmax attention with grouped heads: query head h reads key/value head h/(H/KH). The token at
// position p sees positions up to p, with a window w the last w of them, itself included.

// WindowAttr is the attribute of attend.window.
type WindowAttr struct {
	Scale float64  // multiplies q·k
	Rope  RopeAttr // of q and k, fused
}

// AttendWindow appends k and v to a ring and attends to what it holds.
var AttendWindow = define(&Op{
	Name:    "attend.window",
	Doc:     "y = softmax(scale · q kᵀ over the window) v, for every head; args q k v",
	MinArgs: 3, MaxArgs: 3,
	Attr:     WindowAttr{},
	Effect:   Writes,
	Locality: Prefix,
	Infer: func(v *Value) (Type, error) {
		attr := AttrOf[WindowAttr](v)
		h, err := headsOf(v, Ring)
		if err != nil {
			return Type{}, err
		}
		if err := h.checkKV(v, 1); err != nil {
			return Type{}, err
		}
		if err := attr.Rope.checkOptional(h.dk); err != nil {
			return Type{}, err
		}
		n, err := h.queries(v)
		if err != nil {
			return Type{}, err
		}
		return Of(n, h.dv), checkPositive("scale", attr.Scale)
	},
	Eval: func(v *Value, e *Env) []float64 {
		attr, s := AttrOf[WindowAttr](v), e.state(v)
		h, _ := headsOf(v, Ring)
		s.append(0, rotated(attr.Rope, e.arg(v, 1), h.dk, e))
		s.append(1, e.arg(v, 2))
		q := rotated(attr.Rope, e.arg(v, 0), h.dk, e)
		y := h.attend(q, s, e, attr.Scale, v.State.Window)
		s.keep(v.State.Window)
		return y
	},
})

// ShareAttr is the attribute of share.
type ShareAttr struct {
	Rope RopeAttr // of k, fused
}

// Share appends k and v to a cache that grows: the shared one, or a layer's own. It has no result.
var Share = define(&Op{
	Name:    "share",
	Doc:     "append k and v to a cache that grows; args k v",
	MinArgs: 2, MaxArgs: 2,
	Attr:     ShareAttr{},
	Effect:   Writes,
	Locality: Prefix,
	Infer: func(v *Value) (Type, error) {
		h, err := headsOf(v, Shared, Grow)
		if err != nil {
			return Type{}, err
		}
		if err := h.checkKV(v, 0); err != nil {
			return Type{}, err
		}
		return Type{}, AttrOf[ShareAttr](v).Rope.checkOptional(h.dk)
	},
	Eval: func(v *Value, e *Env) []float64 {
		h, _ := headsOf(v, Shared, Grow)
		s := e.state(v)
		s.append(0, rotated(AttrOf[ShareAttr](v).Rope, e.arg(v, 0), h.dk, e))
		s.append(1, e.arg(v, 1))
		return nil
	},
})

// AttendAttr is the attribute of attend.
type AttendAttr struct {
	Scale float64  // multiplies q·k
	QNorm float64  // eps of an RMSNorm over every query head before its rotation, whose gain [dk] is the weight, fused; 0 for none
	Rope  RopeAttr // of q, fused
}

// Attend attends to a cache that grows. In a function that also appends to it, it comes after that.
var Attend = define(&Op{
	Name:    "attend",
	Doc:     "y = softmax(scale · q Kᵀ) V over a cache that grows, for every head; args q",
	MinArgs: 1, MaxArgs: 1,
	MaxWeights: 1,
	Attr:       AttendAttr{},
	Effect:     Reads,
	Locality:   Cached,
	Infer: func(v *Value) (Type, error) {
		attr := AttrOf[AttendAttr](v)
		h, err := headsOf(v, Shared, Grow)
		if err != nil {
			return Type{}, err
		}
		if (attr.QNorm != 0) != (len(v.Weights) == 1) {
			return Type{}, fmt.Errorf("has %d weights with qnorm=%v", len(v.Weights), attr.QNorm)
		}
		if attr.QNorm != 0 {
			if err := checkPositive("qnorm", attr.QNorm); err != nil {
				return Type{}, err
			}
			if err := checkWeight(v, 0, h.dk); err != nil {
				return Type{}, err
			}
		}
		if err := attr.Rope.checkOptional(h.dk); err != nil {
			return Type{}, err
		}
		n, err := h.queries(v)
		if err != nil {
			return Type{}, err
		}
		return Of(n, h.dv), checkPositive("scale", attr.Scale)
	},
	Eval: func(v *Value, e *Env) []float64 {
		attr, q := AttrOf[AttendAttr](v), e.arg(v, 0)
		h, _ := headsOf(v, Shared, Grow)
		if attr.QNorm != 0 {
			q = gained(normalized(q, h.dk, attr.QNorm), e.weight(v, 0))
		}
		return h.attend(rotated(attr.Rope, q, h.dk, e), e.state(v), e, attr.Scale, math.MaxInt)
	},
})

// heads are the sizes of a state that holds keys [kv dk] and values [kv dv].
type heads struct{ kv, dk, dv int }

// headsOf reads them off v's state, which has to be of one of the kinds.
func headsOf(v *Value, kinds ...StateKind) (heads, error) {
	s := v.State
	ok := slices.Contains(kinds, s.Kind) && len(s.Parts) == 2 && s.Parts[0].Name == "k" && s.Parts[1].Name == "v"
	for i := 0; ok && i < 2; i++ {
		ok = checkShape(s.Parts[i].Type.Shape) == nil && len(s.Parts[i].Type.Shape) == 2
	}
	if !ok || s.Parts[0].Type.Shape[0] != s.Parts[1].Type.Shape[0] {
		return heads{}, fmt.Errorf("state $%s is %v, want %v {k:[heads dk] v:[heads dv]}", s.Name, s, kindNames(kinds))
	}
	return heads{s.Parts[0].Type.Shape[0], s.Parts[0].Type.Shape[1], s.Parts[1].Type.Shape[1]}, nil
}

// kindNames is "shared or grow".
func kindNames(kinds []StateKind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.String())
	}
	return strings.Join(names, " or ")
}

// checkKV demands that arguments i and i+1 are a row of keys and one of values.
func (h heads) checkKV(v *Value, i int) error {
	if err := checkHeads(v, i, "k", h.kv, h.dk); err != nil {
		return err
	}
	return checkHeads(v, i+1, "v", h.kv, h.dv)
}

// queries is the number of query heads, in argument 0: [n dk] or flat.
func (h heads) queries(v *Value) (int, error) {
	q := v.Args[0]
	n := q.Type.Size() / h.dk
	if n%h.kv != 0 || n == 0 {
		return 0, fmt.Errorf("q is %v %v, want [n %d] or flat with n a multiple of %d", q.ID, q.Type, h.dk, h.kv)
	}
	return n, checkHeads(v, 0, "q", n, h.dk)
}

// attend is the attention of every row of q to the last window rows of s up to its own.
func (h heads) attend(q []float64, s *memory, e *Env, scale float64, window int) []float64 {
	n := len(q) / (e.Rows * h.dk) // query heads
	y := make([]float64, e.Rows*n*h.dv)
	score := make([]float64, s.rows)
	for r := range e.Rows {
		end := e.Pos + r + 1 - s.first // rows of s that are visible end here
		from := max(0, end-window)
		for i := range n {
			qi := q[(r*n+i)*h.dk:][:h.dk]
			yi := y[(r*n+i)*h.dv:][:h.dv]
			kv := i / (n / h.kv)
			top := math.Inf(-1)
			for t := from; t < end; t++ {
				score[t] = scale * dot(qi, s.parts[0][(t*h.kv+kv)*h.dk:][:h.dk])
				top = max(top, score[t])
			}
			sum := 0.0
			for t := from; t < end; t++ {
				p := math.Exp(score[t] - top)
				sum += p
				for c, x := range s.parts[1][(t*h.kv+kv)*h.dv:][:h.dv] {
					yi[c] += p * x
				}
			}
			scaled(yi, 1/sum)
		}
	}
	return y
}
