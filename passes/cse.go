package passes

import (
	"slices"

	"github.com/yococ/yococ/ir"
)

// cse makes equal pure values one. Equal are two of one op, arguments, weights and attribute.
func cse(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for i := 0; i < len(f.Values); i++ {
			v := f.Values[i]
			if v.Op.Effect != ir.Pure || v.Op == ir.Param {
				continue
			}
			for _, u := range f.Values[:i] {
				if u.Op == v.Op && slices.Equal(u.Args, v.Args) && slices.Equal(u.Weights, v.Weights) && sameAttr(u, v) {
					f.ReplaceUses(v, u)
					f.Remove(v)
					i--
					break
				}
			}
		}
	}
}
