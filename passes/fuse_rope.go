package passes

import (
	"slices"

	"github.com/yococ/yococ/ir"
)

// fuseRope moves rotations into the mixers and the cache that read them:
//
//	retain(rope(q), rope(k), v, a)  → retain{rope}(q, k, v, a), and so for a window
//	share(rope(k), v)               → share{rope}(k, v)
//	attend(rope(q))                 → attend{rope}(q)
//
// They happen there as a head is loaded, not in the epilogue of the projection: a half-split pair
// may lie in two panels of the matrix, which two workers compute.
func fuseRope(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Retain) {
			attr := ir.AttrOf[ir.RetainAttr](v)
			if args := rotate(f, v, 2, &attr.Rope); args != nil {
				v.BecomeWith(v.Op, attr, args, nil, v.State)
			}
		}
		for v := range f.All(ir.AttendWindow) {
			attr := ir.AttrOf[ir.WindowAttr](v)
			if args := rotate(f, v, 2, &attr.Rope); args != nil {
				v.BecomeWith(v.Op, attr, args, nil, v.State)
			}
		}
		for v := range f.All(ir.Share) {
			attr := ir.AttrOf[ir.ShareAttr](v)
			if args := rotate(f, v, 1, &attr.Rope); args != nil {
				v.BecomeWith(v.Op, attr, args, nil, v.State)
			}
		}
		for v := range f.All(ir.Attend) {
			attr := ir.AttrOf[ir.AttendAttr](v)
			if attr.QNorm != 0 {
				continue // it comes before the rotation
			}
			if args := rotate(f, v, 1, &attr.Rope); args != nil {
				v.BecomeWith(v.Op, attr, args, nil, v.State)
			}
		}
	}
}

// rotate sets an attribute's rotation to that which the first n arguments of v have, and returns
// v's arguments without it; nil if they have not all the same, a head at a time, for v alone.
func rotate(f *ir.Func, v *ir.Value, n int, into *ir.RopeAttr) []*ir.Value {
	if *into != (ir.RopeAttr{}) {
		return nil
	}
	head := v.State.Parts[0].Type.Shape[1]
	args := slices.Clone(v.Args)
	var ropes []ir.RopeAttr
	for i := range n {
		r := only(f, args[i], ir.Rope)
		if r == nil || r.Type.Shape[len(r.Type.Shape)-1] != head {
			return nil
		}
		ropes = append(ropes, ir.AttrOf[ir.RotateAttr](r).Rope)
		args[i] = r.Args[0]
	}
	if ropes[0] != ropes[n-1] {
		return nil
	}
	*into = ropes[0]
	return args
}
