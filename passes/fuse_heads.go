package passes

import (
	"slices"

	"github.com/yococ/yococ/ir"
)

// fuseHeads moves what is done head by head around a mixer into it:
//
//	retain(q, k, v, scale(logsigmoid(a), 1/n))      → retain{normalizer=n}(q, k, v, a)
//	mul(silu(g), rmsnorm(retain(…)))                → retain{gate}(…, g)
//	attend{rope}(gain(rmsnorm(q), w))               → attend{qnorm, rope}(q, w)
//	scan(v, softplus(d), b, c)                      → scan{softplus}(v, d, b, c)
//	gain(rmsnorm(x), w), over heads of x, elsewhere → headnorm(x, w)
func fuseHeads(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Retain) {
			fuseDecay(f, v)
		}
		for v := range f.All(ir.Mul) {
			fuseGate(f, v)
		}
		for v := range f.All(ir.Attend) {
			fuseQueryNorm(f, v)
		}
		for v := range f.All(ir.Scan) {
			fuseStep(f, v)
		}
		for v := range f.All(ir.Gain) {
			fuseHeadNorm(f, v)
		}
		flatten(f)
	}
}

// fuseDecay looks in front of a retention for the decay's logsigmoid, with or without a factor.
func fuseDecay(f *ir.Func, v *ir.Value) {
	attr := ir.AttrOf[ir.RetainAttr](v)
	a := v.Args[3]
	if attr.Normalizer != 0 {
		return
	}
	normalizer := 1.0
	if s := only(f, a, ir.Scale); s != nil {
		normalizer = 1 / ir.AttrOf[ir.ScaleAttr](s).By
		a = s.Args[0]
	}
	if l := only(f, a, ir.LogSigmoid); l != nil && normalizer > 0 {
		attr.Normalizer = normalizer
		args := slices.Clone(v.Args)
		args[3] = l.Args[0]
		v.BecomeWith(ir.Retain, attr, args, nil, v.State)
	}
}

// fuseStep looks in front of a scan for the softplus of its steps.
func fuseStep(f *ir.Func, v *ir.Value) {
	if d := only(f, v.Args[1], ir.Softplus); d != nil && !ir.AttrOf[ir.ScanAttr](v).Softplus {
		args := slices.Clone(v.Args)
		args[1] = d.Args[0]
		v.BecomeWith(ir.Scan, ir.ScanAttr{Softplus: true}, args, v.Weights, v.State)
	}
}

// fuseGate looks at a product for silu(g) and a head norm of a retention, in either order.
func fuseGate(f *ir.Func, v *ir.Value) {
	for i := range v.Args {
		g, n := only(f, through(f, v.Args[i]), ir.SiLU), only(f, through(f, v.Args[1-i]), ir.RMSNorm)
		if g == nil || n == nil {
			continue
		}
		r := only(f, n.Args[0], ir.Retain)
		if r == nil || !inHeads(g.Args[0].Type, r.Type) {
			continue
		}
		attr := ir.AttrOf[ir.RetainAttr](r)
		if attr.Gate {
			continue
		}
		attr.Gate, attr.Eps = true, ir.AttrOf[ir.RMSNormAttr](n).Eps
		args := append(slices.Clone(r.Args), g.Args[0])
		// g may be computed after the retention: the gated one stands where the product stood.
		gated := f.InsertBefore(v, ir.Retain, attr, args, nil, r.State, r.Pos)
		if !gated.Type.Equal(v.Type) {
			gated = f.InsertBefore(v, ir.Reshape, ir.ReshapeAttr{Shape: v.Type.Shape}, []*ir.Value{gated}, nil, nil, v.Pos)
		}
		f.ReplaceUses(v, gated)
		drop(f, v)
		return
	}
}

// drop removes v and what only it used, a retention that has been replaced included.
func drop(f *ir.Func, v *ir.Value) {
	args := v.Args
	f.Remove(v)
	for _, a := range args {
		if f.Uses()[a] == 0 && a != f.Param && (a.Op.Effect == ir.Pure || a.Op == ir.Retain) {
			drop(f, a)
		}
	}
}

// fuseQueryNorm looks in front of an attention for a norm over each query head and its gain.
func fuseQueryNorm(f *ir.Func, v *ir.Value) {
	attr := ir.AttrOf[ir.AttendAttr](v)
	g := only(f, v.Args[0], ir.Gain)
	if attr.QNorm != 0 || g == nil || len(g.Type.Shape) != 2 {
		return // a norm over the whole row is not one a head
	}
	if n := only(f, g.Args[0], ir.RMSNorm); n != nil {
		attr.QNorm = ir.AttrOf[ir.RMSNormAttr](n).Eps
		v.BecomeWith(ir.Attend, attr, []*ir.Value{n.Args[0]}, g.Weights, v.State)
	}
}

// fuseHeadNorm makes one value of a norm over each head and its gain.
func fuseHeadNorm(f *ir.Func, v *ir.Value) {
	n := only(f, v.Args[0], ir.RMSNorm)
	if n == nil || len(v.Type.Shape) != 2 {
		return
	}
	x := n.Args[0]
	if flat := through(f, x); inHeads(flat.Type, v.Type) {
		x = flat
	}
	v.BecomeWith(ir.HeadNorm, n.Attr, []*ir.Value{x}, v.Weights, nil)
}

// inHeads reports whether a row of type t can stand for one of type heads [n d]: as it is, or flat.
func inHeads(t, heads ir.Type) bool {
	return t.Equal(heads) || len(t.Shape) == 1 && t.Size() == heads.Size()
}

// flatten takes reshapes away in front of operations that read a flat row as well.
func flatten(f *ir.Func) {
	for _, v := range f.Values {
		for i, a := range v.Args {
			if a.Op != ir.Reshape {
				continue
			}
			switch {
			case v.Op.Effect != ir.Pure: // a mixer
				if len(a.Args[0].Type.Shape) == 1 {
					setArg(v, i, a.Args[0])
				}
			case v.Op == ir.Linear, v.Op == ir.Project:
				if i == 0 { // the second is the residual
					setArg(v, i, a.Args[0])
				}
			}
		}
	}
}
