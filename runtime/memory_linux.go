package runtime

import "syscall"

// adviseHuge asks for huge pages; a kernel without them is free to refuse.
func adviseHuge(b []byte) { _ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) }
