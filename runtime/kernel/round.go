package kernel

import (
	"fmt"
	"unsafe"
)

// RoundedWidth is the floats that hold a row of k activations in bfloat16, which machines multiply by the
// pair; such rows lie in memory that is planned as rows of floats.
func RoundedWidth(k int) int { return (k + 1) / 2 }

// rounded are rows of activations in bfloat16, an odd one filled up with a zero.
type rounded struct {
	x      []uint16
	stride int
}

// viewRounded is rounded rows of k inputs kept in rows, RoundedWidth(k) wide at least.
func viewRounded(rows Rows, k int) rounded {
	if rows.Stride < RoundedWidth(k) {
		panic(fmt.Sprintf("BUG: rounded rows of %d inputs in %d floats, want %d", k, rows.Stride, RoundedWidth(k)))
	}
	at := unsafe.Pointer(unsafe.SliceData(rows.Data))
	return rounded{unsafe.Slice((*uint16)(at), 2*len(rows.Data)), 2 * rows.Stride}
}

// narrowRow rounds x as row r.
func (h rounded) narrowRow(set Set, r int, x []float32) {
	set.RoundRow(h.x[r*h.stride:][:roundUp(len(x), 2)], x)
}
