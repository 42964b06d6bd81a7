package passes

import (
	"slices"

	"github.com/yococ/yococ/ir"
)

// fold moves constant factors off the token's path. Into a matrix goes what may be multiplied
// into it (Target.exact, and the matrix is read in one place only):
//
//	linear(gain(x, g), W)           → linear(x, W·diag(g))
//	scale(rope(linear(x, W)), c)    → rope(linear(x, cW))
//	attend(rope(linear(x, W)), s)   → attend(rope(linear(x, sW)), 1), and so for a window's queries
//	scale(embed(E), c)              → embed(cE)
//
// What may not goes into the attribute of the operation that can apply it: embed and retain.
func fold(p *ir.Program, t *Target) {
	for _, s := range p.Stages {
		f := s.Func
		for v := range f.All(ir.Gain) {
			foldGain(p, f, v, t)
		}
		for v := range f.All(ir.Scale) {
			foldScale(p, f, v, t)
		}
		for v := range f.All(ir.Retain) {
			foldKeyScale(f, v)
		}
		for v := range f.All(ir.Attend) {
			attr := ir.AttrOf[ir.AttendAttr](v)
			if attr.Scale != 1 && attr.QNorm == 0 && foldInto(p, f, v.Args[0], attr.Scale, t) {
				attr.Scale = 1
				v.BecomeWith(ir.Attend, attr, v.Args, v.Weights, v.State)
			}
		}
		for v := range f.All(ir.AttendWindow) {
			attr := ir.AttrOf[ir.WindowAttr](v)
			if attr.Scale != 1 && foldInto(p, f, v.Args[0], attr.Scale, t) {
				attr.Scale = 1
				v.BecomeWith(ir.AttendWindow, attr, v.Args, v.Weights, v.State)
			}
		}
	}
}

// foldGain multiplies a norm's gain into the columns of every linear that reads it, or of none.
func foldGain(p *ir.Program, f *ir.Func, v *ir.Value, t *Target) {
	gain := v.Weights[0]
	if f.Result == v || len(v.Type.Shape) != 1 || len(gain.Pack.Sources) != 1 || gain.Pack.Sources[0].Gain != "" {
		return
	}
	us := users(f, v)
	for _, u := range us {
		if u.Op != ir.Linear || !t.exact(u.Weights[0]) || weightUses(p, u.Weights[0]) > 1 || u.Weights[0].Layers != gain.Layers || u.Weights[0].First != gain.First || gained(u.Weights[0]) {
			return
		}
	}
	from := gain.Pack.Sources[0]
	for _, u := range us {
		w := u.Weights[0]
		for i := range w.Pack.Sources {
			w.Pack.Sources[i].Gain = from.Role
			w.Pack.Sources[i].Scale *= from.Scale
		}
		setArg(u, 0, v.Args[0])
	}
}

// gained reports whether a weight has a gain already.
func gained(w *ir.Weight) bool {
	return slices.ContainsFunc(w.Pack.Sources, func(s ir.Source) bool { return s.Gain != "" })
}

// foldScale takes a scale off the path, into a weight or into an embed.
func foldScale(p *ir.Program, f *ir.Func, v *ir.Value, t *Target) {
	by := ir.AttrOf[ir.ScaleAttr](v).By
	if foldInto(p, f, v.Args[0], by, t) {
		f.ReplaceUses(v, v.Args[0])
		f.Remove(v)
		return
	}
	if e := only(f, v.Args[0], ir.Embed); e != nil && by > 0 && ir.AttrOf[ir.EmbedAttr](e).Scale == 0 {
		e.BecomeWith(ir.Embed, ir.EmbedAttr{Scale: by}, nil, e.Weights, nil)
		f.ReplaceUses(v, e)
		f.Remove(v)
	}
}

// foldInto multiplies the weights that make v by a factor. It follows what commutes with a factor
// (reshape, rope, bias, gain) down to the weights that carry it.
func foldInto(p *ir.Program, f *ir.Func, v *ir.Value, by float64, t *Target) bool {
	var biases []*ir.Weight
	for ; ; v = v.Args[0] {
		if f.Uses()[v] != 1 {
			return false
		}
		switch v.Op {
		case ir.Reshape, ir.Rope:
			continue
		case ir.Bias:
			biases = append(biases, v.Weights[0])
			continue
		case ir.Gain: // a vector, float32 in every format
			return scaleWeights(p, by, append(biases, v.Weights[0]))
		case ir.Linear, ir.Embed:
			return t.exact(v.Weights[0]) && scaleWeights(p, by, append(biases, v.Weights[0]))
		}
		return false
	}
}

// scaleWeights multiplies weights by a factor, all of them or none.
func scaleWeights(p *ir.Program, by float64, ws []*ir.Weight) bool {
	for _, w := range ws {
		if weightUses(p, w) > 1 {
			return false
		}
	}
	for _, w := range ws {
		for i := range w.Pack.Sources {
			w.Pack.Sources[i].Scale *= by
		}
	}
	return true
}

// foldKeyScale gives a retention the factor of its keys: rope and factor commute.
func foldKeyScale(f *ir.Func, v *ir.Value) {
	attr := ir.AttrOf[ir.RetainAttr](v)
	if attr.KScale != 0 {
		return
	}
	if s := only(f, v.Args[1], ir.Scale); s != nil && ir.AttrOf[ir.ScaleAttr](s).By > 0 {
		attr.KScale = ir.AttrOf[ir.ScaleAttr](s).By
		args := slices.Clone(v.Args)
		args[1] = s.Args[0]
		v.BecomeWith(ir.Retain, attr, args, nil, v.State)
	}
}
