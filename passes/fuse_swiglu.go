package passes

import (
	"slices"

	"github.com/yococ/yococ/ir"
)

// fuseSwiGLU makes silu(gate)·up one operation with the matrix that computes both:
//
//	mul(silu(slice(z, 0, F)), slice(z, F, F)), z = project(x, W)  → project{swiglu}(x, W)
//
// The matrix may have up first: then its halves change places. Other gates become one operation:
//
//	mul(silu(g), x)  → swiglu(g, x)
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
				if gate == nil || gate.Args[0] != up.Args[0] || len(v.Type.Shape) != 1 {
					continue
				}
				z, n := gate.Args[0], v.Type.Size()
				if z.Op != ir.Project || z.Type.Size() != 2*n || f.Uses()[z] != 2 {
					continue
				}
				attr := ir.AttrOf[ir.ProjectAttr](z)
				if attr.Bias || attr.Residual || attr.Act != "" {
					continue
				}
				first, second := ir.AttrOf[ir.SliceAttr](gate).From, ir.AttrOf[ir.SliceAttr](up).From
				if !(first == 0 && second == n) && !(first == n && second == 0 && swapHalves(p, z.Weights[0])) {
					continue
				}
				attr.Act = "swiglu"
				v.BecomeWith(ir.Project, attr, z.Args, z.Weights, nil)
				break
			}
		}
		for v := range f.All(ir.Mul) {
			for i := range v.Args {
				if g := only(f, v.Args[i], ir.SiLU); g != nil {
					v.Become(ir.SwiGLU, nil, g.Args[0], v.Args[1-i])
					break
				}
			}
		}
	}
}

// swapHalves puts the second half of a stacked weight's rows before the first, and reports whether
// that can be: one reader, and no source in both halves.
func swapHalves(p *ir.Program, w *ir.Weight) bool {
	if weightUses(p, w) > 1 {
		return false
	}
	rows := 0
	for i, s := range w.Pack.Sources {
		if 2*rows == w.Type.Shape[0] {
			w.Pack.Sources = slices.Concat(w.Pack.Sources[i:], w.Pack.Sources[:i])
			var roles []string
			for _, s := range w.Pack.Sources {
				roles = append(roles, s.Role)
			}
			if name := joinNames(roles); p.Weight(name) == nil {
				w.Name = name
			}
			return true
		}
		rows += s.Rows
	}
	return false
}
