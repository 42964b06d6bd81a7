package driver

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode tells a file from others that were at its path, and from itself before its last change.
func inode(info fs.FileInfo) string {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprint(s.Ino, s.Ctimespec.Nano())
}
