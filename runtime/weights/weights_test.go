package weights

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
)

var ctx = context.Background()

const fingerprint = "00112233445566778899aabbccddeeff"

var entries = []Entry{
	{"embed", "BF16", []int{50, 7}},
	{"self.norm", "F32", []int{16}},
	{"self.q", "F32", []int{2, 3, 64}},
	{"odd", "U8", []int{13}},
	{"scalar", "F32", nil},
	{"empty", "F32", []int{0, 64}},
	{"head", "BF16", []int{1, 8, 64, 2}},
}

// payload is some bytes for a tensor.
func payload(e Entry) []byte {
	n, err := e.size()
	if err != nil {
		panic(err)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + len(e.Name))
	}
	return b
}

// write makes a file of entries, the tensors in pieces and in turns.
func write(t testing.TB, path string, entries []Entry) {
	t.Helper()
	w, err := Create(path, fingerprint, entries)
	if err != nil {
		t.Fatal(err)
	}
	for half := range 2 {
		for _, e := range entries {
			b := payload(e)
			b = b[len(b)/2*half : max(len(b)/2, len(b)*half)]
			if err := w.Write(e.Name, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	w.Abort()
}

func sample(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	write(t, path, entries)
	return path
}

func TestRoundTrip(t *testing.T) {
	path := sample(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Open(path, fingerprint, entries)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := OpenBytes(append(make([]byte, 3), data...)[3:], "", entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*File{file, memory} {
		if err := f.Verify(ctx); err != nil {
			t.Error(err)
		}
		if s := f.Sum(); len(s) != hexDigits || !bytes.Contains(data, []byte(`"header":"`+s+`"`)) {
			t.Errorf("sum is %q", s)
		}
		if got := fmt.Sprint(f.Entries()); got != fmt.Sprint(entries) {
			t.Errorf("entries %v", got)
		}
		for _, e := range entries {
			b := f.Data(e.Name)
			if !bytes.Equal(b, payload(e)) {
				t.Errorf("%s: other bytes", e.Name)
			}
			at := uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(f.data)))
			if int64(at)%e.align() != 0 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%line != 0 {
				t.Errorf("%s begins at %d", e.Name, at)
			}
		}
		if x := f.F32("self.q"); len(x) != 2*3*64 || len(f.BF16("embed")) != 350 || len(f.F32("empty")) != 0 {
			t.Errorf("%d elements", len(x))
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(path + ".*"); left != nil {
		t.Errorf("%v is left", left)
	}
}

// What safetensors demands of a file, read by rules of its own: a JSON object of tensors that
// cover the payload without gaps.
func TestIsSafetensors(t *testing.T) {
	data, err := os.ReadFile(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(data)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	if data[8] != '{' {
		t.Error("the header does not begin with a brace")
	}
	var meta map[string]string
	if err := json.Unmarshal(header["__metadata__"], &meta); err != nil || meta["fingerprint"] != fingerprint {
		t.Errorf("metadata %v, %v", meta, err)
	}
	delete(header, "__metadata__")
	covered := make([]int, len(data)-8-int(n))
	for name, raw := range header {
		var v struct {
			DType       string
			Shape       []int
			DataOffsets [2]int `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		size := int(elemBytes[v.DType])
		for _, d := range v.Shape {
			size *= d
		}
		if v.DataOffsets[1]-v.DataOffsets[0] != size {
			t.Errorf("%s: %v", name, v)
		}
		for i := v.DataOffsets[0]; i < v.DataOffsets[1]; i++ {
			covered[i]++
		}
	}
	for i, c := range covered {
		if c != 1 {
			t.Fatalf("byte %d is in %d tensors", i, c)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w")
	for _, c := range []struct {
		entries []Entry
		want    string
	}{
		{[]Entry{{"a", "F32", nil}, {"a", "F32", nil}}, `tensor "a": the name is taken`},
		{[]Entry{{"_pad.3", "F32", nil}}, "the name is taken"},
		{[]Entry{{"__metadata__", "F32", nil}}, "the name is taken"},
		{[]Entry{{"a", "F33", nil}}, `tensor a: dtype "F33" is unknown`},
		{[]Entry{{"a", "F32", []int{1 << 40, 1 << 40}}}, "is not possible"},
		{[]Entry{{"a", "F32", []int{-1}}}, "is not possible"},
	} {
		if _, err := Create(path, "", c.entries); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.entries, err)
		}
	}
	w, err := Create(path, "", []Entry{{"a", "F32", []int{2}}, {"b", "F32", nil}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("c", nil); err == nil {
		t.Error("a tensor that was not announced was written")
	}
	if err := w.Write("a", make([]byte, 9)); err == nil {
		t.Error("9 bytes of 8 were written")
	}
	if err := w.Write("a", make([]byte, 5)); err != nil {
		t.Error(err)
	}
	if err := w.Commit(); err == nil || !strings.Contains(err.Error(), "tensor a: 5 bytes were written, want 8") ||
		!strings.Contains(err.Error(), "tensor b: 0 bytes") {
		t.Errorf("commit of a part: %v", err)
	}
	if err := w.Commit(); err == nil {
		t.Error("a second commit")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func TestOpenRefuses(t *testing.T) {
	path := sample(t)
	for _, c := range []struct {
		fingerprint string
		want        []Entry
		err         string
	}{
		{"ffff", nil, `header, byte 8: fingerprint is "0011223344556677"…, want "ffff"…`},
		{"", []Entry{{"self.k", "F32", []int{16}}}, "tensor self.k, byte 8: is missing, want F32 [16]"},
		{"", []Entry{{"self.norm", "F32", []int{4, 4}}}, "tensor self.norm, byte 4800: is F32 [16], want F32 [4 4]"},
		{"", []Entry{{"embed", "F32", []int{50, 7}}}, "tensor embed, byte 4096: is BF16 [50 7], want F32 [50 7]"},
	} {
		_, err := Open(path, c.fingerprint, c.want)
		if err == nil || !strings.Contains(err.Error(), path+": "+c.err) {
			t.Errorf("error %v, want %s", err, c.err)
		}
		var typed *Error
		if !errors.As(err, &typed) || typed.File != path {
			t.Errorf("error of type %T", err)
		}
	}
	if _, err := Open(path, "", []Entry{{"x", "F32", nil}, {"y", "F32", nil}}); err == nil ||
		!strings.Contains(err.Error(), "tensor x") || !strings.Contains(err.Error(), "tensor y") {
		t.Errorf("not all at once: %v", err)
	}
	if _, err := Open(t.TempDir(), "", nil); err == nil {
		t.Error("a folder was opened")
	}
	if pipe := filepath.Join(t.TempDir(), "pipe"); exec.Command("mkfifo", pipe).Run() == nil { // nobody writes to it
		if _, err := Open(pipe, "", nil); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("a pipe: %v", err)
		}
	}
	if _, err := Open(path+"x", "", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Any change of the header, and any other length, is noticed by Open; any of the payload by Verify.
func TestDamage(t *testing.T) {
	path := sample(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := 8 + int(binary.LittleEndian.Uint64(data))
	open := func(data []byte) (*File, error) { return OpenBytes(data, fingerprint, entries) }
	for i := range data {
		if i > 2000 && i < head-10 || i > head+100 && i%37 != 0 {
			continue // spaces; alike
		}
		bad := bytes.Clone(data)
		bad[i] ^= 1 << (i % 8)
		f, err := open(bad)
		if i < head {
			if err == nil {
				t.Fatalf("byte %d of the header was changed: no error", i)
			}
			continue
		}
		if err != nil {
			t.Fatalf("byte %d of the payload was changed: Open says %v", i, err)
		}
		if err := f.Verify(ctx); err == nil {
			t.Fatalf("byte %d of the payload was changed: no error", i)
		}
	}
	for _, n := range []int{0, 1, 7, 8, 9, 100, head - 1, head, head + 1, len(data) - 1} {
		if _, err := open(data[:n]); err == nil {
			t.Errorf("cut off at %d: no error", n)
		}
		if err := os.WriteFile(path, data[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, fingerprint, entries); err == nil {
			t.Errorf("file cut off at %d: no error", n)
		}
	}
	if _, err := open(append(bytes.Clone(data), 0)); err == nil {
		t.Error("a byte more: no error")
	}
}

func TestVerifyCancel(t *testing.T) {
	f, err := Open(sample(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if err := f.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	data, err := os.ReadFile(sample(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:5000])
	head := append([]byte(nil), data[:4096]...)
	f.Add(head)
	f.Add(bytes.Replace(head, []byte(`"shape":[16]`), []byte(`"shape":[-1]`), 1))
	f.Add([]byte("\x00\x10\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := OpenBytes(data, "", nil)
		if err != nil {
			var typed *Error
			if !errors.As(err, &typed) {
				t.Errorf("error of type %T: %v", err, err)
			}
			return
		}
		for _, e := range w.Entries() { // what Open let pass can be read
			for _, b := range w.Data(e.Name) {
				_ = b
			}
		}
		_ = w.Verify(ctx)
	})
}

// Checks behind the header's checksum are reached with a checksum that is right.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		`"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`,
		`"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}`,
		`"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}`,
		`"a":{"dtype":"U8","shape":[2,2],"data_offsets":[-4,0]}`,
		`"a":{"dtype":"U8","shape":[9223372036854775807,2],"data_offsets":[0,9223372036854775807]}`,
		`"_pad.0":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}`,
		`"a":null`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tensors string) {
		text := `{"__metadata__":{"format":"yococ","version":"1","header":"` + noChecksum + `"},` + tensors + "}"
		data := make([]byte, 8, page)
		data = append(data, text...)
		for len(data)%page != 0 {
			data = append(data, ' ')
		}
		binary.LittleEndian.PutUint64(data, uint64(len(data)-8))
		seal(data)
		w, err := OpenBytes(append(data, 0, 0, 0, 0), "", nil)
		if err != nil {
			return
		}
		total := 0
		for i := range w.tensors {
			total += len(w.Data(w.tensors[i].Name))
		}
		if total != 4 {
			t.Errorf("tensors of %d bytes in 4", total)
		}
	})
}
