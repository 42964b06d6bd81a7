package runtime

import (
	"fmt"
	"unsafe"
)

// Memory is zeroed memory outside the Go heap: address space is reserved at once, pages are
// committed by the system as they are touched, and all of it is freed together. Where the system
// has no such thing it is ordinary memory.
//
// A reservation of HugeFrom bytes and more begins on a huge page and asks for huge pages, as far as it fills them.
type Memory struct {
	maps [][]byte // as reserved
	late [][]byte // what asks for huge pages when settle is called
	slab []byte   // what is left of the last slab: small requests share a reservation
	used int64
	fill bool // settle will be called
}

const (
	HugePage = 2 << 20
	HugeFrom = 2 * HugePage

	slabSize = 1 << 20
	line     = 64 // every slice begins on a cache line
)

// A memoryError is the panic of a reservation that failed; NewSession returns it as an error.
type memoryError struct {
	bytes int
	err   error
}

func (e *memoryError) Error() string { return fmt.Sprintf("reserve %d bytes: %v", e.bytes, e.err) }
func (e *memoryError) Unwrap() error { return e.err }

// NewMemory returns memory that holds nothing yet.
func NewMemory() *Memory { return &Memory{} }

// Bytes returns n zeroed bytes that begin on a cache line.
func (m *Memory) Bytes(n int) []byte {
	if n < 0 {
		panic(fmt.Sprintf("BUG: %d bytes of memory", n))
	}
	size := (n + line - 1) &^ (line - 1)
	m.used += int64(size)
	if size >= slabSize/4 {
		return m.reserve(size)[:n:n]
	}
	if size > len(m.slab) {
		m.slab = m.reserve(slabSize)
	}
	b := m.slab[:n:n]
	m.slab = m.slab[size:]
	return b
}

// Floats returns n zeros that begin on a cache line.
func (m *Memory) Floats(n int) []float32 {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(m.Bytes(4*n)))), n)
}

// Uint16s returns n zeros that begin on a cache line.
func (m *Memory) Uint16s(n int) []uint16 {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(m.Bytes(2*n)))), n)
}

// Reserved is the number of bytes handed out, committed or not.
func (m *Memory) Reserved() int64 { return m.used }

// newFilledMemory is memory that is filled at once and then settled. Pages are ordinary ones until then, and the system
// makes huge ones of them in the background. That is slower where memory is at hand; but a virtual machine may have to
// get every huge page from its host first, and finds ordinary ones in what it has: 180 MB took two threads 30 ms
// in ordinary pages, and in huge ones 5 or 50 to 220 ms.
func newFilledMemory() *Memory { return &Memory{fill: true} }

// Free gives everything back. No slice of this memory may be used after it.
func (m *Memory) Free() {
	for _, b := range m.maps {
		release(b)
	}
	*m = Memory{}
}

// reserve returns size bytes that begin on a line, or on a huge page if they are many.
func (m *Memory) reserve(size int) []byte {
	align := line
	if size >= HugeFrom {
		align = HugePage
	}
	all, err := reserve(size + align)
	if err != nil {
		panic(&memoryError{size, err})
	}
	m.maps = append(m.maps, all)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(all)))) & (align - 1)
	b := all[skip : skip+size]
	switch whole := b[:size&^(HugePage-1)]; {
	case size < HugeFrom:
	case m.fill:
		m.late = append(m.late, whole)
	default:
		adviseHuge(whole)
	}
	return b
}

// settle asks for huge pages where that was put off.
func (m *Memory) settle() {
	for _, b := range m.late {
		adviseHuge(b)
	}
	m.late, m.fill = nil, false
}
