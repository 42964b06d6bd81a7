package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/kernel/kerneltest"
)

// A dot is the shape of a product of bfloat16 by bfloat16; pad is what lies between rows.
type dot struct {
	pairs, rows int
	acc         bool
	padD, padX  int
}

// test compares the product with the reference.
func (d dot) test(t testing.TB, set kernel.Set, r *rand.Rand, fill func(*rand.Rand, []float32), halves func(*rand.Rand, []uint16)) {
	t.Helper()
	ldd, ldx := 64+d.padD, 2*d.pairs+d.padX
	sizeD, sizeX := 0, 0
	if d.rows > 0 {
		sizeD, sizeX = (d.rows-1)*ldd+64, (d.rows-1)*ldx+2*d.pairs
	}
	dst, before := newArrays(t, sizeD), make([]float32, sizeD)
	fill(r, before)
	dst.set(before)
	x, xs, xe := guardedHalves(t, r, sizeX, halves)
	w, ws, we := guardedHalves(t, r, 128*d.pairs, halves)
	reference.GemmBF16Dot(dst.want, ldd, x, ldx, w, d.pairs, d.rows, d.acc)
	set.GemmBF16Dot(dst.start, ldd, xs, ldx, ws, d.pairs, d.rows, d.acc)
	set.GemmBF16Dot(dst.end, ldd, xe, ldx, we, d.pairs, d.rows, d.acc)
	dst.same(t, fmt.Sprintf("GemmBF16Dot %+v", d))
}

// guardedHalves are n bfloat16, three times.
func guardedHalves(t testing.TB, r *rand.Rand, n int, fill func(*rand.Rand, []uint16)) (h, start, end []uint16) {
	h = make([]uint16, n)
	fill(r, h)
	start, end = kerneltest.Guarded[uint16](t, n)
	copy(start, h)
	copy(end, h)
	return h, start, end
}

// halfFills fill bfloat16: ordinary numbers, all kinds of bits, and numbers whose products lie about the
// end of the normal range, which is where zeros are made.
var halfFills = []func(*rand.Rand, []uint16){
	func(r *rand.Rand, h []uint16) { kerneltest.Halves(r, h, kerneltest.Values) },
	func(r *rand.Rand, h []uint16) { kerneltest.Halves(r, h, kerneltest.Special) },
	func(r *rand.Rand, h []uint16) {
		for i := range h {
			h[i] = uint16(r.Uint32())
		}
	},
	func(r *rand.Rand, h []uint16) {
		for i := range h {
			h[i] = uint16(r.IntN(2)<<15 | (127-60-r.IntN(12))<<7 | r.IntN(128))
		}
	},
}

// nearZero fills x with numbers about the end of the normal range.
func nearZero(r *rand.Rand, x []float32) {
	for i := range x {
		x[i] = math.Float32frombits(uint32(r.IntN(2))<<31 | 0x007ffff0 + uint32(r.IntN(32)))
	}
}

func TestGemmBF16Dot(t *testing.T) {
	each := func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(7, 6))
		for rows := range 15 {
			for _, pairs := range []int{0, 1, 2, 3, 8, 33, 65} {
				for i, halves := range halfFills {
					for _, fill := range []func(*rand.Rand, []float32){kerneltest.Values, kerneltest.Special, nearZero} {
						d := dot{pairs: pairs, rows: rows, acc: i == 3 || r.IntN(2) == 0, padD: r.IntN(3), padX: r.IntN(3)}
						d.test(t, set, r, fill, halves)
					}
				}
			}
		}
	}
	eachSet(t, each)
	for _, set := range plainer() {
		t.Run(set.Level()+" without bonus", func(t *testing.T) { each(t, set) })
	}
}

func FuzzGemmBF16Dot(f *testing.F) {
	f.Add(uint64(1), uint8(7), uint8(5), uint32(0x3f803f80), uint32(0x00800080), uint32(0x00800001), true)
	f.Fuzz(func(t *testing.T, seed uint64, pairs, rows uint8, a, b, c uint32, acc bool) {
		r := rand.New(rand.NewPCG(seed, 3))
		d := dot{pairs: int(pairs), rows: int(rows % 16), acc: acc, padD: r.IntN(3), padX: r.IntN(3)}
		halves := func(r *rand.Rand, h []uint16) {
			halfFills[seed%uint64(len(halfFills))](r, h)
			for i := range h {
				switch r.IntN(8) {
				case 0:
					h[i] = uint16(a >> (i % 2 * 16))
				case 1:
					h[i] = uint16(b >> (i % 2 * 16))
				}
			}
		}
		fill := func(r *rand.Rand, x []float32) {
			for i := range x {
				x[i] = math.Float32frombits(c + uint32(r.IntN(5)))
			}
		}
		for _, set := range append(Sets()[1:], plainer()...) {
			d.test(t, set, r, fill, halves)
		}
	})
}

// TestRoundRow compares rows of all lengths, and a sweep of all numbers.
func TestRoundRow(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(8, 6))
		for n := range 70 {
			for pad := range 4 {
				for _, f := range fills {
					x := newArrays(t, n)
					f.fill(r, x.want)
					x.set(x.want)
					testRoundRow(t, set, x, pad)
				}
			}
		}
		x := newArrays(t, 4096)
		for bits := uint32(0); bits < 0xffff0000; {
			for i := range x.want {
				x.want[i] = math.Float32frombits(bits)
				bits += min(0x1357, 0xffffffff-bits)
			}
			x.set(x.want)
			testRoundRow(t, set, x, 0)
		}
		for i := range x.want { // what the sweep misses: ties and the ends of ranges
			bits := []uint32{0x00000000, 0x007fff00, 0x00800000, 0x3f800000, 0x3f807f00, 0x7f7f7f00, 0x7f7fff00, 0x7f800000, 0x7f80ff00}[i%9]
			x.want[i] = math.Float32frombits(bits + uint32(i/9%0x200) + uint32(i%2)<<31)
		}
		x.set(x.want)
		testRoundRow(t, set, x, 2)
	})
}

// testRoundRow rounds x to a row that is longer by pad.
func testRoundRow(t *testing.T, set kernel.Set, x arrays, pad int) {
	t.Helper()
	ones := func(_ *rand.Rand, h []uint16) {
		for i := range h {
			h[i] = 0x3f80
		}
	}
	want, start, end := guardedHalves(t, nil, len(x.want)+pad, ones)
	reference.RoundRow(want, x.want)
	set.RoundRow(start, x.start)
	set.RoundRow(end, x.end)
	for i := range want {
		if start[i] != want[i] || end[i] != want[i] {
			t.Fatalf("element %d of %d and %d zeros is %#x and %#x, want %#x", i, len(x.want), pad, start[i], end[i], want[i])
		}
	}
}
