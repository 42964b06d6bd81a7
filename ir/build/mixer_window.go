package build

import (
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// window is sliding-window attention, section 3.3 of the paper:
//
//	q = rope(Wq x + bq), k = rope(Wk x + bk), v = Wv x + bv
//	y = Wo softmax(q kᵀ/√hd over the last Window tokens) v
func (b *builder) window(x *ir.Value, m *models.SlidingWindow) *ir.Value {
	heads, kvHeads, rope := b.key("heads"), b.key("kv_heads"), b.key("rope")
	hd := m.Width(b.spec.Dim)
	kv := ir.Of(m.KVHeads, hd)
	s := b.layered(&ir.State{
		Name: "window", Kind: ir.Ring, Window: m.Window,
		Parts: []ir.Part{{Name: "k", Type: kv}, {Name: "v", Type: kv}},
	})

	q := b.affine(x, b.role("q"), m.Bias)
	q = b.rope(b.heads(q, heads, m.Heads), m.Rope, rope)
	k := b.affine(x, b.role("k"), m.Bias)
	k = b.rope(b.heads(k, kvHeads, m.KVHeads), m.Rope, rope)
	v := b.affine(x, b.role("v"), m.Bias)
	v = b.heads(v, kvHeads, m.KVHeads)
	o := b.f.Add(ir.AttendWindow, ir.WindowAttr{Scale: attentionScale(hd)}, []*ir.Value{q, k, v}, nil, s, b.spec.Pos(b.key("")))
	return b.affine(o, b.role("o"), m.OutBias)
}
