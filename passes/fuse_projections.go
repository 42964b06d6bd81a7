package passes

import (
	"cmp"
	"slices"
	"strings"

	"github.com/yococ/yococ/ir"
)

// fuseProjections makes projections of one input one projection over the stacked rows of their
// matrices, and each of them a slice of its result.
func fuseProjections(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Project) {
			group := siblings(p, f, v)
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

// siblings are the projections that can be one with v, v the first of them: same input and
// attribute, and weights that nothing else reads.
func siblings(p *ir.Program, f *ir.Func, v *ir.Value) []*ir.Value {
	attr := ir.AttrOf[ir.ProjectAttr](v)
	if attr.Residual || attr.Act != "" || attr.Eps != 0 {
		return nil
	}
	var group []*ir.Value
	for u := range f.All(ir.Project) {
		if u.Args[0] != v.Args[0] || !sameAttr(u, v) {
			continue
		}
		for _, w := range u.Weights {
			if weightUses(p, w) > 1 {
				return nil
			}
		}
		group = append(group, u)
	}
	// Whole cache lines first: what follows them then begins on one.
	slices.SortStableFunc(group, func(a, b *ir.Value) int {
		return cmp.Compare(a.Type.Size()%16, b.Type.Size()%16)
	})
	return group
}

// stack is the weight whose rows are those of weight i of each value.
func stack(group []*ir.Value, i int) *ir.Weight {
	first := group[0].Weights[i]
	w := &ir.Weight{Layers: first.Layers, Pos: first.Pos, Type: ir.Type{Elem: first.Type.Elem, Shape: append([]int(nil), first.Type.Shape...)}}
	w.Type.Shape[0] = 0
	var names []string
	for _, v := range group {
		u := v.Weights[i]
		names = append(names, u.Name)
		w.Type.Shape[0] += u.Type.Shape[0]
		for _, src := range u.Pack.Sources {
			if src.Rows == 0 {
				src.Rows = u.Type.Shape[0]
			}
			w.Pack.Sources = append(w.Pack.Sources, src)
		}
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
	return strings.Join(append(append([]string(nil), prefix...), joined), ".") + suffix
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
