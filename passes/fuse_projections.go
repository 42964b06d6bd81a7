package passes

import (
	"cmp"
	"slices"
	"strings"

	"github.com/yococ/yococ/ir"
)

// fuseProjections makes projections of one input one projection over the stacked rows of their
// matrices, and each of them a slice of its result.
func fuseProjections(p *ir.Program, t *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Project) {
			group := siblings(p, f, v, t)
			if len(group) < 2 {
				continue
			}
			attr := ir.AttrOf[ir.ProjectAttr](v)
			weights := []*ir.Weight{stack(group, 0)}
			if attr.Bias {
				weights = append(weights, stack(group, 1))
			}
			all := f.InsertBefore(v, ir.Project, attr, v.Args, weights, nil, v.Pos)
			from := 0
			for _, u := range group {
				u.Become(ir.Slice, ir.SliceAttr{From: from, Shape: u.Type.Shape}, all)
				from += u.Type.Size()
			}
			hoist(f, all, group)
		}
	}
}

// siblings are the projections that can be one with v, v among them: same input and attribute,
// and weights of the same layers and formats that nothing else reads.
func siblings(p *ir.Program, f *ir.Func, v *ir.Value, t *Target) []*ir.Value {
	attr := ir.AttrOf[ir.ProjectAttr](v)
	if attr.Residual || attr.Act != "" || attr.Eps != 0 || !owned(p, v) {
		return nil
	}
	var group []*ir.Value
	for u := range f.All(ir.Project) {
		if u.Args[0] == v.Args[0] && sameAttr(u, v) && owned(p, u) && sameLayers(u, v) &&
			slices.Equal(t.elems(u.Weights[0]), t.elems(v.Weights[0])) {
			group = append(group, u)
		}
	}
	// Whole cache lines first: what follows them then begins on one.
	slices.SortStableFunc(group, func(a, b *ir.Value) int {
		return cmp.Compare(min(a.Type.Size()%16, 1), min(b.Type.Size()%16, 1))
	})
	return group
}

// owned reports whether v is the only reader of its weights.
func owned(p *ir.Program, v *ir.Value) bool {
	return !slices.ContainsFunc(v.Weights, func(w *ir.Weight) bool { return weightUses(p, w) > 1 })
}

// sameLayers reports whether the weights of u and v, as many, can be stacked one by one.
func sameLayers(u, v *ir.Value) bool {
	return slices.EqualFunc(u.Weights, v.Weights, func(a, b *ir.Weight) bool {
		return a.Layers == b.Layers && a.First == b.First && a.Type.Elem == b.Type.Elem
	})
}

// stack is the weight whose rows are those of weight i of each value.
func stack(group []*ir.Value, i int) *ir.Weight {
	first := group[0].Weights[i]
	w := &ir.Weight{Layers: first.Layers, First: first.First, Pos: first.Pos, Type: ir.Type{Elem: first.Type.Elem, Shape: slices.Clone(first.Type.Shape)}}
	w.Type.Shape[0] = 0
	var names []string
	for _, v := range group {
		u := v.Weights[i]
		names = append(names, u.Name)
		w.Type.Shape[0] += u.Type.Shape[0]
		w.Pack.Sources = append(w.Pack.Sources, sources(u)...)
	}
	w.Name = joinNames(names)
	return w
}

// joinNames names a stack: the common prefix, then the parts in camel case.
// self.q self.k self.decay → self.qkDecay; cross.ffn.gate cross.ffn.up → cross.ffn.gateUp.
func joinNames(names []string) string {
	parts := make([][]string, len(names))
	for i, n := range names {
		parts[i] = strings.Split(n, ".")
	}
	prefix := parts[0][:len(parts[0])-1]
	for _, p := range parts[1:] {
		n := 0
		for n < len(prefix) && n < len(p)-1 && prefix[n] == p[n] {
			n++
		}
		prefix = prefix[:n]
	}
	joined, suffix := "", ""
	letters := true // q, k and v run together: qkv
	for i, p := range parts {
		rest := p[len(prefix):]
		if rest[len(rest)-1] == "bias" {
			suffix, rest = ".bias", rest[:len(rest)-1]
		}
		word := strings.Join(rest, "")
		if i > 0 && (len(word) > 1 || !letters) {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		letters = letters && len(word) == 1
		joined += word
	}
	return strings.Join(append(slices.Clone(prefix), joined), ".") + suffix
}

// hoist moves slices right behind the value that they are parts of.
func hoist(f *ir.Func, all *ir.Value, parts []*ir.Value) {
	rest := f.Values[:0:0]
	for _, v := range f.Values {
		if !slices.Contains(parts, v) {
			rest = append(rest, v)
		}
		if v == all {
			rest = append(rest, parts...)
		}
	}
	f.Values = rest
}
