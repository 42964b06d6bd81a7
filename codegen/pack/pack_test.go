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
// last group, an odd K, vectors, a table and another view of a tensor.
func sample(elem ir.Elem) *plan.Plan {
	return &plan.Plan{Package: "sample", Weights: []plan.Weight{
		{Name: "embed", Form: plan.Table, Elem: elem, N: 37, K: 24, Sources: []ir.Source{{Role: "embed", Scale: 1, Rows: 37}}},
		{Name: "qkv", Form: plan.Matrix, Elem: elem, N: 150, K: 25, Layers: 3, Sources: []ir.Source{
			{Role: "q", Scale: 0.125, Gain: "norm", Rows: 70}, {Role: "k", Scale: 1, Gain: "norm", Rows: 70}, {Role: "v", Scale: 0.3, Rows: 10},
		}},
		{Name: "gateUp", Form: plan.Matrix, Elem: elem, N: 2 * 45, K: 25, Half: 45, Layers: 2, Sources: []ir.Source{
			{Role: "gate", Scale: 1, Rows: 45}, {Role: "up", Scale: 1, Rows: 45},
		}},
		{Name: "norm", Form: plan.Vector, N: 25, K: 1, Layers: 3, Sources: []ir.Source{{Role: "norm", Scale: 1, Rows: 25}}},
		{Name: "bias", Form: plan.Vector, N: 20, K: 1, Sources: []ir.Source{{Role: "k.bias", Scale: 2, Rows: 12}, {Role: "v.bias", Scale: 1, Rows: 8}}},
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
func want(w *plan.Weight, src Source, layer, row, col int) float64 {
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
		if w.Elem == ir.BF16 {
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

// TestWrite holds every element of the file to the definition of its weight.
func TestWrite(t *testing.T) {
	src := Random(7)
	for _, elem := range []ir.Elem{ir.F32, ir.BF16} {
		p := sample(elem)
		f := packed(t, p, src)
		if err := f.Verify(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i := range p.Weights {
			w := &p.Weights[i]
			for l := range max(w.Layers, 1) {
				if w.Alias == "" {
					check(t, w, f, src, l)
				}
			}
		}
	}
}

func check(t *testing.T, w *plan.Weight, f *weights.File, src Source, l int) {
	t.Helper()
	of := l
	if w.Layers == 0 {
		of = -1
	}
	var f32 []float32
	var bf16 []uint16
	if w.Elem == ir.BF16 {
		all := f.BF16(w.Name)
		n := len(all) / max(w.Layers, 1)
		bf16 = all[l*n:][:n]
	} else {
		all := f.F32(w.Name)
		n := len(all) / max(w.Layers, 1)
		f32 = all[l*n:][:n]
	}
	if w.Form == plan.Vector {
		for i := range w.N {
			if got, want := float64(f32[i]), want(w, src, of, i, 0); got != want {
				t.Errorf("%s layer %d element %d: %v, want %v", w.Name, l, i, got, want)
			}
		}
		return
	}
	row := make([]float32, w.K)
	for n := range w.N {
		switch {
		case w.Form == plan.Table && bf16 != nil:
			for i := range row {
				row[i] = kernel.BF16ToFloat32(bf16[n*w.K+i])
			}
		case w.Form == plan.Table:
			copy(row, f32[n*w.K:])
		default:
			m := kernel.Matrix{N: w.Outputs(), K: w.K, F32: f32, BF16: bf16}
			at := n
			if w.Half > 0 { // 32 of the first half, 32 of the second
				half, r := n/w.Half, n%w.Half
				at = r/32*64 + half*32 + r%32
			}
			m.CopyRow(row, at)
		}
		for i, got := range row {
			if want := want(w, src, of, n, i); float64(got) != want {
				t.Fatalf("%s %v layer %d (%d, %d): %v, want %v", w.Name, w.Elem, l, n, i, got, want)
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
	p := sample(ir.BF16)
	p.Weights[1].K = 3072
	m, buf := &maker{src: Random(1)}, []byte(nil)
	b.SetBytes(64 * 3072)
	for range b.N {
		buf = m.make(block{weight: &p.Weights[1]}, buf)
	}
}
