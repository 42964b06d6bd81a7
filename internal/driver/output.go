package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteOutput writes the file that a user named. A link stays a link, and what it leads to is
// written; a device or a pipe is written to. A file keeps its permissions and is replaced at once,
// so that nobody sees half of it. Errors name the path that the user gave.
func WriteOutput(path string, data []byte) error {
	err := writeOutput(path, data)
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// CheckOutput returns what keeps WriteOutput from writing to path, as far as that shows before: for those who compute for
// long what they write.
func CheckOutput(path string) error {
	to := path
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s: is a folder, want a file", path)
	case err == nil && !info.Mode().IsRegular(): // to open a pipe would wait for its reader
		return nil
	case err == nil:
		if to, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".yococ-*")
	if err != nil {
		return fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func writeOutput(path string, data []byte) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil { // a link that leads to no file yet
			return os.WriteFile(path, data, 0o644)
		}
		return WriteFile(path, data)
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("is a folder, want a file")
	case !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Close())
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if err := WriteFile(target, data); err != nil {
		return err
	}
	return os.Chmod(target, info.Mode().Perm())
}
