package passes

import (
	"slices"

	"github.com/yococ/yococ/ir"
)

// fuseNorm moves an RMSNorm, with its gain if it still has one, into the projections that read it.
// Mostly that is one; those that differ in format or bias are several, and each normalizes for itself.
func fuseNorm(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Project) {
			attr := ir.AttrOf[ir.ProjectAttr](v)
			if attr.Eps != 0 || !projected(f, v.Args[0]) {
				continue
			}
			weights := v.Weights[:1:1]
			n := v.Args[0]
			if n.Op == ir.Gain {
				attr.Gain = true
				weights = append(weights, n.Weights[0])
				if n = n.Args[0]; f.Uses()[n] != 1 {
					continue
				}
			}
			if n.Op != ir.RMSNorm || len(n.Type.Shape) != 1 {
				continue
			}
			attr.Eps = ir.AttrOf[ir.RMSNormAttr](n).Eps
			args := append([]*ir.Value{n.Args[0]}, v.Args[1:]...)
			v.BecomeWith(ir.Project, attr, args, append(weights, v.Weights[1:]...), nil)
		}
	}
}

// projected reports whether all that reads v are projections of it that do not normalize.
func projected(f *ir.Func, v *ir.Value) bool {
	return f.Result != v && !slices.ContainsFunc(users(f, v), func(u *ir.Value) bool {
		return u.Op != ir.Project || ir.AttrOf[ir.ProjectAttr](u).Eps != 0 || slices.Contains(u.Args[1:], v)
	})
}
