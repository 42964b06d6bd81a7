package passes

import (
	"fmt"
	"slices"

	"github.com/yococ/yococ/ir"
)

// formats checks that the element types are such that there are routines for them.
func (t *Target) formats() error {
	known := []ir.Elem{ir.F32, ir.BF16, ir.Q8, ir.Q4}
	all := []ir.Elem{t.Weights}
	for _, p := range t.Precision {
		all = append(all, p.Elem)
	}
	for _, w := range all {
		if !slices.Contains(known, w) {
			return fmt.Errorf("weights in %v, want f32, bf16, q8 or q4", w)
		}
	}
	quantized := slices.ContainsFunc(all, ir.Elem.Quantized)
	switch a := t.Activations; {
	case a != ir.F32 && a != ir.BF16 && a != ir.Q8:
		return fmt.Errorf("activations in %v, want f32, bf16 or q8", a)
	case quantized && a != ir.Q8:
		return fmt.Errorf("activations in %v, and weights in q8 or q4, which multiply q8 activations alone", a)
	case !quantized && a == ir.Q8:
		return fmt.Errorf("activations in q8, and no weights in q8 or q4 that multiply them")
	case a == ir.BF16 && !slices.Contains(all, ir.BF16):
		return fmt.Errorf("activations in bf16, and no weights in bf16 that multiply them")
	}
	if kv := t.KV; !slices.Contains(known, kv) {
		return fmt.Errorf("cache in %v, want f32, bf16, q8 or q4", kv)
	}
	return nil
}
