package plan

import (
	"fmt"
	"slices"
	"strings"
)

// A Slot is a range of the arena: one row of activations for every token of a chunk. What it holds
// does not outlive a stage, so stages may share one.
type Slot struct {
	Name   string // field of the scratch struct
	Value  string // type of the value it holds
	Width  int    // elements in use
	Stride int    // elements from row to row
	Offset int    // in elements a row of the chunk: the slot starts at Offset*chunk
	Live   []Live // when it is in use; none: always
}

// Live are the steps of a stage during which a slot is in use, the first and the last.
type Live struct {
	Stage    string
	From, To int
}

// In reports whether the slot may be used in a stage.
func (s *Slot) In(stage string) bool {
	return len(s.Live) == 0 || slices.ContainsFunc(s.Live, func(l Live) bool { return l.Stage == stage })
}

// Meet reports whether two slots are ever in use at the same step.
func Meet(a, b *Slot) bool {
	if len(a.Live) == 0 || len(b.Live) == 0 {
		return true
	}
	return slices.ContainsFunc(a.Live, func(l Live) bool {
		return slices.ContainsFunc(b.Live, func(m Live) bool {
			return l.Stage == m.Stage && l.From <= m.To && m.From <= l.To
		})
	})
}

// When says when the slot is in use: self 2..3, cross 1..2.
func (s *Slot) When() string {
	if len(s.Live) == 0 {
		return "always"
	}
	var parts []string
	for _, l := range s.Live {
		parts = append(parts, fmt.Sprintf("%s %d..%d", l.Stage, l.From, l.To))
	}
	return strings.Join(parts, ", ")
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

// SlotFloats is the size of all slots in floats a token of the chunk.
func (p *Plan) SlotFloats() int {
	n := 0
	for _, s := range p.Slots {
		n = max(n, s.Offset+s.Stride)
	}
	return n
}

// ArenaFloats is the size of the arena in floats a token of the chunk: the slots, then the cosines
// and sines of every rope.
func (p *Plan) ArenaFloats() int {
	n := p.SlotFloats()
	for _, o := range p.Objects {
		if o.Type == "Rope" {
			n += 2 * Stride(o.Int("Dim"))
		}
	}
	return n
}
