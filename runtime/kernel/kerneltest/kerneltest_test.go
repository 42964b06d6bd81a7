//go:build unix

package kerneltest

import (
	"runtime/debug"
	"testing"
	"unsafe"
)

// TestGuarded touches the elements beside guarded slices, which must fault.
func TestGuarded(t *testing.T) {
	start, end := Guarded[float32](t, 5)
	for i := range start {
		start[i], end[i] = 1, 1
	}
	if !faults(unsafe.Add(unsafe.Pointer(&start[0]), -4)) {
		t.Error("the element before the slice at the start can be read")
	}
	if !faults(unsafe.Add(unsafe.Pointer(&end[0]), 4*len(end))) {
		t.Error("the element behind the slice at the end can be read")
	}
}

// faults reports whether reading at p faults.
func faults(p unsafe.Pointer) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { fault = recover() != nil }()
	sink = *(*float32)(p)
	return false
}

var sink float32
