// Package probe measures what a machine can do at the most, for what a model does to be compared
// with: arithmetic whose operands are all in registers, and a loop that only reads memory.
//
// Imports: nothing of ours. Outside the standard library: nothing.
// May not: know models.
package probe

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// A Kind is what arithmetic multiplies and sums.
type Kind string

const (
	FMA   Kind = "f32"   // float32
	Bytes Kind = "bytes" // products of bytes, summed in 32 bits
	Pairs Kind = "pairs" // pairs of bfloat16, summed in float32, if the CPU has an instruction for it
	Words Kind = "words" // products of bytes, the first sums in 16 bits where the level gains by it
)

// loops are the probes of a level.
type loops struct {
	read  func(p []float32)
	peaks map[Kind]peak
}

// A peak is a loop of independent instructions.
type peak struct {
	name string // of the instructions
	run  func(rounds int)
	ops  int // operations a round: a multiplication and an addition are two
}

// rounds is some milliseconds of any probe.
const rounds = 1 << 21

// level are the probes of an instruction-set level.
func level(name string) loops {
	if l, ok := assembly[name]; ok {
		return l
	}
	return portable
}

// peak is the level's loop for a kind, or for one that does as well.
func (l loops) peak(k Kind) peak {
	if p, ok := l.peaks[k]; ok {
		return p
	}
	if k == Words {
		return l.peaks[Bytes]
	}
	return l.peaks[FMA]
}

// Instruction names what Peak measures.
func Instruction(isa string, k Kind) string { return level(isa).peak(k).name }

// Peak is how many operations a second so many threads together do at a level.
func Peak(isa string, k Kind, threads int) float64 {
	p := level(isa).peak(k)
	took := together(threads, func(int) { p.run(rounds) })
	return float64(threads) * rounds * float64(p.ops) / took.Seconds()
}

// Read is how many bytes a second so many threads together read from data, each a part of it. What
// data is not a multiple of some vectors is not read.
func Read(isa string, data []byte, threads int) float64 {
	const vectors = 512 // bytes that every level reads at a time
	part := len(data) / threads / vectors * vectors
	if part == 0 {
		return 0
	}
	const enough = 64 << 20 // bytes that take a thread some milliseconds
	passes := 1 + enough/(part*threads)
	read := level(isa).read
	took := together(threads, func(i int) {
		b := data[i*part : (i+1)*part]
		p := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), part/4)
		for range passes {
			read(p)
		}
	})
	return float64(passes) * float64(part*threads) / took.Seconds()
}

// together runs f on so many threads, which begin at once, and returns how long the last one took.
func together(threads int, f func(i int)) time.Duration {
	var ready atomic.Int32
	var all sync.WaitGroup
	begin := func() {
		for ready.Add(1); int(ready.Load()) < threads; {
			runtime.Gosched()
		}
	}
	for i := 1; i < threads; i++ {
		all.Go(func() {
			begin()
			f(i)
		})
	}
	begin()
	start := time.Now()
	f(0)
	all.Wait()
	return time.Since(start)
}

// portable are loops that Go compiles: as many independent chains as registers allow.
var portable = loops{
	read: readGo,
	peaks: map[Kind]peak{
		FMA:   {"float32 in Go", func(rounds int) { sink.Store(uint64(floatsGo(rounds, 1, 0))) }, 16},
		Bytes: {"int32 in Go", func(rounds int) { sink.Store(uint64(intsGo(rounds, 1, 0))) }, 16},
	},
}

// sink is where results go that nobody looks at: else the compiler could leave the loops out.
var sink atomic.Uint64

func floatsGo(rounds int, x, y float32) float32 {
	a, b, c, d, e, f, g, h := y, y, y, y, y, y, y, y
	for range rounds {
		a, b, c, d, e, f, g, h = a*x+y, b*x+y, c*x+y, d*x+y, e*x+y, f*x+y, g*x+y, h*x+y
	}
	return a + b + c + d + e + f + g + h
}

func intsGo(rounds int, x, y int32) int32 {
	a, b, c, d, e, f, g, h := y, y, y, y, y, y, y, y
	for range rounds {
		a, b, c, d, e, f, g, h = a*x+y, b*x+y, c*x+y, d*x+y, e*x+y, f*x+y, g*x+y, h*x+y
	}
	return a + b + c + d + e + f + g + h
}

func readGo(p []float32) {
	words := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(p))), len(p)/2)
	var a, b, c, d uint64
	for ; len(words) >= 8; words = words[8:] {
		w := words[:8]
		a, b, c, d = a^w[0]^w[4], b^w[1]^w[5], c^w[2]^w[6], d^w[3]^w[7]
	}
	sink.Store(a ^ b ^ c ^ d)
}
