package kernel

import (
	"math"
	"math/bits"
	"slices"
	"testing"
)

// turned64 turns keys or queries of a cache in q4 by Hadamard's matrix over the root of its size, which keeps lengths.
func (s *CacheSpec) turned64(x []float64) []float64 {
	y, n := make([]float64, len(x)), s.turned()
	for i := range y {
		block := x[i/n*n:][:n]
		for j, v := range block {
			y[i] += v * float64(1-2*(bits.OnesCount(uint(i%n&j))&1)) / math.Sqrt(float64(n))
		}
	}
	return y
}

// turnedOr is x as a product with keys has it: turned, or as it is in another format.
func (s *CacheSpec) turnedOr(x []float64) []float64 {
	if s.Format == Q4 {
		return s.turned64(x)
	}
	return x
}

// codes are those of a row, which is overwritten, and of zeros behind its n elements.
func (s *CacheSpec) codes(x []float32, n int) (codes []byte, scale float32) {
	codes = make([]byte, roundUp(n, 32))
	s.hadamard(Portable{}, x)
	scale = Portable{}.QuantizeRow(signed(codes), make([]int32, 1), x, len(codes), 0)
	return codes, s.codesOf(codes[:len(x)], scale)
}

// inCache is a key as the cache holds it.
func (c *attendCase) inCache(key []float32) []float64 {
	x := make([]float64, len(key))
	for i, y := range key {
		x[i] = float64(y)
	}
	return c.Cache.turnedOr(x)
}

// highest is the integer of the largest element of a row.
func (s *CacheSpec) highest() float64 {
	if s.Format == Q4 {
		return float64(q4Levels[q4Codes-1])
	}
	return 127
}

// rotationBound is how far the additions of a turn in float32 bring the product of x, not turned, with y: a rounding an
// addition of each element of y's block.
func (s *CacheSpec) rotationBound(x, y []float64) float64 {
	n, sum := s.turned(), 0.0
	for b := 0; b < len(x); b += n {
		size := 0.0
		for _, v := range y[b:][:n] {
			size += math.Abs(v)
		}
		for _, v := range x[b:][:n] {
			sum += math.Abs(v) * size * math.Log2(float64(n)) * ulp
		}
	}
	return sum * 1.001
}

// turnedBack makes bounds of the elements of a result over values as they are in the cache those of the result, and
// returns what the turn's additions round of them.
func (s *CacheSpec) turnedBack(bounds []float64) (rounding float64) {
	if s.Format != Q4 {
		return 0
	}
	n := s.turned()
	for b := 0; b < len(bounds); b += n {
		sum := 0.0
		for _, x := range bounds[b:][:n] {
			sum += x / math.Sqrt(float64(n))
		}
		for i := range n {
			bounds[b+i] = sum
		}
	}
	return (2*math.Log2(float64(n)) + 1) * ulp
}

// nearRow checks that a cache in q4 holds row x, known to within known an element: in the basis in which it is rounded no scale
// of any codes is further from x than the nearest levels in steps of max/127, each step taken before rounded to an
// integer, and the row has one that is nearest.
func (s *CacheSpec) nearRow(t *testing.T, what string, got []float32, x []float64, known float64) {
	t.Helper()
	have := make([]float64, len(got))
	for d, y := range got {
		have[d] = float64(y)
	}
	have, x = s.turned64(have), s.turned64(x)
	step, far, bound := top(x)/127, 0.0, 0.0
	for d, y := range x {
		nearest := math.Inf(1)
		for _, c := range q4Levels {
			nearest = math.Min(nearest, math.Abs(y-float64(c)*step))
		}
		off := nearest + step + known*math.Sqrt(float64(s.turned())) + 20*top(x)*ulp
		bound += off * off
		far += (y - have[d]) * (y - have[d])
	}
	if !(far <= bound) {
		t.Fatalf("%s: %v from the row, want at most %v", what, math.Sqrt(far), math.Sqrt(bound))
	}
}

// TestTurn: what is turned twice is the row again, to rounding, whatever the head's size, and rows of which one element is far larger than the others are then rounded far better.
func TestTurn(t *testing.T) {
	for _, n := range []int{1, 2, 8, 15, 24} {
		if s := (&CacheSpec{Dim: n}); s.turned() != 1 {
			t.Errorf("%d elements are turned by %d", n, s.turned())
		}
	}
	for n, want := range map[int]int{16: 16, 48: 16, 64: 64, 80: 16, 96: 32, 128: 128, 256: 256} {
		s := &CacheSpec{KVHeads: 1, Dim: n, Format: Q4}
		if s.turned() != want {
			t.Errorf("%d elements are turned by %d, want %d", n, s.turned(), want)
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(math.Sin(float64(i*i + n)))
		}
		x[n/3] = 30
		before := append([]float32(nil), x...)
		s.hadamard(Portable{}, x)
		s.hadamard(Portable{}, x)
		for i, y := range x {
			close64(t, "turned twice", y/float32(want), float64(before[i]), 1e-4)
		}
		off := func(turn bool) (sum float64) {
			row, as := append([]float32(nil), before...), &CacheSpec{Dim: n}
			if !turn {
				as.Dim = n + 1 // odd
			}
			codes, scale := as.codes(row, n)
			for i := range row {
				row[i] = float32(q4Levels[codes[i]]) * scale
			}
			as.hadamard(Portable{}, row)
			for i, y := range row {
				if i != n/3 {
					sum += float64(y-before[i]) * float64(y-before[i])
				}
			}
			return sum
		}
		if turned, still := off(true), off(false); turned > still/2 {
			t.Errorf("%d elements: squares of errors %v turned, %v not", n, turned, still)
		}
	}
}

// TestCodes: every integer has the code of its nearest level, and a row's scale makes the squares of errors the least.
func TestCodes(t *testing.T) {
	still := &CacheSpec{Dim: 1} // nothing is turned
	for _, n := range []int{1, 7, 64, 1024} {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(math.Tan(float64(3*i + n)))
		}
		codes, scale := still.codes(x, n)
		if rest := codes[n:]; len(rest) != roundUp(n, 32)-n || slices.Max(append(rest, 0)) != 0 {
			t.Fatalf("%d elements: behind them %v", n, rest)
		}
		integers := make([]int8, roundUp(n, 32))
		step := Portable{}.QuantizeRow(integers, make([]int32, 1), x, len(integers), 0)
		far := func(scale float64) (sum float64) {
			for i, u := range codes[:n] {
				off := float64(integers[i])*float64(step) - float64(q4Levels[u])*scale
				sum += off * off
			}
			return sum
		}
		for i, u := range codes[:n] {
			for _, c := range q4Levels {
				if distance(int(integers[i]), c) < distance(int(integers[i]), q4Levels[u]) {
					t.Fatalf("%d elements: %d is nearer to %d than to %d", n, integers[i], c, q4Levels[u])
				}
			}
		}
		best := far(float64(scale))
		if best > far(float64(scale)*1.001) || best > far(float64(scale)*0.999) {
			t.Errorf("%d elements: another scale than %v is better", n, scale)
		}
	}
	for _, x := range [][]float32{{0, 0, 0}, {1e-38, 0, 0}} {
		if codes, scale := still.codes(x, 3); scale != 0 {
			t.Errorf("%v: codes %v, scale %v", x, codes, scale)
		}
	}
	if _, scale := still.codes([]float32{1, float32(math.Inf(1))}, 2); scale == scale {
		t.Errorf("an infinity has the scale %v", scale)
	}
}
