package runtime

import "syscall"

// adviseHuge asks for huge pages; a kernel without them is free to refuse.
func adviseHuge(b []byte) { _ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) }

// canDiscard: the system gives zeros for private pages that it was told are not needed.
const canDiscard = true

func discard(b []byte) bool { return syscall.Madvise(b, syscall.MADV_DONTNEED) == nil }
