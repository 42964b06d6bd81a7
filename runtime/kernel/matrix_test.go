package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestPackRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, shape := range [][2]int{{1, 1}, {3, 2}, {63, 65}, {64, 64}, {65, 7}, {130, 129}} {
		n, k := shape[0], shape[1]
		x := widen(narrow(floats(rng, n*k)))
		f := Matrix{N: n, K: k, F32: make([]float32, PackedF32(n, k))}
		b := Matrix{N: n, K: k, BF16: make([]uint16, PackedBF16(n, k))}
		for i := range f.F32 {
			f.F32[i] = 7 // padding must be overwritten
		}
		for i := range b.BF16 {
			b.BF16[i] = 7
		}
		PackF32(f.F32, x, n, k)
		PackBF16(b.BF16, narrow(x), n, k)
		row := make([]float32, k)
		for i := range n {
			f.CopyRow(row, i)
			same(t, "float32 row", row, x[i*k:][:k])
			b.CopyRow(row, i)
			same(t, "bfloat16 row", row, x[i*k:][:k])
		}
		used := 0
		for _, x := range f.F32 {
			if x != 0 {
				used++
			}
		}
		for _, x := range b.BF16 {
			if x != 0 {
				used++
			}
		}
		if used > 2*n*k {
			t.Errorf("%v: padding is not zero", shape)
		}
	}
}

func TestInterleaveSwiGLU(t *testing.T) {
	const hidden, k = 40, 2
	gate, up := make([]float32, hidden*k), make([]float32, hidden*k)
	for i := range gate {
		gate[i], up[i] = float32(i+1), -float32(i+1)
	}
	dst := make([]float32, 2*SwiGLUWidth(hidden)*k)
	InterleaveSwiGLU(dst, gate, up, hidden, k)
	for row := range len(dst) / k {
		h := row/64*32 + row%32
		for i := range k {
			want := float32(0)
			if h < hidden {
				want = float32(h*k + i + 1)
				if row%64 >= 32 {
					want = -want
				}
			}
			if got := dst[row*k+i]; got != want {
				t.Fatalf("row %d, column %d: %v, want %v", row, i, got, want)
			}
		}
	}
}

func TestBF16(t *testing.T) {
	for b := range 1 << 16 {
		x := BF16ToFloat32(uint16(b))
		got := Float32ToBF16(x)
		if x != x {
			if y := BF16ToFloat32(got); y == y {
				t.Fatalf("NaN %04x became %v", b, y)
			}
		} else if got != uint16(b) {
			t.Fatalf("%04x became %04x", b, got)
		}
	}
	// A NaN whose payload lies in the low half only stays a NaN.
	if y := BF16ToFloat32(Float32ToBF16(math.Float32frombits(0x7f800001))); y == y {
		t.Errorf("a NaN became %v", y)
	}
	if got := Float32ToBF16(math.MaxFloat32); got != 0x7f80 {
		t.Errorf("the largest float32 became %04x, want infinity", got)
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for range 200000 {
		bits := rng.Uint32()
		if bits&0x7f800000 == 0x7f800000 {
			continue
		}
		if rng.IntN(4) == 0 {
			bits = bits&^0xffff | 0x8000 // a tie
		}
		x := float64(math.Float32frombits(bits))
		down := float64(BF16ToFloat32(uint16(bits >> 16)))
		up := float64(BF16ToFloat32(uint16(bits>>16) + 1))
		if math.IsInf(up, 0) {
			continue
		}
		want := uint16(bits >> 16)
		if d, u := math.Abs(x-down), math.Abs(up-x); u < d || u == d && want%2 == 1 {
			want++
		}
		if got := Float32ToBF16(float32(x)); got != want {
			t.Fatalf("%08x became %04x, want %04x", bits, got, want)
		}
	}
}
