package snapshot

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

var errNoName = errors.New("want the name of a file")

// Write makes the file at path, or replaces it, with so many threads. It writes aside and gives the file its
// name when all of it is on the disk: whatever happens, a file of that name is whole, the one before or the
// new one. After an error nothing else is left; what a process that was killed left for this name more than a minute ago is
// removed, where locks tell. Only its owner may read the file. A symbolic link stays, and the file that it leads to is made
// or replaced.
func Write(path string, description []byte, pieces [][]byte, threads int) error {
	if path == "" {
		return errNoName
	}
	to, err := place(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return write(system{}, to, description, pieces, threads)
}

// Probe returns what keeps Write from making a file at path, as far as it shows before: it makes the file that Write
// writes first, and removes it. Its error doesn't name path, but what a link at path leads to.
func Probe(path string) error {
	to, err := place(path)
	if err != nil {
		return err
	}
	dir, _ := folder(to)
	f, err := os.CreateTemp(dir, ".yococ-*")
	if err == nil {
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err = errors.Unwrap(err); to != path {
		err = fmt.Errorf("%s: %w", to, err)
	}
	return err
}

// folder is the folder of a file, and its name there. The folder isn't cleaned, for the reason that target has.
func folder(path string) (dir, base string) {
	if dir, base = filepath.Split(path); dir == "" {
		dir = "."
	}
	return dir, base
}

// place is the path of the file that is made for path, and refuses what is there and no file.
func place(path string) (string, error) {
	if path == "" {
		return "", errNoName
	}
	to, err := target(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(to); err == nil && !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	return to, nil
}

// target is the path that symbolic links at path lead to, whether there is a file or not.
func target(path string) (string, error) {
	const most = 40 // links one behind the other, as Linux has it
	at := path
	for range most {
		info, err := os.Lstat(at)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return at, nil // what is wrong is said when the file is made
		}
		to, err := os.Readlink(at)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			dir, _ := filepath.Split(at)
			to = dir + to // not cleaned: a folder before .. may be a link too
		}
		at = to
	}
	return "", errors.New("too many symbolic links")
}

func write(d disk, path string, description []byte, pieces [][]byte, threads int) error {
	h := &header{layout: lay(pieces, threads), description: description}
	h.sums = make([]uint32, (h.stored()+block-1)/block)
	if size := h.bytes(); len(description) > maxDescription || len(pieces) > maxPieces || size > maxHeader {
		return fmt.Errorf("%s: a description of %d bytes and %d pieces make a header of %d, which is too much",
			path, len(description), len(pieces), size)
	}
	dir, base := folder(path)
	f, err := d.create(dir, base+".*.part")
	if err != nil {
		return err
	}
	lock(f)
	err = h.write(f, pieces, threads)
	freshen(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = d.rename(f.Name(), path)
	}
	if err != nil {
		_ = d.remove(f.Name()) // of two errors the first says more
		return err
	}
	sweep(dir, base)
	return d.sync(dir)
}

// write fills a file: the payload, then the header that says so.
func (h *header) write(f file, pieces [][]byte, threads int) error {
	start := h.bytes()
	err := share(threads, len(h.sums), func(i int) error {
		from := int64(i) * block
		sum := uint32(0)
		err := h.parts(from, min(from+block, h.stored()), nearby, func(p part) error {
			b := p.of(pieces)
			sum = crc32.Update(sum, castagnoli, b)
			if _, err := f.WriteAt(b, start+p.at); err != nil {
				return err
			}
			if fill := p.n - int64(len(b)); fill > 0 {
				sum = crc32.Update(sum, castagnoli, zeros[:fill])
				_, err := f.WriteAt(zeros[:fill], start+p.at+int64(len(b)))
				return err
			}
			return nil
		})
		h.sums[i] = sum
		return err
	})
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return err
	}
	return f.Sync()
}

// nearby is how many pages are read or written at a time: they stay in a near cache until their checksum is
// computed.
const nearby = 256 << 10 / page
