//go:build linux || darwin

package runtime

import "syscall"

func reserve(size int) ([]byte, error) {
	return syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
}

func release(b []byte) {
	if err := syscall.Munmap(b); err != nil {
		panic("BUG: unmap memory: " + err.Error())
	}
}
