//go:build linux || darwin

package driver

import (
	"errors"
	"os"
	"syscall"
)

// canLock says that a file in use can be told from others.
const canLock = true

// hold opens a file or folder and marks it as used until it is closed. A file system may know no
// locks: then what is in use stays readable when it is dropped, as on any unix.
func hold(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err == nil {
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	}
	return f, err
}

// alone reports whether nobody holds a file or folder; nobody can until free is called.
func alone(path string) (free func(), ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, false
	}
	return func() { f.Close() }, true
}

// diskFree is the bytes that the user may still write to a folder's disk.
func diskFree(dir string) (int64, bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
