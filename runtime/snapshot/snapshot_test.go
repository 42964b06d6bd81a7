package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// some are pieces with everything that matters: none, empty ones, parts of pages, zeros at the
// beginning, in the middle and at the end, more than a block.
func some() map[string][][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32()) | 1
		}
		return b
	}
	holes := noise(9 * page)
	clear(holes[:page])
	clear(holes[3*page : 5*page])
	holes[4*page+17] = 1
	clear(holes[8*page:])
	return map[string][][]byte{
		"nothing":       nil,
		"empty":         {{}, nil, {}},
		"a byte":        {{7}},
		"zeros":         {make([]byte, 3*page+5), make([]byte, 1)},
		"parts":         {noise(5), {}, noise(page), noise(page + 1), make([]byte, page), noise(3)},
		"holes":         {holes, holes, noise(17)},
		"blocks":        {noise(2*block + 77), noise(block), noise(block - page), make([]byte, 2*block), noise(9)},
		"zeros at last": {append(noise(page), make([]byte, 100)...)},
	}
}

func save(t testing.TB, description string, pieces [][]byte, threads int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := Write(path, []byte(description), pieces, threads); err != nil {
		t.Fatal(err)
	}
	return path
}

// load is what a caller does: it believes nothing before all has been read.
func load(path string, threads int) (description string, pieces [][]byte, err error) {
	f, err := Open(path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	return read(f, threads)
}

func read(f *File, threads int) (description string, pieces [][]byte, err error) {
	for _, n := range f.Sizes() {
		pieces = append(pieces, make([]byte, n))
	}
	if err := f.Read(pieces, threads); err != nil {
		return "", nil, err
	}
	return string(f.Description()), pieces, nil
}

func same(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func TestRoundTrip(t *testing.T) {
	for name, pieces := range some() {
		t.Run(name, func(t *testing.T) {
			var first []byte
			for _, threads := range []int{1, 2, 7} {
				path := save(t, name, pieces, threads)
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = data
				}
				if !bytes.Equal(data, first) {
					t.Error("equal pieces make different files")
				}
				description, got, err := load(path, threads)
				if err != nil {
					t.Fatal(err)
				}
				if description != name || !same(got, pieces) {
					t.Errorf("%d threads: %q and its pieces are not what was written", threads, description)
				}
			}
		})
	}
}

// TestZerosAreNotStored: memory that is hardly used makes a small file.
func TestZerosAreNotStored(t *testing.T) {
	pieces := [][]byte{make([]byte, 64<<20)}
	pieces[0][40<<20] = 1
	info, err := os.Stat(save(t, "", pieces, 2))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != 2*page {
		t.Errorf("%d bytes, want a page of header and one of payload", info.Size())
	}
}

// TestReplaces a file, and nothing but a file.
func TestReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, b := range []byte{1, 2} {
		if err := Write(path, nil, [][]byte{{b}}, 1); err != nil {
			t.Fatal(err)
		}
		if _, got, err := load(path, 1); err != nil || got[0][0] != b {
			t.Fatalf("%v, %v", got, err)
		}
	}
	if err := Write(dir, nil, nil, 1); err == nil || err.Error() != dir+": not a regular file" {
		t.Error(err)
	}
	if _, err := Open(dir); err == nil || err.Error() != dir+": not a regular file" {
		t.Error(err)
	}
	if err := Write(filepath.Join(dir, "none", "file"), nil, nil, 1); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read a session: %v, %v", info.Mode(), err)
	}
	if left := entries(t, dir); len(left) != 1 {
		t.Errorf("%q are left", left)
	}
}

func entries(t testing.TB, dir string) (names []string) {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		names = append(names, e.Name())
	}
	return names
}

// damaged opens and reads data in place of a file, and wants an Error that names a byte of it.
func damaged(data []byte) error {
	_, _, err := memory(data)
	if err == nil {
		return errors.New("is accepted")
	}
	var e *Error
	if !errors.As(err, &e) || e.File != "x" || e.Offset < 0 || e.Offset > int64(len(data)) {
		return fmt.Errorf("is not refused as it should: %v", err)
	}
	return nil
}

// memory reads a file that is data.
func memory(data []byte) (description string, pieces [][]byte, err error) {
	f, err := open("x", inMemory{bytes.NewReader(data)}, int64(len(data)))
	if err != nil {
		return "", nil, err
	}
	return read(f, 1)
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// TestEveryByteCounts: a file is refused if any of its bytes is another one, wherever it ends too
// early, and with anything behind it.
func TestEveryByteCounts(t *testing.T) {
	for _, name := range []string{"empty", "parts", "zeros at last"} {
		data, err := os.ReadFile(save(t, "what it is", some()[name], 1))
		if err != nil {
			t.Fatal(err)
		}
		for i := range data {
			for _, flip := range []byte{1, 0x80, 0xff} {
				data[i] ^= flip
				if err := damaged(data); err != nil {
					t.Fatalf("%s: byte %d of %d with bits %02x flipped %v", name, i, len(data), flip, err)
				}
				data[i] ^= flip
			}
			if err := damaged(data[:i]); err != nil {
				t.Fatalf("%s: cut off at byte %d of %d it %v", name, i, len(data), err)
			}
		}
		for _, more := range []int{1, page, block} {
			if err := damaged(append(data[:len(data):len(data)], make([]byte, more)...)); err != nil {
				t.Errorf("%s: with %d zeros behind it %v", name, more, err)
			}
		}
	}
}

// TestErrors are what somebody reads whose file is damaged.
func TestErrors(t *testing.T) {
	path := save(t, "d", [][]byte{bytes.Repeat([]byte{1}, 2*block)}, 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want   string
		change func(b []byte) []byte
	}{
		{"byte 0: this is no saved session", func(b []byte) []byte { return []byte("hello, world") }},
		{"byte 0: the file ends inside its header: it was cut off", func(b []byte) []byte { return nil }},
		{"byte 30: the file ends inside its header: it was cut off", func(b []byte) []byte { return b[:30] }},
		{"byte 50: the file ends inside its header of 4096 bytes: it was cut off", func(b []byte) []byte { return b[:50] }},
		{"byte 5000: the file ends here and should have 2101248 bytes: it was cut off", func(b []byte) []byte { return b[:5000] }},
		{"byte 2101248: the file should end here and has 2101249 bytes", func(b []byte) []byte { return append(b, 0) }},
		{"byte 8: version 2, want 1", func(b []byte) []byte { b[8] = 2; return b }},
		{"byte 12: the header has 4097 bytes: the file is damaged", func(b []byte) []byte { b[12]++; return b }},
		{"byte 0: bytes 0 to 4091, the header, have the checksum ", func(b []byte) []byte { b[41]++; return b }},
		{"byte 1052672: bytes 1052672 to 2101247 have the checksum ", func(b []byte) []byte { b[page+block+5]++; return b }},
	} {
		if err := os.WriteFile(path, c.change(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := load(path, 2)
		if err == nil || !strings.HasPrefix(err.Error(), path+": "+c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// FuzzRead reads anything: what is accepted is exactly what Write makes of it. With seal the header gets
// the checksum that it should have, so that what lies behind that check is reached.
func FuzzRead(f *testing.F) {
	for name, pieces := range some() {
		data, err := os.ReadFile(save(f, name, pieces, 1))
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < block {
			f.Add(data, false)
			f.Add(data, true)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		data = bytes.Clone(data)
		if n, err := headerBytes("", data[:min(fixed, len(data))], int64(len(data))); seal && err == nil {
			reseal(data[:n])
		}
		x, err := open("x", inMemory{bytes.NewReader(data)}, int64(len(data)))
		if err != nil {
			return
		}
		if x.header.pages() > 4*block/page {
			return // memory that a caller would not give
		}
		description, pieces, err := read(x, 2)
		if err != nil {
			return
		}
		h := &header{layout: lay(pieces, 1), description: []byte(description)}
		if len(h.runs) != len(x.header.runs) {
			return // pages of zeros that need not have been stored
		}
		d := &testDisk{files: map[string]*testFile{}, fail: -1, crash: -1}
		if err := write(d, "x", []byte(description), pieces, 1); err != nil {
			t.Fatal(err)
		}
		if again := d.files["x"].data; !bytes.Equal(again, data) {
			t.Errorf("accepted %d bytes, but Write makes %d others of them", len(data), len(again))
		}
	})
}

// reseal gives a header the checksum of its bytes.
func reseal(b []byte) {
	end := len(b) - 4
	sum := crc32.Checksum(b[:end], castagnoli)
	b[end], b[end+1], b[end+2], b[end+3] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
}
