package snapshot

import (
	"errors"
	"io"
	"os"
	"runtime"
)

// A disk is what Write needs of a file system: the system's, and in tests one that fails.
type disk interface {
	create(dir, pattern string) (file, error) // a new file, as os.CreateTemp does
	rename(from, to string) error
	remove(name string) error
	sync(dir string) error // what was renamed stays so
}

type file interface {
	io.WriterAt
	io.Closer
	Sync() error
	Name() string
}

type system struct{}

func (system) create(dir, pattern string) (file, error) { return os.CreateTemp(dir, pattern) }
func (system) rename(from, to string) error             { return os.Rename(from, to) }
func (system) remove(name string) error                 { return os.Remove(name) }

func (system) sync(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // which has no such thing
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
