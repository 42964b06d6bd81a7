package passes

import "github.com/yococ/yococ/ir"

// fuseBias makes every linear a project, with the bias that follows it if there is one.
func fuseBias(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Bias) {
			if l := only(f, v.Args[0], ir.Linear); l != nil {
				v.BecomeWith(ir.Project, ir.ProjectAttr{Bias: true}, l.Args, []*ir.Weight{l.Weights[0], v.Weights[0]}, nil)
			}
		}
		sweep(f)
		for v := range f.All(ir.Linear) {
			v.BecomeWith(ir.Project, ir.ProjectAttr{}, v.Args, v.Weights, nil)
		}
	}
}
