package build

import (
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/models"
)

// crossAttention attends to the shared cache: y = Wo attend(rope(Wq x + bq)).
func (b *builder) crossAttention(x *ir.Value, m *models.CrossAttention) *ir.Value {
	heads := b.key("heads")
	q := b.heads(b.affine(x, b.role("q"), m.Bias), heads, m.Heads)
	if m.QNorm {
		const eps = 1e-5 // whatever norm_eps is
		q = b.headNorm(q, eps, b.role("q.norm"), b.key("q_norm"))
	}
	q = b.rope(q, b.shared.Rope, b.shared.At+".rope")
	attr := ir.AttendAttr{Scale: attentionScale(b.shared.HeadDim)}
	o := b.attended(m.Differential, q, nil, nil, func(q, _, _ *ir.Value) *ir.Value {
		return b.f.Add(ir.Attend, attr, []*ir.Value{q}, nil, b.cache, b.spec.Pos(heads))
	})
	return b.affine(o, b.role("o"), m.OutBias)
}
