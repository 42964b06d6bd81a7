package passes

import (
	"fmt"
	"strings"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
)

func init() {
	selectors[ir.HeadNorm] = (*planner).headNorm
}

// headNorm is a norm over each head that no attention has in its own loading of heads.
func (b *planner) headNorm(_ *ir.Func, v *ir.Value) error {
	gain, field := b.weight(v.Weights[0], plan.Vector, 0), b.field(v.Weights[0].Name)
	x := b.arg(v, 0)
	dst := b.slot(v, field+"ed", v.Type.Size())
	b.step(v, plan.NormHeads, fmt.Sprintf("%s = rmsnorm(%s) ∘ p.%s, for every head", dst.Slot, strings.TrimSuffix(field, "Norm"), field),
		dst, x, plan.WeightArg(gain), plan.IntArg(v.Type.Shape[0]), plan.IntArg(v.Type.Shape[1]), plan.FloatArg(ir.AttrOf[ir.RMSNormAttr](v).Eps), plan.NameArg("rows"))
	return nil
}
