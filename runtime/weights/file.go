package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"unsafe"
)

// A File is an opened weight file. Its tensors are read-only: writing to them is a fault.
type File struct {
	name    string
	data    []byte // all of it
	unmap   func() error
	tensors []tensor // in order, offsets in data
	byName  map[string]*tensor
	sums    map[string]string // of the payloads, hexadecimal
	sum     string            // of the header, likewise
	file    *os.File          // open until the pages are settled; nil for a file in memory
	settle  settling
}

// An Error is a weight file that is not what it should be.
type Error struct {
	File    string
	Tensor  string // empty: the header
	Offset  int64  // in the file
	Problem string
}

func (e *Error) Error() string {
	if e.Tensor == "" {
		return fmt.Sprintf("%s: header, byte %d: %s", e.File, e.Offset, e.Problem)
	}
	return fmt.Sprintf("%s: tensor %s, byte %d: %s", e.File, e.Tensor, e.Offset, e.Problem)
}

// Open maps the file at path and checks its header, its size, its fingerprint (if one is given)
// and that the wanted tensors are there, with their type and shape. It does not read the payload
// unless an option says so.
func Open(path, fingerprint string, want []Entry, opts ...Option) (*File, error) {
	var o options
	for _, set := range opts {
		set(&o)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, &Error{File: path, Problem: notRegular}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := open(path, file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f.settle.huge = o.huge
	err = f.check(fingerprint, want)
	if err == nil && o.verify {
		err = f.Verify(context.Background())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

const notRegular = "not a regular file"

// open maps a file.
func open(path string, file *os.File) (*File, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{File: path, Problem: notRegular}
	}
	if info.Size() < 8 {
		return nil, &Error{File: path, Offset: info.Size(), Problem: "the file ends inside the length of its header"}
	}
	data, unmap, err := mapFile(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: map %d bytes: %w", path, info.Size(), err)
	}
	return &File{name: path, data: data, unmap: unmap, file: file}, nil
}

// OpenBytes is Open for a file in memory, such as an embedded one. It copies data unless that
// begins on a cache line; if it does not copy, data must stay as it is.
func OpenBytes(data []byte, fingerprint string, want []Entry) (*File, error) {
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%line != 0 {
		data = append(aligned(len(data))[:0], data...)
	}
	f := &File{name: "weights in memory", data: data, unmap: func() error { return nil }}
	if err := f.check(fingerprint, want); err != nil {
		return nil, err
	}
	return f, nil
}

// aligned returns n bytes that begin on a cache line.
func aligned(n int) []byte {
	b := make([]byte, n+line)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (line - 1)
	return b[skip : skip+n : skip+n]
}

func (f *File) check(fingerprint string, want []Entry) error {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return fmt.Errorf("%s: weight files are little-endian, this machine is not", f.name)
	}
	found, err := f.readHeader()
	if err != nil {
		return err
	}
	if fingerprint != "" && found != fingerprint {
		return &Error{File: f.name, Offset: 8, Problem: fmt.Sprintf(
			"fingerprint is %.16q…, want %.16q…: the file was built for another package", found, fingerprint)}
	}
	var errs []error
	for i := range want {
		w := &want[i]
		t := f.byName[w.Name]
		switch {
		case t == nil:
			errs = append(errs, &Error{f.name, w.Name, 8, fmt.Sprintf("is missing, want %s %v", w.DType, w.Shape)})
		case !t.sameAs(w):
			errs = append(errs, &Error{f.name, w.Name, t.begin, fmt.Sprintf(
				"is %s %v, want %s %v", t.DType, t.Shape, w.DType, w.Shape)})
		}
	}
	return errors.Join(errs...)
}

// Name is the path that the file was opened by.
func (f *File) Name() string { return f.name }

// Bytes is the whole file.
func (f *File) Bytes() []byte { return f.data }

// Sum is the SHA-256 of the header, hexadecimal. Since that holds the tensors' own, files with the same Sum have the
// same weights.
func (f *File) Sum() string { return f.sum }

// Entries are the tensors of the file, in order, without padding.
func (f *File) Entries() []Entry {
	var es []Entry
	for i := range f.tensors {
		if t := &f.tensors[i]; !strings.HasPrefix(t.Name, padPrefix) {
			es = append(es, t.Entry)
		}
	}
	return es
}

// DType is the element type of a tensor, empty if there is no such tensor.
func (f *File) DType(name string) string {
	if t := f.byName[name]; t != nil {
		return t.DType
	}
	return ""
}

// Data is the payload of a tensor that Open was told to want.
func (f *File) Data(name string) []byte {
	t := f.byName[name]
	if t == nil {
		panic(fmt.Sprintf("BUG: %s has no tensor %s", f.name, name))
	}
	return f.data[t.begin:t.end:t.end]
}

// F32 is the payload of a tensor of float32.
func (f *File) F32(name string) []float32 { return elems[float32](f, name, "F32") }

// BF16 is the payload of a tensor of bfloat16.
func (f *File) BF16(name string) []uint16 { return elems[uint16](f, name, "BF16") }

func elems[T any](f *File, name, dtype string) []T {
	b := f.Data(name)
	if d := f.DType(name); d != dtype {
		panic(fmt.Sprintf("BUG: tensor %s is %s, want %s", name, d, dtype))
	}
	var t T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(t)))
}

// Verify reads the whole payload and compares it with the checksums in the header.
func (f *File) Verify(ctx context.Context) error {
	for i := range f.tensors {
		if err := f.verify(ctx, &f.tensors[i]); err != nil {
			return err
		}
	}
	return nil
}

// verify reads one tensor. A mapped file tells by a fault that it cannot be read any more.
func (f *File) verify(ctx context.Context, t *tensor) (err error) {
	const step = 1 << 20
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if _, fault := r.(interface{ Addr() uintptr }); fault {
			err = &Error{f.name, t.Name, t.begin, fmt.Sprintf("bytes %d to %d cannot be read: the file was cut off, or its disk fails", t.begin, t.end)}
		} else if r != nil {
			panic(r)
		}
	}()
	pad := strings.HasPrefix(t.Name, padPrefix)
	sum := sha256.New()
	for b := f.data[t.begin:t.end]; len(b) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(step, len(b))
		if pad && bytes.Count(b[:n], []byte{0}) != n {
			return &Error{f.name, t.Name, t.begin, fmt.Sprintf("bytes %d to %d are not all zero", t.begin, t.end)}
		}
		sum.Write(b[:n])
		b = b[n:]
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !pad && got != f.sums[t.Name] {
		return &Error{f.name, t.Name, t.begin, fmt.Sprintf(
			"bytes %d to %d have SHA-256 %.16s…, want %.16s…: the file is damaged", t.begin, t.end, got, f.sums[t.Name])}
	}
	return nil
}

// Close unmaps the file; its tensors must not be used any more. Closing twice is no error.
func (f *File) Close() error {
	f.unsettle()
	unmap := f.unmap
	f.data, f.tensors, f.byName, f.unmap = nil, nil, nil, nil
	if unmap == nil {
		return nil
	}
	return unmap()
}
