package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

const ulp = 1.0 / (1 << 24) // half the distance of 1 and the next float32: a rounding's bound

// team runs f on n workers that meet at a real barrier. The scratch holds NaN: what a routine has
// not written it must not use.
func team(n, scratch int, f func(w *Worker)) {
	var b Barrier
	var done sync.WaitGroup
	for id := range n {
		buf := make([]float32, scratch)
		for i := range buf {
			buf[i] = float32(math.NaN())
		}
		done.Go(func() { f(NewWorker(id, n, Portable{}, buf, &b)) })
	}
	done.Wait()
}

// cut is a way to run a sequence: in chunks of so many rows (0: all at once), by so many workers.
type cut struct{ chunk, workers int }

func (c cut) String() string { return fmt.Sprintf("chunks of %d, %d workers", c.chunk, c.workers) }

// cuts are compared with single rows on one worker. Where plain Go runs tens of times slower, under the race
// detector and on the emulated arm64, only the first few, and with purego, where what is tested here is the same.
var cuts = []cut{{0, 3}, {64, 7}, {3, 2}, {1, 3}, {1, 7}, {100, 1}}[:numCuts]

// teams are numbers of workers, where there is nothing else to vary.
var teams = []int{3, 7, 1, 2}[:numTeams]

// chunks calls f for each chunk of n rows.
func (c cut) chunks(n int, f func(pos, rows int)) {
	size := c.chunk
	if size == 0 {
		size = n
	}
	for pos := 0; pos < n; pos += size {
		f(pos, min(size, n-pos))
	}
}

// random returns rows of n normal values, with a stride that leaves a gap of NaN.
func random(rng *rand.Rand, rows, n int) Rows {
	x := blank(rows, n)
	for r := range rows {
		for i := range n {
			x.Data[r*x.Stride+i] = float32(rng.NormFloat64())
		}
	}
	return x
}

// blank returns rows of NaN; Row(r, n+3) ends with what nobody may write.
func blank(rows, n int) Rows {
	x := Rows{make([]float32, rows*(n+3)), n + 3}
	for i := range x.Data {
		x.Data[i] = float32(math.NaN())
	}
	return x
}

func (x Rows) clone() Rows { return Rows{append([]float32(nil), x.Data...), x.Stride} }

// floats returns n normal values.
func floats(rng *rand.Rand, n int) []float32 { return random(rng, 1, n).Data[:n] }

// narrow rounds to bfloat16.
func narrow(x []float32) []uint16 {
	y := make([]uint16, len(x))
	for i := range x {
		y[i] = Float32ToBF16(x[i])
	}
	return y
}

// widen is narrow's inverse.
func widen(x []uint16) []float32 {
	y := make([]float32, len(x))
	for i := range x {
		y[i] = BF16ToFloat32(x[i])
	}
	return y
}

// same fails unless got and want have the same bits, gaps included.
func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d floats, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: [%d] is %v (%08x), want %v (%08x)", what, i,
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

// close64 fails unless got is within bound of want.
func close64(t *testing.T, what string, got float32, want, bound float64) {
	t.Helper()
	if d := math.Abs(float64(got) - want); !(d <= bound) {
		t.Fatalf("%s: %v, want %v: off by %.3g, bound %.3g", what, got, want, d, bound)
	}
}

// empty returns an empty cache for so many tokens, which lies behind another one in its spans.
func empty(s *CacheSpec, tokens int) Cache {
	if s.isRing() {
		at := NewStates(cacheLines(s.Bytes()), nil)
		return s.View(&at)
	}
	const before = 3 * lineBytes
	var spans Spans
	for range (tokens + SpanTokens - 1) / SpanTokens {
		spans = append(spans, cacheLines(before+s.Bytes()))
	}
	at := NewStates(nil, &spans)
	at.grow(before - 1)
	return s.View(&at)
}

// cacheLines are n zeros that begin on a cache line.
func cacheLines(n int) []byte {
	buf := make([]byte, n+lineBytes-1)
	at := -uintptr(unsafe.Pointer(unsafe.SliceData(buf))) % lineBytes
	return buf[at:][:n:n]
}

// phases returns the rotations of positions 0 … rows-1.
func phases(r *Rope, rows int) Phases {
	if r == nil {
		return Phases{}
	}
	ph := Phases{blank(rows, r.Dim), blank(rows, r.Dim)}
	team(1, 0, func(w *Worker) { Rotate(w, ph, r, 0, rows) })
	return ph
}

func (p Phases) from(r int) Phases {
	if p.Cos.Data == nil {
		return p
	}
	return Phases{p.Cos.From(r), p.Sin.From(r)}
}

// rotated is head x at position pos, in float64.
func (r *Rope) rotated(x []float32, pos int) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		y[i] = float64(x[i])
	}
	if r == nil {
		return y
	}
	for i, f := range r.Freqs {
		a, b := 2*i, 2*i+1
		if r.Half {
			a, b = i, i+len(r.Freqs)
		}
		s, c := math.Sincos(float64(pos) * f)
		y[a], y[b] = y[a]*c-y[b]*s, y[a]*s+y[b]*c
	}
	return y
}

func TestBarrier(t *testing.T) {
	const n, rounds = 5, 200
	counts := make([]int, n)
	team(n, 0, func(w *Worker) {
		for round := 1; round <= rounds; round++ {
			counts[w.ID] = round
			w.Sync()
			for id, c := range counts {
				if c != round {
					t.Errorf("round %d: worker %d is at %d", round, id, c)
				}
			}
			w.Sync()
		}
	})
}

func TestShare(t *testing.T) {
	for n := range 20 {
		for workers := 1; workers < 9; workers++ {
			next := 0
			for id := range workers {
				lo, hi := (&Worker{ID: id, N: workers}).Share(n)
				if lo != next || hi < lo || hi-lo > (n+workers-1)/workers {
					t.Fatalf("%d units, worker %d of %d: [%d, %d) after %d", n, id, workers, lo, hi, next)
				}
				next = hi
			}
			if next != n {
				t.Fatalf("%d units, %d workers: shares end at %d", n, workers, next)
			}
		}
	}
}

// TestEvery runs loops one behind the other, without a barrier: every unit is done once, by whoever is
// free, however far others are ahead.
func TestEvery(t *testing.T) {
	const loops = 300
	for n := 1; n < 6; n++ {
		var done [loops][40]atomic.Int32
		team(n, 0, func(w *Worker) {
			for l := range loops {
				for u := range w.Every(l%40, 1+l%2*sharedRows) {
					done[l][u].Add(1)
					if (l+u+w.ID)%7 == 0 {
						runtime.Gosched()
					}
				}
			}
		})
		for l := range done {
			for u := range done[l] {
				if got, want := done[l][u].Load() == 1, u < l%40; got != want {
					t.Fatalf("%d workers, loop %d: unit %d was done %d times", n, l, u, done[l][u].Load())
				}
			}
		}
	}
}
