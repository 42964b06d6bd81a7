package passes

import "github.com/yococ/yococ/ir"

// fuseSwiGLU makes silu(gate)·up one operation with the matrix that computes both:
//
//	mul(silu(slice(z, 0, F)), slice(z, F, F)), z = project(x, W)  → project{swiglu}(x, W)
func fuseSwiGLU(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Mul) {
			for i := range v.Args {
				silu, up := only(f, v.Args[i], ir.SiLU), only(f, v.Args[1-i], ir.Slice)
				if silu == nil || up == nil {
					continue
				}
				gate := only(f, silu.Args[0], ir.Slice)
				if gate == nil || gate.Args[0] != up.Args[0] {
					continue
				}
				z, n := gate.Args[0], v.Type.Size()
				if z.Op != ir.Project || z.Type.Size() != 2*n || f.Uses()[z] != 2 ||
					ir.AttrOf[ir.SliceAttr](gate).From != 0 || ir.AttrOf[ir.SliceAttr](up).From != n {
					continue
				}
				attr := ir.AttrOf[ir.ProjectAttr](z)
				if attr.Bias || attr.Residual || attr.Act != "" {
					continue
				}
				attr.Act = "swiglu"
				v.BecomeWith(ir.Project, attr, z.Args, z.Weights, nil)
				break
			}
		}
	}
}
