package passes

import "github.com/yococ/yococ/ir"

// fuseRope moves rotations into the mixers and the cache that read them. They happen there as a
// head is loaded, not in the epilogue of the projection: a half-split pair may lie in two panels
// of the matrix, which two workers compute.
func fuseRope(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Retain) {
			attr := ir.AttrOf[ir.RetainAttr](v)
			q, k := only(f, v.Args[0], ir.Rope), only(f, v.Args[1], ir.Rope)
			if attr.Rope == (ir.RopeAttr{}) && q != nil && k != nil && sameAttr(q, k) {
				attr.Rope = ir.AttrOf[ir.RotateAttr](q).Rope
				rotateArgs(f, v, attr, q, k)
			}
		}
		for v := range f.All(ir.AttendWindow) {
			attr := ir.AttrOf[ir.WindowAttr](v)
			q, k := only(f, v.Args[0], ir.Rope), only(f, v.Args[1], ir.Rope)
			if attr.Rope == (ir.RopeAttr{}) && q != nil && k != nil && sameAttr(q, k) {
				attr.Rope = ir.AttrOf[ir.RotateAttr](q).Rope
				rotateArgs(f, v, attr, q, k)
			}
		}
		for v := range f.All(ir.Share) {
			attr := ir.AttrOf[ir.ShareAttr](v)
			if k := only(f, v.Args[0], ir.Rope); attr.Rope == (ir.RopeAttr{}) && k != nil {
				attr.Rope = ir.AttrOf[ir.RotateAttr](k).Rope
				rotateArgs(f, v, attr, k)
			}
		}
		for v := range f.All(ir.Attend) {
			attr := ir.AttrOf[ir.AttendAttr](v)
			if q := only(f, v.Args[0], ir.Rope); attr.Rope == (ir.RopeAttr{}) && attr.QNorm == 0 && q != nil {
				attr.Rope = ir.AttrOf[ir.RotateAttr](q).Rope
				rotateArgs(f, v, attr, q)
			}
		}
	}
}

// rotateArgs gives v an attribute that rotates, and the leading arguments as they were before ropes.
func rotateArgs(f *ir.Func, v *ir.Value, attr any, ropes ...*ir.Value) {
	args := append([]*ir.Value(nil), v.Args...)
	for i, r := range ropes {
		args[i] = r.Args[0]
	}
	v.BecomeWith(v.Op, attr, args, v.Weights, v.State)
}
