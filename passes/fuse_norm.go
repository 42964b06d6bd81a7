package passes

import "github.com/yococ/yococ/ir"

// fuseNorm moves an RMSNorm, with its gain if it still has one, into the projection that is its
// only reader.
func fuseNorm(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Project) {
			attr := ir.AttrOf[ir.ProjectAttr](v)
			if attr.Eps != 0 {
				continue
			}
			weights := v.Weights[:1:1]
			n := v.Args[0]
			if g := only(f, n, ir.Gain); g != nil {
				attr.Gain = true
				weights = append(weights, g.Weights[0])
				n = g.Args[0]
			}
			if n = only(f, n, ir.RMSNorm); n == nil || len(n.Type.Shape) != 1 {
				continue
			}
			attr.Eps = ir.AttrOf[ir.RMSNormAttr](n).Eps
			args := append([]*ir.Value{n.Args[0]}, v.Args[1:]...)
			v.BecomeWith(ir.Project, attr, args, append(weights, v.Weights[1:]...), nil)
		}
	}
}
