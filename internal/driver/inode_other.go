//go:build !linux && !darwin

package driver

import "io/fs"

// inode is nothing where it is not known how to ask.
func inode(fs.FileInfo) string { return "" }
