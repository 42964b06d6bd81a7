package pack

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/weights"
)

// sample has a weight of every form: stacked and folded sources, interleaved halves with a ragged
// last group, an odd K, a K of more than one block, layers in several formats, vectors, a table and
// another view of a tensor.
func sample(elem ir.Elem) *plan.Plan {
	table := elem
	if elem == ir.Q4 {
		table = ir.Q8
	}
	return &plan.Plan{Package: "sample", Weights: []plan.Weight{
		{Name: "embed", Form: plan.Table, Elem: table, N: 37, K: 24, Sources: []ir.Source{{Role: "embed", Scale: 1, Rows: 37}}},
		{Name: "down", Form: plan.Matrix, Elem: elem, N: 33, K: 300, Sources: []ir.Source{{Role: "down", Scale: 1, Gain: "norm", Rows: 33}}},
		{Name: "o", Form: plan.Matrix, Elems: []ir.Elem{ir.BF16, elem, elem, ir.F32}, N: 5, K: 40, Layers: 4, Sources: []ir.Source{{Role: "o", Scale: 1, Rows: 5}}},
		{Name: "qkv", Form: plan.Matrix, Elem: elem, N: 150, K: 25, Layers: 3, Sources: []ir.Source{
			{Role: "q", Scale: 0.125, Gain: "norm", Rows: 70}, {Role: "k", Scale: 1, Gain: "norm", Rows: 70}, {Role: "v", Scale: 0.3, Rows: 10},
		}},
		{Name: "gateUp", Form: plan.Matrix, Elem: elem, N: 2 * 45, K: 25, Half: 45, Layers: 2, Sources: []ir.Source{
			{Role: "gate", Scale: 1, Rows: 45}, {Role: "up", Scale: 1, Rows: 45},
		}},
		{Name: "norm", Form: plan.Vector, N: 25, K: 1, Layers: 3, Sources: []ir.Source{{Role: "norm", Scale: 1, Rows: 25}}},
		{Name: "bias", Form: plan.Vector, N: 20, K: 1, Sources: []ir.Source{{Role: "k.bias", Scale: 2, Rows: 12}, {Role: "v.bias", Scale: 1, Rows: 8}}},
		{Name: "last", Form: plan.Matrix, Elem: elem, N: 20, K: 24, Layers: 1, First: 2, Sources: []ir.Source{{Role: "late", Scale: 1, Rows: 20, Gain: "norm"}}},
		{Name: "conv", Form: plan.Vector, N: 19, K: 4, Layers: 2, Sources: []ir.Source{{Role: "conv", Scale: 1, Rows: 19}}},
		{Name: "view", Form: plan.Matrix, Elem: elem, N: 37, K: 24, Alias: "embed"},
	}}
}

// write packs p and opens the result.
func packed(t *testing.T, p *plan.Plan, src Source) *weights.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := Write(context.Background(), p, src, path, nil); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path, p.Fingerprint(), Entries(p))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// want is element (row, col) of a weight by its definition, in exact arithmetic.
func want(w *plan.Weight, elem ir.Elem, src Source, layer, row, col int) float64 {
	if layer >= 0 {
		layer += w.First
	}
	read := func(role string, k, at int) float64 {
		var x [1]float32
		src.Read(x[:], role, layer, k, at)
		return float64(x[0])
	}
	for _, s := range w.Sources {
		if row >= s.Rows {
			row -= s.Rows
			continue
		}
		x := new(big.Float).SetPrec(200).SetFloat64(read(s.Role, w.K, row*w.K+col))
		x.Mul(x, big.NewFloat(s.Scale))
		if s.Gain != "" {
			x.Mul(x, big.NewFloat(read(s.Gain, 1, col)))
		}
		if elem == ir.BF16 {
			y, _ := x.Float64()
			return float64(nearestBF16(y))
		}
		y, _ := x.Float32()
		return float64(y)
	}
	panic("no such row")
}

// nearestBF16 is the bfloat16 nearest to x, ties to even, by trying the neighbours.
func nearestBF16(x float64) float32 {
	low := math.Float32bits(float32(x)) &^ 0xffff
	best := math.Float32frombits(low)
	for _, b := range []uint32{low - 0x10000, low + 0x10000} {
		y := math.Float32frombits(b)
		d, e := math.Abs(float64(y)-x), math.Abs(float64(best)-x)
		if d < e || d == e && b&0x10000 == 0 {
			best = y
		}
	}
	return best
}

// wantRow is a row of a weight by its definition. A quantized one is that of float32 in blocks.
func wantRow(w *plan.Weight, elem ir.Elem, src Source, layer, row int) []float32 {
	x := make([]float32, w.K)
	for i := range x {
		x[i] = float32(want(w, elem, src, layer, row, i))
	}
	block, quantize := kernel.Q8Block, quantizer(q8Steps)
	switch {
	case !elem.Quantized():
		return x
	case elem == ir.Q4:
		block, quantize = kernel.Q4Block, q4Steps
	case w.Form == plan.Table:
		block = kernel.TableBlock
	}
	for from := 0; from < w.K; from += block {
		part := x[from:min(from+block, w.K)]
		q := make([]int8, len(part))
		steps := quantize(q, part)
		for i := range part {
			part[i] = float32(float64(q[i]) * steps[i/kernel.Q4Part])
		}
	}
	return x
}

// TestWrite holds every element of the file to the definition of its weight.
func TestWrite(t *testing.T) {
	src := Random(7)
	for _, elem := range []ir.Elem{ir.F32, ir.BF16, ir.Q8, ir.Q4} {
		p := sample(elem)
		f := packed(t, p, src)
		if err := f.Verify(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, tensor := range p.Tensors() {
			for l := range max(tensor.Layers, 1) {
				check(t, tensor, f, src, l)
			}
		}
	}
}

func check(t *testing.T, tensor plan.Tensor, f *weights.File, src Source, l int) {
	t.Helper()
	w, of := tensor.Weight, tensor.First+l
	if w.Layers == 0 {
		of = -1
	}
	data := f.Data(tensor.Name)
	n := len(data) / max(tensor.Layers, 1)
	data = data[l*n:][:n]
	if w.Form == plan.Vector {
		columns := view[float32](data)
		for i := range w.N {
			for k := range w.K {
				got := columns[k*(len(columns)/w.K)+i]
				if want := want(w, ir.F32, src, of, i, k); float64(got) != want {
					t.Errorf("%s layer %d element %d of vector %d: %v, want %v", tensor.Name, l, i, k, got, want)
				}
			}
		}
		return
	}
	m := kernel.Matrix{N: w.Outputs(), K: w.K}
	e := kernel.Table{Vocab: w.N, Dim: w.K}
	switch tensor.Elem {
	case ir.F32:
		m.F32, e.F32 = view[float32](data), view[float32](data)
	case ir.BF16:
		m.BF16, e.BF16 = view[uint16](data), view[uint16](data)
	case ir.Q8:
		m.Q8, e.Q8 = data, data
	case ir.Q4:
		m.Q4 = data
	}
	row := make([]float32, w.K)
	for n := range w.N {
		if w.Form == plan.Table {
			kernel.Embed(&kernel.Worker{N: 1, Set: kernel.Portable{}}, kernel.Rows{Data: row, Stride: w.K}, &e, []int32{int32(n)}, 1)
		} else {
			at := n
			if w.Half > 0 { // 32 of the first half, 32 of the second
				half, r := n/w.Half, n%w.Half
				at = r/32*64 + half*32 + r%32
			}
			m.CopyRow(row, at)
		}
		for i, want := range wantRow(w, tensor.Elem, src, of, n) {
			if row[i] != want {
				t.Fatalf("%s %v layer %d (%d, %d): %v, want %v", tensor.Name, tensor.Elem, l, n, i, row[i], want)
			}
		}
	}
}

// TestSizes: what the plan says of packed matrices and tables is what the kernels read.
func TestSizes(t *testing.T) {
	for n := 1; n < 200; n += 31 {
		for k := 1; k < 700; k += 13 {
			m := &plan.Weight{Name: "m", Form: plan.Matrix, N: n, K: k}
			for elem, want := range map[ir.Elem]int{
				ir.F32: 4 * kernel.PackedF32(n, k), ir.BF16: 2 * kernel.PackedBF16(n, k), ir.Q8: kernel.PackedQ8(n, k), ir.Q4: kernel.PackedQ4(n, k),
			} {
				if m.Elem = elem; m.Bytes() != int64(want) {
					t.Errorf("matrix %v [%d %d]: %d bytes, want %d", elem, n, k, m.Bytes(), want)
				}
			}
			if w := (&plan.Weight{Form: plan.Table, Elem: ir.Q8, N: n, K: k}); w.Bytes() != int64(n*kernel.TableRowQ8(k)) {
				t.Errorf("table [%d %d]: %d bytes, want %d", n, k, w.Bytes(), n*kernel.TableRowQ8(k))
			}
			if plan.RoundedWidth(k) != kernel.RoundedWidth(k) {
				t.Errorf("a rounded row of %d is %d floats, want %d", k, plan.RoundedWidth(k), kernel.RoundedWidth(k))
			}
			if plan.QuantizedWidth(k) != kernel.QuantizedWidth(k) {
				t.Errorf("a quantized row of %d is %d floats, want %d", k, plan.QuantizedWidth(k), kernel.QuantizedWidth(k))
			}
		}
	}
}

// spoiled is a source with one element that is none.
type spoiled struct {
	Source
	role  string
	layer int
	at    int
	value float32
}

func (s spoiled) Read(dst []float32, role string, layer, k, from int) error {
	err := s.Source.Read(dst, role, layer, k, from)
	if i := s.at - from; role == s.role && layer == s.layer && i >= 0 && i < len(dst) {
		dst[i] = s.value
	}
	return err
}

// failing is a source of which one tensor cannot be read.
type failing struct {
	Source
	role string
	err  error
}

func (f failing) Read(dst []float32, role string, layer, k, from int) error {
	if role == f.role {
		return f.err
	}
	return f.Source.Read(dst, role, layer, k, from)
}

// TestSourceFails: what cannot be read, a matrix, a norm or a gain, ends the packing, and nothing is left.
func TestSourceFails(t *testing.T) {
	p := sample(ir.BF16)
	for _, role := range []string{"up", "norm", "v.bias", "embed"} {
		dir, lost := t.TempDir(), errors.New("lost")
		err := Write(context.Background(), p, failing{Random(1), role, lost}, filepath.Join(dir, "w"), nil)
		if left, _ := os.ReadDir(dir); !errors.Is(err, lost) || len(left) > 0 {
			t.Errorf("%s: error %v, left is %v", role, err, left)
		}
	}
}

// TestNotNumbers: what is infinite or not a number cannot be quantized, and the error says where it is.
func TestNotNumbers(t *testing.T) {
	nan, inf, huge := float32(math.NaN()), float32(math.Inf(-1)), float32(maxWeight)
	for _, c := range []struct {
		src  spoiled
		want string
	}{
		{spoiled{role: "k", layer: 2, at: 69*25 + 24, value: nan}, "k of layer 2, row 69, column 24 is NaN: only numbers below 2^127 can be quantized"},
		{spoiled{role: "up", layer: 1, at: 44 * 25, value: inf}, "up of layer 1, row 44, column 0 is -Inf: only numbers below 2^127 can be quantized"},
		{spoiled{role: "up", layer: 1, at: 44*25 + 1, value: huge}, "up of layer 1, row 44, column 1 is 1.7014118e+38: only numbers below 2^127 can be quantized"},
		{spoiled{role: "norm", layer: 0, at: 7, value: inf}, "norm of layer 0, column 7 is -Inf: only numbers below 2^127 can be quantized"},
		{spoiled{role: "embed", layer: -1, at: 36*24 + 5, value: nan}, "embed, row 36, column 5 is NaN: only numbers below 2^127 can be quantized"},
	} {
		c.src.Source = Random(1)
		for _, elem := range []ir.Elem{ir.Q8, ir.Q4, ir.F32} {
			path := filepath.Join(t.TempDir(), "w")
			err := Write(context.Background(), sample(elem), c.src, path, nil)
			var value *ValueError
			switch {
			case elem == ir.F32:
				if err != nil {
					t.Errorf("f32: %v", err)
				}
			case !errors.As(err, &value) || value.Error() != c.want:
				t.Errorf("%v: error is %v, want %s", elem, err, c.want)
			}
		}
	}
}

// TestThreads: the file does not depend on how many blocks are made at once.
func TestThreads(t *testing.T) {
	p := sample(ir.BF16)
	one := bytes.Clone(packed(t, p, Random(1)).Bytes())
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(7))
	if !bytes.Equal(one, packed(t, p, Random(1)).Bytes()) {
		t.Error("files differ")
	}
	if bytes.Equal(one, packed(t, p, Random(2)).Bytes()) {
		t.Error("the seed makes no difference")
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	path := filepath.Join(t.TempDir(), "w.safetensors")
	err := Write(ctx, sample(ir.F32), Random(1), path, func(done, total int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

// TestRandomPieces: what is read does not depend on where reading starts.
func TestRandomPieces(t *testing.T) {
	all := make([]float32, 999)
	Random(3).Read(all, "self.q", 5, 64, 0)
	for range 200 {
		from := rand.IntN(len(all))
		part := make([]float32, rand.IntN(len(all)-from)+1)
		Random(3).Read(part, "self.q", 5, 64, from)
		for i, x := range part {
			if x != all[from+i] {
				t.Fatalf("element %d read from %d: %v, want %v", from+i, from, x, all[from+i])
			}
		}
	}
	var sum, squares float64
	big := make([]float32, 1<<16)
	Random(3).Read(big, "self.q", 5, 64, 0)
	for _, x := range big {
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	n := float64(len(big))
	if mean, variance := sum/n, squares/n; math.Abs(mean) > 4/math.Sqrt(64*n) || math.Abs(variance*64-1) > 0.02 {
		t.Errorf("mean %v, variance %v, want 0 and 1/64", mean, variance)
	}
}

// TestOdd compares two roundings through odd with one, where the first sits on a tie.
func TestOdd(t *testing.T) {
	for range 100000 {
		x := math.Float64frombits(rand.Uint64())
		if a := math.Abs(x); !(a > 1e-35 && a < 1e35) {
			x = 1 + 0x1p-8 + rand.NormFloat64()*0x1p-30
		}
		if got := kernel.BF16ToFloat32(kernel.Float32ToBF16(odd(x))); got != nearestBF16(x) {
			t.Fatalf("%v is rounded to %v, want %v", x, got, nearestBF16(x))
		}
	}
}

func BenchmarkRead(b *testing.B) {
	dst := make([]float32, 1<<16)
	b.SetBytes(int64(len(dst)))
	for i := range b.N {
		Random(1).Read(dst, "q", i, 64, 0)
	}
}

func BenchmarkPanel(b *testing.B) {
	for _, elem := range []ir.Elem{ir.F32, ir.BF16, ir.Q8, ir.Q4} {
		b.Run(elem.String(), func(b *testing.B) {
			w := plan.Weight{Form: plan.Matrix, Elem: elem, N: 64, K: 3072, Sources: []ir.Source{{Role: "q", Scale: 1, Rows: 64}}}
			m, buf := &maker{src: Random(1)}, []byte(nil)
			b.SetBytes(64 * 3072)
			for range b.N {
				buf, _ = m.make(block{tensor: w.Tensors()[0]}, buf)
			}
		})
	}
}
