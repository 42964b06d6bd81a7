package passes

import "github.com/yococ/yococ/ir"

// fuseResidual adds a projection to its residual in the projection itself.
func fuseResidual(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Add) {
			for i := range v.Args {
				y := only(f, v.Args[i], ir.Project)
				if y == nil {
					continue
				}
				attr := ir.AttrOf[ir.ProjectAttr](y)
				if attr.Residual || attr.Act != "" {
					continue
				}
				attr.Residual = true
				v.BecomeWith(ir.Project, attr, []*ir.Value{y.Args[0], v.Args[1-i]}, y.Weights, nil)
				break
			}
		}
	}
}
