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
