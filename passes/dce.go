package passes

import (
	"slices"

	"github.com/yococ/yococ/ir"
)

// dce drops what nothing uses. The runner does the same after every pass, since the verifier
// refuses dead values; as a pass it drops what building left.
func dce(p *ir.Program, _ *Target) {
	for _, s := range p.Stages {
		sweep(s.Func)
	}
	gather(p)
}

// sweep drops the pure values of f that nothing uses, last first.
func sweep(f *ir.Func) {
	for i := len(f.Values) - 1; i >= 0; i-- {
		v := f.Values[i]
		if v.Op.Effect != ir.Writes && v != f.Param && f.Uses()[v] == 0 {
			f.Remove(v)
		}
	}
}

// gather makes the program's weights those that some value uses, in the order of their first use.
func gather(p *ir.Program) {
	var ws []*ir.Weight
	for _, s := range p.Stages {
		for _, v := range s.Func.Values {
			for _, w := range v.Weights {
				if !slices.Contains(ws, w) {
					ws = append(ws, w)
				}
			}
		}
	}
	p.Weights = ws
}
