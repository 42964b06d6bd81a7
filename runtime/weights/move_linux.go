//go:build linux && (amd64 || arm64)

package weights

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// mapFile maps a file read-only, from the beginning of a huge page on. The mapping lies in a
// reservation of address space: parts can be replaced, and all is unmapped together.
func mapFile(f *os.File, size int64) (data []byte, unmap func() error, err error) {
	if size > 1<<46 {
		return nil, nil, syscall.EFBIG
	}
	space, err := syscall.Mmap(-1, 0, int(size)+hugePage, syscall.PROT_NONE, private)
	if err != nil {
		return nil, nil, err
	}
	unmap = func() error { return syscall.Munmap(space) }
	skip := -int(address(space)) & (hugePage - 1)
	data = space[skip : skip+int(size) : skip+int(size)]
	if err := mapOver(f, data, 0); err != nil {
		return nil, nil, errors.Join(err, unmap())
	}
	return data, unmap, nil
}

const (
	private = syscall.MAP_ANON | syscall.MAP_PRIVATE | syscall.MAP_NORESERVE
	// mayMove and fixed are MREMAP_MAYMOVE and MREMAP_FIXED.
	mayMove, fixed = 1, 2
)

// address is where b lies.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// mapOver puts the bytes of a file from offset on, a whole page, in place of what is mapped at b.
func mapOver(f *os.File, b []byte, offset int) error {
	_, _, e := syscall.Syscall6(syscall.SYS_MMAP, address(b), uintptr(len(b)), syscall.PROT_READ,
		syscall.MAP_SHARED|syscall.MAP_FIXED, f.Fd(), uintptr(offset))
	return errno(e)
}

// errno is an error for what a system call returned.
func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// movePiece replaces a piece of a file's mapping by huge pages with the same content, and reports
// whether it did. The piece is whole huge pages.
//
// The content is read into pages elsewhere, which then take the place of the mapping in one system
// call: a reader that comes meanwhile waits in its page fault, and finds the one or the other.
func movePiece(f *os.File, data []byte, at, size int) bool {
	from, err := stage(uintptr(size))
	if err != nil {
		return false
	}
	if read(f, from, size, at) != nil || protect(from, uintptr(size)) != nil {
		free(from, uintptr(size))
		return false
	}
	to := data[at : at+size]
	if _, _, e := syscall.RawSyscall6(syscall.SYS_MREMAP, from, uintptr(size), uintptr(size), mayMove|fixed, address(to), 0); e != 0 {
		// The system looks for reasons to refuse before it touches anything, and canMove has looked
		// for others. Should it have unmapped the piece nevertheless, this is what can be done.
		_ = mapOver(f, to, at)
		free(from, uintptr(size))
		return false
	}
	return true
}

// stage returns the address of size bytes of new memory that begin on a huge page and ask for them.
// It is a mapping of its own, nothing of which is left when it has moved.
func stage(size uintptr) (uintptr, error) {
	all, _, e := syscall.RawSyscall6(syscall.SYS_MMAP, 0, size+hugePage, syscall.PROT_READ|syscall.PROT_WRITE, private, ^uintptr(0), 0)
	if e != 0 {
		return 0, e
	}
	begin := (all + hugePage - 1) &^ (hugePage - 1)
	free(all, begin-all)
	free(begin+size, all+hugePage-begin)
	if _, _, e := syscall.RawSyscall(syscall.SYS_MADVISE, begin, size, syscall.MADV_HUGEPAGE); e != 0 {
		free(begin, size)
		return 0, e
	}
	return begin, nil
}

func free(at, size uintptr) {
	if size > 0 {
		_, _, _ = syscall.RawSyscall(syscall.SYS_MUNMAP, at, size, 0)
	}
}

func protect(at, size uintptr) error {
	_, _, e := syscall.RawSyscall(syscall.SYS_MPROTECT, at, size, syscall.PROT_READ)
	return errno(e)
}

// read fills size bytes at an address with the file's from offset on.
func read(f *os.File, to uintptr, size, offset int) error {
	for done := 0; done < size; {
		n, _, e := syscall.Syscall6(syscall.SYS_PREAD64, f.Fd(), to+uintptr(done), uintptr(size-done), uintptr(offset+done), 0, 0)
		switch {
		case e == syscall.EINTR:
		case e != 0:
			return e
		case n == 0:
			return errors.New("the file is shorter than it was")
		}
		done += int(n)
	}
	return nil
}
