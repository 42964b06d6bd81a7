package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
)

func TestConvolve(t *testing.T) {
	eachSet(t, func(t *testing.T, set kernel.Set) {
		r := rand.New(rand.NewPCG(17, 18))
		for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 40, 100} {
			for _, taps := range []int{1, 2, 3, 4, 7} {
				for _, rows := range []int{0, 1, 2, 5} {
					for _, f := range fills {
						testConvolve(t, set, n, taps, rows, r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(3), func(x []float32) { f.fill(r, x) })
					}
				}
			}
		}
	})
}

// testConvolve compares Convolve with the reference; pad is what lies between rows.
func testConvolve(t testing.TB, set kernel.Set, n, taps, rows int, bias, silu bool, pad int, fill func([]float32)) {
	t.Helper()
	ld := n + pad
	size := func(rows int) int {
		if rows == 0 {
			return 0
		}
		return (rows-1)*ld + n
	}
	array := func(n int) arrays {
		a, x := newArrays(t, n), make([]float32, n)
		fill(x)
		a.set(x)
		return a
	}
	dst, x, w, b := array(size(rows)), array(size(rows+taps-1)), array(size(taps)), array(0)
	if bias {
		b = array(n)
	}
	reference.Convolve(dst.want, ld, x.want, ld, w.want, ld, b.want, taps, n, rows, silu)
	set.Convolve(dst.start, ld, x.start, ld, w.start, ld, b.start, taps, n, rows, silu)
	set.Convolve(dst.end, ld, x.end, ld, w.end, ld, b.end, taps, n, rows, silu)
	dst.same(t, fmt.Sprintf("Convolve of %d columns, %d taps, %d rows, bias %v, silu %v", n, taps, rows, bias, silu))
}
