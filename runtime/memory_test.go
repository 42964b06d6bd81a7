package runtime

import (
	"runtime"
	"testing"
	"unsafe"
)

func TestMemory(t *testing.T) {
	m := NewMemory()
	defer m.Free()
	var want int64
	for _, n := range []int{1, 64, 100, 3000, slabSize / 4, slabSize, HugeFrom + 100, 0, 7} {
		f, u := m.Floats(n), m.Uint16s(n)
		if len(f) != n || len(u) != n {
			t.Fatalf("asked for %d, got %d and %d", n, len(f), len(u))
		}
		want += int64((4*n+63)/64*64 + (2*n+63)/64*64)
		if n == 0 {
			continue
		}
		for _, p := range []uintptr{uintptr(unsafe.Pointer(&f[0])), uintptr(unsafe.Pointer(&u[0]))} {
			if p%64 != 0 {
				t.Errorf("%d elements begin at %#x", n, p)
			}
		}
		for i := range f {
			if f[i] != 0 || u[i] != 0 {
				t.Fatal("not zero")
			}
			f[i], u[i] = 1, 1 // seen as not zero if handed out twice
		}
	}
	if m.Reserved() != want {
		t.Errorf("%d bytes reserved, want %d", m.Reserved(), want)
	}
}

// Address space is not memory.
func TestMemoryLazy(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("overcommitted reservations are certain on Linux alone")
	}
	m := NewMemory()
	defer m.Free()
	b := m.Bytes(1 << 40)
	b[0], b[1<<40-1] = 1, 1
	if uintptr(unsafe.Pointer(&b[0]))%HugePage != 0 {
		t.Errorf("a large reservation begins at %p, not on a huge page", &b[0])
	}
}
