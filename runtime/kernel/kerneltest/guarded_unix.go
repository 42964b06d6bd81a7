//go:build unix

package kerneltest

import (
	"os"
	"syscall"
	"testing"
)

// pages maps whole pages for at least n bytes between two pages that cannot be touched, until
// the test ends.
func pages(t testing.TB, n int) []byte {
	page := os.Getpagesize()
	size := (n + page - 1) / page * page
	all, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("mapping %d bytes: %v", size+2*page, err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(all); err != nil {
			t.Errorf("unmapping: %v", err)
		}
	})
	for _, guard := range [][]byte{all[:page], all[page+size:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatalf("protecting a page: %v", err)
		}
	}
	return all[page : page+size : page+size]
}
