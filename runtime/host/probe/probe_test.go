package probe

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/yococ/yococ/runtime/kernel"
)

// TestProbes runs every probe that this machine can: all of them measure something. How much depends
// on what else the machine does.
func TestProbes(t *testing.T) {
	data := make([]byte, 4<<20)
	kinds := []Kind{FMA, Bytes, Words, "unheard of"}
	if kernel.HasBF16Dots() {
		kinds = append(kinds, Pairs)
	}
	for _, threads := range []int{1, 3} {
		for _, isa := range kernel.Supported() {
			for _, k := range kinds {
				ops := Peak(isa, k, threads)
				t.Logf("%d threads, %s, %s: %s, %.1f GOP/s", threads, isa, k, Instruction(isa, k), ops/1e9)
				if ops < 1e7 || Instruction(isa, k) == "" {
					t.Errorf("%d threads, %s, %s: %v operations a second", threads, isa, k, ops)
				}
			}
			if rate := Read(isa, data, threads); rate < 1e7 {
				t.Errorf("%d threads, %s: %v bytes a second", threads, isa, rate)
			}
			if rate := Read(isa, data[:threads*512-1], threads); rate != 0 {
				t.Errorf("%d threads, %s: %v bytes a second of too little", threads, isa, rate)
			}
		}
	}
}

// TestRead: the portable loop reads everything.
func TestRead(t *testing.T) {
	p := make([]float32, 256)
	words := unsafe.Slice((*uint64)(unsafe.Pointer(&p[0])), 128)
	var seen []uint64
	for i := range words {
		words[i] = 1 << (i % 64)
		readGo(p)
		seen = append(seen, sink.Load())
		words[i] = 0
	}
	if slices.Contains(seen, 0) {
		t.Error("something is not read")
	}
}
