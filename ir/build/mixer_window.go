package build

import (
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// window is sliding-window attention, section 3.3 of the paper:
//
//	q = rope(Wq x + bq), k = rope(Wk x + bk), v = Wv x + bv, heads of q and k normed before if the spec says so
//	y = Wo softmax(q kᵀ/√hd over the last Window tokens) v
func (b *builder) window(x *ir.Value, m *models.SlidingWindow) *ir.Value {
	hd := m.Width(b.spec.Dim)
	kv := keys(m.KVHeads, hd, m.Differential)
	s := b.layered(&ir.State{
		Name: "window", Kind: ir.Ring, Window: m.Window,
		Parts: []ir.Part{{Name: "k", Type: kv}, {Name: "v", Type: kv}},
	})
	q, k, v := b.qkv(x, m.Heads, m.KVHeads, m.Bias, m.QKNorm, m.Rope)
	o := b.attended(m.Differential, q, k, v, func(q, k, v *ir.Value) *ir.Value {
		return b.f.Add(ir.AttendWindow, ir.WindowAttr{Scale: attentionScale(hd)}, []*ir.Value{q, k, v}, nil, s, b.spec.Pos(b.key("")))
	})
	return b.affine(o, b.role("o"), m.OutBias)
}
