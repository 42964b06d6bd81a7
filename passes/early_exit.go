package passes

import "github.com/yococ/yococ/ir"

// earlyExit lowers a stage to the last row where it proves that no other row of it is ever read.
//
// Demand runs backwards. The last stage has to give the rows that the entry wants. In a stage that
// writes no state and whose operations all look at their own row, or at their own row and a state
// that others wrote, row t of the result needs row t of the input alone; so the stage's input is
// demanded for the rows of its result, and other rows are needed by nobody. A stage that writes a
// state needs every row: later tokens read what it writes.
func earlyExit(p *ir.Program, _ *Target) {
	for _, e := range p.Entries {
		demand := e.Want
		for i := len(p.Stages) - 1; i >= 0; i-- {
			if !rowLocal(p.Stages[i].Func) {
				demand = ir.All
			}
			e.Rows[i] = demand
		}
	}
}

// rowLocal reports whether row t of f's result needs no other row of its parameter.
func rowLocal(f *ir.Func) bool {
	for _, v := range f.Values {
		if v.Op.Effect == ir.Writes || v.Op.Locality == ir.Prefix {
			return false
		}
	}
	return true
}
