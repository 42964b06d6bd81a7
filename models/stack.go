package models

import (
	"reflect"
	"slices"
	"strconv"
)

// A Stack is one half of a model: its blocks in order. Without blocks there is no such half.
type Stack struct{ Blocks []Block }

// A Block is Repeat times its layers, in order.
type Block struct {
	Repeat int
	Layers []Layer
}

// A Layer mixes tokens, then each token's own elements; both add to the residual stream.
type Layer struct {
	Mixer Mixer
	FFN   FFN
}

// Equal is the stack of n equal layers.
func Equal(n int, mixer Mixer, ffn FFN) Stack {
	return Stack{[]Block{{n, []Layer{{mixer, ffn}}}}}
}

// Append adds a layer, to the block before it if that is one of layers equal to it.
func (s *Stack) Append(l Layer) {
	if n := len(s.Blocks); n > 0 && reflect.DeepEqual(s.Blocks[n-1].Layers, []Layer{l}) {
		s.Blocks[n-1].Repeat++
		return
	}
	s.Blocks = append(s.Blocks, Block{1, []Layer{l}})
}

// Len is the number of layers.
func (s Stack) Len() int {
	n := 0
	for _, b := range s.Blocks {
		n += b.Repeat * len(b.Layers)
	}
	return n
}

// A Place is where a layer stands in a block, and so as many layers of the model as the block has
// repeats. What belongs to a layer is named after its place.
type Place struct {
	Layer
	Half   string // self or cross
	Stage  string // of its block: the half, and the number of the block unless the half is one place
	Prefix string // of the roles of its weights: the stage, and of several layers of a block their number, as in self2.1
	Repeat int    // layers of the model here: First, First+Step, …
	First  int    // counted from 0 in the half
	Step   int
	Before int    // layers of the model before the half
	At     string // path of the layer's mapping in the YAML form …
	Mixed  string // … of its mixer's keys, …
	Count  string // … and of the key that says how often it is repeated
}

// Places are the layers of the model, in order.
func (s *Spec) Places() []Place {
	return append(s.places("self", s.Self, 0), s.places("cross", s.Cross, s.Self.Len())...)
}

// places are those of one half; before is the number of layers before it.
func (s *Spec) places(half string, stack Stack, before int) []Place {
	var ps []Place
	first := 0
	for b, block := range stack.Blocks {
		for j, layer := range block.Layers {
			p := Place{
				Layer: layer, Half: half, Stage: half + strconv.Itoa(b), Before: before,
				Repeat: block.Repeat, First: first + j, Step: len(block.Layers),
				At: half + ".stack." + strconv.Itoa(b),
			}
			p.Prefix = p.Stage
			p.Count = p.At + ".repeat"
			if len(block.Layers) > 1 {
				p.Prefix += "." + strconv.Itoa(j)
			}
			if len(block.Layers) > 1 || s.src.isLong(p.At) {
				p.At += ".layers." + strconv.Itoa(j)
			}
			if stack.alone() {
				p.Stage, p.Prefix = half, half
			}
			if stack.short(half) && !s.src.isLong(half) {
				p.At, p.Count = half, half+".layers"
			}
			p.Mixed = p.At + ".mixer"
			if p.At == "cross" {
				p.Mixed = p.At
			}
			ps = append(ps, p)
		}
		first += block.Repeat * len(block.Layers)
	}
	return ps
}

// alone reports whether all layers are equal.
func (s Stack) alone() bool { return len(s.Blocks) == 1 && len(s.Blocks[0].Layers) == 1 }

// short reports whether the short form can say what the stack is.
func (s Stack) short(half string) bool {
	if !s.alone() {
		return false
	}
	_, cross := s.Blocks[0].Layers[0].Mixer.(*CrossAttention)
	return cross == (half == "cross")
}

// State is the name of a state of the place's mixer, from what it is called where all layers are
// equal.
func (p Place) State(name string) string {
	if p.Prefix == p.Half {
		return name
	}
	return p.Prefix + "." + name
}

// A Shared is what the cross-decoder attends to.
type Shared struct {
	KVHeads, HeadDim int
	Rope             *Rope  // of keys and queries; nil for no positions
	Differential     bool   // its heads are paired
	At               string // path of what says so
}

// Shared describes the shared cache, of a spec that has one.
func (s *Spec) Shared() (c Shared, ok bool) {
	if s.Cache != nil {
		for _, p := range s.Places() {
			if m, is := p.Mixer.(*CrossAttention); is {
				return Shared{s.Cache.KVHeads, m.Width(s.Dim), s.Cache.Rope, m.Differential, "cache"}, true
			}
		}
		return c, false
	}
	for _, p := range slices.Backward(s.places("self", s.Self, 0)) {
		if m, is := p.Mixer.(*Attention); is && m.Shares {
			return Shared{m.KVHeads, m.Width(s.Dim), m.Rope, m.Differential, p.Mixed}, true
		}
		break
	}
	return c, false
}

// headDim is the width of a head: as given, or the stream's share of one.
func headDim(dim, heads, given int) int {
	if given != 0 {
		return given
	}
	return dim / max(heads, 1)
}
