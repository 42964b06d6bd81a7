//go:build unix && !solaris && !illumos && !aix

package snapshot

import (
	"os"
	"syscall"
)

// hold takes a file's lock, and reports whether that was free.
func hold(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
