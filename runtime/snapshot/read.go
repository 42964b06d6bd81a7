package snapshot

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A File is a file whose header has been read and found right. Its payload has not: Read does both.
type File struct {
	name   string
	file   source
	header *header
	start  int64 // of the payload
}

type source interface {
	io.ReaderAt
	io.Closer
}

// Open reads the header of a file.
func Open(path string) (*File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	var f *File
	if err == nil {
		f, err = open(path, file, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

func open(path string, file source, size int64) (*File, error) {
	start := make([]byte, min(fixed, size))
	if _, err := file.ReadAt(start, 0); err != nil {
		return nil, shorter(path, 0, err)
	}
	n, err := headerBytes(path, start, size)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := file.ReadAt(b, 0); err != nil {
		return nil, shorter(path, 0, err)
	}
	h, err := decode(path, b, size)
	if err != nil {
		return nil, err
	}
	return &File{path, file, h, n}, nil
}

// shorter says of a file that ends where it did not a moment ago what that is.
func shorter(name string, offset int64, err error) error {
	if errors.Is(err, io.EOF) {
		return &Error{name, offset, "the file became shorter while it was read"}
	}
	return err
}

// Name is the path that the file was opened by.
func (f *File) Name() string { return f.name }

// Description is what the file says of itself. It may not be written to.
func (f *File) Description() []byte { return f.header.description }

// Sizes are the lengths of the pieces. They may not be written to.
func (f *File) Sizes() []int64 { return f.header.sizes }

// Bad is the error that the description is not what it should be.
func (f *File) Bad(problem string, args ...any) error {
	return &Error{f.name, fixed, fmt.Sprintf(problem, args...)}
}

// Read reads all pieces into memory that holds zeros and has their lengths, with so many threads. After an
// error, which is that of a byte that is not right or could not be read, the memory is of no use.
func (f *File) Read(pieces [][]byte, threads int) error {
	h := f.header
	if len(pieces) != len(h.sizes) {
		panic(fmt.Sprintf("BUG: memory for %d pieces of %d", len(pieces), len(h.sizes)))
	}
	for i, b := range pieces {
		if int64(len(b)) != h.sizes[i] {
			panic(fmt.Sprintf("BUG: %d bytes for piece %d of %d", len(b), i, h.sizes[i]))
		}
	}
	return share(threads, len(h.sums), func(i int) error {
		from := int64(i) * block
		to := min(from+block, h.stored())
		sum := uint32(0)
		err := h.parts(from, to, nearby, func(p part) error {
			b := p.of(pieces)
			if err := f.readAt(b, p.at, &sum); err != nil || int64(len(b)) == p.n {
				return err
			}
			fill := make([]byte, p.n-int64(len(b)))
			if err := f.readAt(fill, p.at+int64(len(b)), &sum); err != nil {
				return err
			}
			if !zero(fill) {
				return &Error{f.name, f.start + p.at + int64(len(b)), "the last page of a piece is not filled up with zeros"}
			}
			return nil
		})
		if err == nil && sum != h.sums[i] {
			err = &Error{f.name, f.start + from, fmt.Sprintf("bytes %d to %d have the checksum %08x, want %08x: the file is damaged",
				f.start+from, f.start+to-1, sum, h.sums[i])}
		}
		return err
	})
}

// readAt reads bytes of the payload and adds them to a checksum.
func (f *File) readAt(b []byte, at int64, sum *uint32) error {
	if _, err := f.file.ReadAt(b, f.start+at); err != nil {
		return shorter(f.name, f.start+at, err)
	}
	*sum = crc32.Update(*sum, castagnoli, b)
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
