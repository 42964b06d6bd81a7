package build

import (
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// window is sliding-window attention, section 3.3 of the paper:
//
//	q = rope(Wq x + bq), k = rope(Wk x + bk), v = Wv x + bv
//	y = softmax(q kᵀ/√hd over the last Window tokens) v
func (b *builder) window(x *ir.Value, m *models.SlidingWindow) *ir.Value {
	const at, heads, kvHeads, rope = "self.mixer", "self.mixer.heads", "self.mixer.kv_heads", "self.mixer.rope"
	hd := b.spec.Dim / m.Heads
	kv := ir.Of(m.KVHeads, hd)
	s := b.state(&ir.State{
		Name: "window", Kind: ir.Ring, Layers: b.layers, Window: m.Window,
		Parts: []ir.Part{{Name: "k", Type: kv}, {Name: "v", Type: kv}},
	})

	q := b.affine(x, "self.q", m.Bias)
	q = b.rope(b.heads(q, heads, m.Heads), m.Rope, rope)
	k := b.affine(x, "self.k", m.Bias)
	k = b.rope(b.heads(k, kvHeads, m.KVHeads), m.Rope, rope)
	v := b.affine(x, "self.v", m.Bias)
	v = b.heads(v, kvHeads, m.KVHeads)
	return b.f.Add(ir.AttendWindow, ir.WindowAttr{Scale: attentionScale(hd)}, []*ir.Value{q, k, v}, nil, s, b.spec.Pos(at))
}
