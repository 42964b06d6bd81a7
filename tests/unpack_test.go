package tests

import (
	"math"
	"slices"
	"testing"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/weights"
)

// packedValues gives the values of a packed file.
func packedValues(t *testing.T, p *plan.Plan, path string) func(w *ir.Weight, layer int) ([]float64, error) {
	f, err := weights.Open(path, p.Fingerprint(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return func(w *ir.Weight, layer int) ([]float64, error) {
		pw := p.Weight(w.Name)
		if pw.Alias != "" {
			pw = p.Weight(pw.Alias)
		}
		ts := pw.Tensors()
		tensor := ts[slices.IndexFunc(ts, func(t plan.Tensor) bool { return layer < t.First+max(t.Layers, 1) })]
		data := f.Data(tensor.Name)
		n := len(data) / max(tensor.Layers, 1)
		return unpack(tensor, data[(max(layer, 0)-tensor.First)*n:][:n]), nil
	}
}

// unpack are the values of one layer of a tensor, row-major.
func unpack(t plan.Tensor, data []byte) []float64 {
	w := t.Weight
	f32 := make([]float32, len(data)/4)
	bf16 := make([]uint16, len(data)/2)
	for i := range f32 {
		f32[i] = math.Float32frombits(uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 | uint32(data[4*i+3])<<24)
	}
	for i := range bf16 {
		bf16[i] = uint16(data[2*i]) | uint16(data[2*i+1])<<8
	}
	var values []float64
	add := func(row []float32) {
		for _, x := range row {
			values = append(values, float64(x))
		}
	}
	if w.Form == plan.Vector { // columns, one behind the other
		row := make([]float32, w.K)
		for n := range w.N {
			for k := range row {
				row[k] = f32[k*(len(f32)/w.K)+n]
			}
			add(row)
		}
		return values
	}
	m := kernel.Matrix{N: w.Outputs(), K: w.K}
	table := kernel.Table{Vocab: w.N, Dim: w.K}
	switch t.Elem {
	case ir.F32:
		m.F32, table.F32 = f32, f32
	case ir.BF16:
		m.BF16, table.BF16 = bf16, bf16
	case ir.Q8:
		m.Q8, table.Q8 = data, data
	case ir.Q4:
		m.Q4 = data
	}
	row := make([]float32, w.K)
	for n := range w.N {
		if w.Form == plan.Table {
			kernel.Embed(&kernel.Worker{N: 1, Set: kernel.Portable{}}, kernel.Rows{Data: row, Stride: w.K}, &table, []int32{int32(n)}, 1)
		} else {
			at := n
			if w.Half > 0 { // panels of 32 of the first half and 32 of the second
				half, r := n/w.Half, n%w.Half
				at = r/32*64 + half*32 + r%32
			}
			m.CopyRow(row, at)
		}
		add(row)
	}
	return values
}
