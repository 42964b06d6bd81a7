package passes

import (
	"fmt"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

// Names of the engine's states and of the objects that lay them out.
const (
	cacheName     = "cache"
	ringName      = "ring"
	retentionName = "retention"
	layoutSuffix  = "Layout"
)

// layoutStates chooses a layout for every state: the shared cache in the target's format and
// long enough for the session's context, a ring in float32 and long enough for its window. A
// retention is laid out by its RetainSpec, which comes with the routine.
func (b *planner) layoutStates() error {
	seen := map[ir.StateKind]string{}
	for _, s := range b.program.States {
		if first, ok := seen[s.Kind]; ok {
			return fmt.Errorf("state $%s: a second %v state beside $%s, want one of a kind", s.Name, s.Kind, first)
		}
		seen[s.Kind] = s.Name
		switch s.Kind {
		case ir.Shared:
			b.cacheLayout(cacheName, s, b.target.KV, plan.ContextBlocks{})
			b.plan.States = append(b.plan.States, plan.State{Name: cacheName, Kind: s.Kind, Object: cacheName + layoutSuffix})
		case ir.Ring:
			b.cacheLayout(ringName, s, ir.F32, plan.RingBlocks{Window: s.Window})
			b.plan.States = append(b.plan.States, plan.State{Name: ringName, Kind: s.Kind, Object: ringName + layoutSuffix, Layers: s.Layers, Window: s.Window})
		case ir.Carry:
			b.plan.States = append(b.plan.States, plan.State{Name: retentionName, Kind: s.Kind, Object: "retain", Layers: s.Layers})
		default:
			return fmt.Errorf("state %s: no layout for a %v", s.Name, s.Kind)
		}
	}
	return nil
}

func (b *planner) cacheLayout(name string, s *ir.State, format ir.Elem, blocks any) {
	shape := s.Parts[0].Type.Shape
	b.plan.Objects = append(b.plan.Objects, plan.Object{Name: name + layoutSuffix, Type: "CacheSpec", Fields: []plan.Field{
		{Name: "KVHeads", Value: shape[0]},
		{Name: "Dim", Value: shape[1]},
		{Name: "Format", Value: format},
		{Name: "Blocks", Value: blocks},
		{Name: "Ring", Value: s.Kind == ir.Ring},
	}})
}

// ropeObject is the object of a rotation, made at its first use.
func (b *planner) ropeObject(attr ir.RopeAttr, dim int) string {
	r := rope{attr, dim}
	if name, ok := b.ropes[r]; ok {
		return name
	}
	if b.ropes == nil {
		b.ropes = map[rope]string{}
	}
	name := "rope"
	if n := len(b.ropes); n > 0 {
		name = fmt.Sprintf("rope%d", n+1)
	}
	b.ropes[r] = name
	b.plan.Objects = append(b.plan.Objects, plan.Object{Name: name, Type: "Rope", Fields: []plan.Field{
		{Name: "Dim", Value: dim}, {Name: "Theta", Value: attr.Theta}, {Name: "Freq", Value: attr.Freq}, {Name: "Half", Value: attr.Pairing == "half-split"},
	}})
	return name
}
