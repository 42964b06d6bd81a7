package weights

import "syscall"

// populateRead is MADV_POPULATE_READ, of Linux 5.14 and later: it maps pages as if each were read.
const populateRead = 22

func populate(b []byte) bool { return syscall.Madvise(b, populateRead) == nil }

// roomFor reports whether n bytes are at most three quarters of the machine's memory.
func roomFor(n int) bool {
	var s syscall.Sysinfo_t
	return syscall.Sysinfo(&s) == nil && uint64(n) <= uint64(s.Totalram)*uint64(s.Unit)/4*3
}
