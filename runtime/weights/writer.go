package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
)

// A Writer makes a weight file. It writes aside; Commit gives the file its name, so that a file
// of that name is whole. A Writer is used by one goroutine.
type Writer struct {
	path    string
	file    *os.File
	header  []byte
	start   int64 // of the payload
	tensors []tensor
	parts   map[string]*part
}

// A part is what has been written of a tensor.
type part struct {
	tensor
	at  int64
	sum hash.Hash
}

// Create begins the file of a model whose tensors are entries, in that order.
func Create(path, fingerprint string, entries []Entry) (*Writer, error) {
	ts, err := place(entries)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	w := &Writer{path: path, tensors: ts, header: header(fingerprint, ts), parts: map[string]*part{}}
	w.start = int64(len(w.header))
	if w.start-8 > maxHeader {
		return nil, fmt.Errorf("%s: the header has %d bytes, want at most %d", path, w.start-8, maxHeader)
	}
	for _, t := range ts {
		if !strings.HasPrefix(t.Name, padPrefix) {
			w.parts[t.Name] = &part{t, t.begin, sha256.New()}
		}
	}
	if w.file, err = os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part"); err != nil {
		return nil, err
	}
	size := w.start
	if len(ts) > 0 {
		size += ts[len(ts)-1].end
	}
	if err := w.file.Truncate(size); err != nil { // padding is zero from here on
		w.Abort()
		return nil, err
	}
	return w, nil
}

// Write appends data to the tensor name. Tensors may be written in any order and in turns.
func (w *Writer) Write(name string, data []byte) error {
	p := w.parts[name]
	switch {
	case p == nil:
		return fmt.Errorf("%s: no tensor %s was announced", w.path, name)
	case p.at+int64(len(data)) > p.end:
		return fmt.Errorf("%s: tensor %s: %d bytes were written, want %d",
			w.path, name, p.at-p.begin+int64(len(data)), p.end-p.begin)
	}
	if _, err := w.file.WriteAt(data, w.start+p.at); err != nil {
		return err
	}
	p.sum.Write(data)
	p.at += int64(len(data))
	return nil
}

// Commit ends the file: all tensors have to be whole. A Writer whose Commit fails is aborted.
func (w *Writer) Commit() error {
	err := w.commit()
	if err != nil {
		w.Abort()
	}
	return err
}

func (w *Writer) commit() error {
	if w.file == nil {
		return fmt.Errorf("%s: the writer has ended", w.path)
	}
	var errs []error
	for _, t := range w.tensors {
		p := w.parts[t.Name]
		if p == nil {
			continue
		}
		if p.at != p.end {
			errs = append(errs, fmt.Errorf("%s: tensor %s: %d bytes were written, want %d",
				w.path, t.Name, p.at-p.begin, p.end-p.begin))
		}
		setChecksum(w.header, sumPrefix+t.Name, p.sum.Sum(nil))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	seal(w.header)
	if _, err := w.file.WriteAt(w.header, 0); err != nil {
		return err
	}
	if err := w.file.Chmod(0o644); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(w.file.Name(), w.path); err != nil {
		return err
	}
	w.file = nil
	return nil
}

// Abort removes what was written. It does nothing after Commit.
func (w *Writer) Abort() {
	if w.file != nil {
		w.file.Close()
		os.Remove(w.file.Name())
		w.file = nil
	}
}

// header returns the first bytes of the file, up to the payload, with zeros for checksums.
func header(fingerprint string, ts []tensor) []byte {
	b := make([]byte, 8, page)
	field := func(key, value string) {
		b = append(quote(append(quote(b, key), ':'), value), ',')
	}
	b = append(quote(append(b, '{'), metadata), ":{"...)
	field("format", format)
	field("version", version)
	field("fingerprint", fingerprint)
	for _, t := range ts {
		if !strings.HasPrefix(t.Name, padPrefix) {
			field(sumPrefix+t.Name, noChecksum)
		}
	}
	field(headerSum, noChecksum)
	b[len(b)-1] = '}'
	for _, t := range ts {
		b = append(quote(append(b, ','), t.Name), `:{"dtype":`...)
		b = append(quote(b, t.DType), `,"shape":[`...)
		for i, d := range t.Shape {
			if i > 0 {
				b = append(b, ',')
			}
			b = fmt.Append(b, d)
		}
		b = fmt.Appendf(b, `],"data_offsets":[%d,%d]}`, t.begin, t.end)
	}
	b = append(b, '}')
	b = append(b, bytes.Repeat([]byte{' '}, -len(b)&(page-1))...)
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	return b
}

// quote appends s as a JSON string.
func quote(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return append(b, q...)
}

// checksumAt is where the digits of a checksum are in a header that header wrote, or -1.
func checksumAt(header []byte, key string) int {
	k := append(quote(nil, key), ':', '"')
	i := bytes.Index(header, k)
	if i < 0 || i+len(k)+hexDigits > len(header) {
		return -1
	}
	return i + len(k)
}

// seal gives a header, which is complete but for it, its own checksum.
func seal(header []byte) {
	sum := sha256.Sum256(header)
	setChecksum(header, headerSum, sum[:])
}

func setChecksum(header []byte, key string, sum []byte) {
	at := checksumAt(header, key)
	if at < 0 {
		panic("BUG: no room for checksum " + key)
	}
	hex.Encode(header[at:at+hexDigits], sum)
}
