package build

import "github.com/yococ/yococ/ir"

// Differential attention (see ir/op_differential.go): pairs of neighbouring heads are one that is twice as wide,
// whose queries are zero where the other key of the pair lies.

// keys is the type of a token's keys, and of its values, in a cache of so many heads.
func keys(heads, hd int, differential bool) ir.Type {
	if differential {
		return ir.Of(heads/2, 2*hd)
	}
	return ir.Of(heads, hd)
}

// pair gives keys or values in heads to the heads of a cache of pairs.
func (b *builder) pair(x *ir.Value) *ir.Value {
	return b.heads(x, b.key("differential"), x.Type.Shape[0]/2)
}

// stripe puts queries where their keys are in a pair.
func (b *builder) stripe(q *ir.Value) *ir.Value {
	return b.op(ir.Stripe, b.key("differential"), ir.StripeAttr{Places: 2}, q)
}

// differ is the normed difference of neighbouring heads' results o.
func (b *builder) differ(o *ir.Value) *ir.Value {
	const eps = 1e-5 // whatever norm_eps is
	attr := ir.DifferAttr{Eps: eps, Depth: b.place.Before + b.place.First, Step: b.place.Step}
	var ws []*ir.Weight
	for _, name := range []string{"lambda.q1", "lambda.k1", "lambda.q2", "lambda.k2", "pair.norm"} {
		ws = append(ws, b.weight(b.role(name)))
	}
	return b.f.Add(ir.Differ, attr, []*ir.Value{o}, ws, nil, b.spec.Pos(b.key("differential")))
}

// attended is attention whose heads are as they are, or paired: q, k and v are in heads, attend is given what the
// state holds and returns what it says.
func (b *builder) attended(differential bool, q, k, v *ir.Value, attend func(q, k, v *ir.Value) *ir.Value) *ir.Value {
	if !differential {
		return attend(q, k, v)
	}
	if k != nil {
		k, v = b.pair(k), b.pair(v)
	}
	return b.differ(attend(b.stripe(q), k, v))
}
