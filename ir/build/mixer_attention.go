package build

import (
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// attention is causal attention to all tokens so far:
//
//	q = rope(Wq x + bq), k = rope(Wk x + bk), v = Wv x + bv, heads of q and k normed before if the spec says so
//	K, V: the rows k, v of all tokens, in the layer's own cache or in the shared one
//	y = Wo softmax(q Kᵀ/√hd) V + bo
func (b *builder) attention(x *ir.Value, m *models.Attention) *ir.Value {
	hd := m.Width(b.spec.Dim)
	s := b.cache
	if !m.Shares {
		kv := keys(m.KVHeads, hd, m.Differential)
		s = b.layered(&ir.State{Name: "attention", Kind: ir.Grow, Parts: []ir.Part{{Name: "k", Type: kv}, {Name: "v", Type: kv}}})
	}
	q, k, v := b.qkv(x, m.Heads, m.KVHeads, m.Bias, m.QKNorm, m.Rope)
	o := b.attended(m.Differential, q, k, v, func(q, k, v *ir.Value) *ir.Value {
		b.f.Add(ir.Share, nil, []*ir.Value{k, v}, nil, s, b.spec.Pos(b.key("")))
		return b.f.Add(ir.Attend, ir.AttendAttr{Scale: attentionScale(hd)}, []*ir.Value{q}, nil, s, b.spec.Pos(b.key("")))
	})
	return b.affine(o, b.role("o"), m.OutBias)
}

// qkv are the queries, keys and values of attention in heads, as attention compares them.
func (b *builder) qkv(x *ir.Value, heads, kvHeads int, bias, norm bool, rope *models.Rope) (q, k, v *ir.Value) {
	project := func(name, key string, n int) *ir.Value {
		y := b.heads(b.affine(x, b.role(name), bias), b.key(key), n)
		if norm {
			y = b.headNorm(y, b.spec.NormEps, b.role(name+".norm"), b.key("qk_norm"))
		}
		return b.rope(y, rope, b.key("rope"))
	}
	q = project("q", "heads", heads)
	k = project("k", "kv_heads", kvHeads)
	v = b.heads(b.affine(x, b.role("v"), bias), b.key("kv_heads"), kvHeads)
	return q, k, v
}
