package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readHeader fills in tensors, byName and sums, and returns the fingerprint. It accepts what
// Writer writes: tensors in the order of their offsets, aligned, without gaps, to the last byte.
func (f *File) readHeader() (fingerprint string, err error) {
	fail := func(offset int64, problem string, args ...any) (string, error) {
		return "", &Error{File: f.name, Offset: offset, Problem: fmt.Sprintf(problem, args...)}
	}
	if len(f.data) < 8 {
		return fail(int64(len(f.data)), "the file ends inside the length of its header")
	}
	length := binary.LittleEndian.Uint64(f.data)
	if length > maxHeader || 8+int64(length) > int64(len(f.data)) {
		return fail(0, "its length is %d, in a file of %d bytes: not a weight file, or cut off", length, len(f.data))
	}
	head := f.data[:8+length]
	if len(head)%page != 0 || length == 0 {
		return fail(0, "its length is %d; the tensors would not begin on a page", length)
	}
	r := reader{text: head[8:]}
	meta, err := r.read()
	if err != nil {
		return fail(8+r.offset(), "%v", err)
	}
	for _, m := range []struct{ key, want string }{{"format", format}, {"version", version}} {
		if meta[m.key] != m.want {
			return fail(8, "%s is %q, want %q", m.key, meta[m.key], m.want)
		}
	}
	if err := checkSum(head, meta[headerSum]); err != nil {
		return fail(8, "%v", err)
	}
	at := int64(len(head))
	f.byName, f.sums = map[string]*tensor{}, map[string]string{}
	for i := range r.tensors {
		t, base := &r.tensors[i], int64(len(head)) // offsets count from the header's end at first
		bad := func(problem string, args ...any) (string, error) {
			return "", &Error{f.name, t.Name, t.begin + base, fmt.Sprintf(problem, args...)}
		}
		if t.begin < 0 || t.end < t.begin || t.end > int64(len(f.data)-len(head)) {
			return bad("data_offsets are [%d,%d], in a file with %d bytes of tensors", t.begin, t.end, len(f.data)-len(head))
		}
		t.begin += int64(len(head))
		t.end += int64(len(head))
		base = 0
		size, err := t.size()
		switch {
		case err != nil:
			return bad("%v", err)
		case t.end-t.begin != size:
			return bad("%s %v takes %d bytes, but it has %d", t.DType, t.Shape, size, t.end-t.begin)
		case t.begin != at:
			return bad("the tensor before it ends at byte %d", at)
		case t.begin%t.align() != 0:
			return bad("begins at no multiple of %d", t.align())
		}
		at = t.end
		f.byName[t.Name] = t
		f.sums[t.Name] = meta[sumPrefix+t.Name]
	}
	if at != int64(len(f.data)) {
		return fail(at, "the tensors end here, the file has %d bytes", len(f.data))
	}
	f.tensors, f.sum = r.tensors, meta[headerSum]
	return meta["fingerprint"], nil
}

// checkSum compares the header's checksum with the header, which holds it.
func checkSum(head []byte, want string) error {
	at := checksumAt(head, headerSum)
	if at < 0 || len(want) != hexDigits {
		return fmt.Errorf("it has no checksum of its own")
	}
	sum := sha256.New()
	sum.Write(head[:at])
	io.WriteString(sum, noChecksum)
	sum.Write(head[at+hexDigits:])
	if got := hex.EncodeToString(sum.Sum(nil)); got != want || string(head[at:at+hexDigits]) != want {
		return fmt.Errorf("its SHA-256 is %.16s…, want %.16s…: it is damaged", got, want)
	}
	return nil
}

// A reader parses the header's JSON, keeping the order of tensors and refusing a name twice.
type reader struct {
	text    []byte
	dec     *json.Decoder
	tensors []tensor
}

func (r *reader) offset() int64 { return r.dec.InputOffset() }

func (r *reader) read() (meta map[string]string, err error) {
	r.dec = json.NewDecoder(bytes.NewReader(r.text))
	r.dec.DisallowUnknownFields()
	if tok, err := r.dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, fmt.Errorf("not a JSON object")
	}
	seen := map[string]bool{}
	for r.dec.More() {
		tok, err := r.dec.Token()
		if err != nil {
			return nil, err
		}
		name := tok.(string) // the decoder allows nothing else for a key
		if seen[name] {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		if name == metadata {
			if err := r.dec.Decode(&meta); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			continue
		}
		var v struct {
			DType   string  `json:"dtype"`
			Shape   []int   `json:"shape"`
			Offsets []int64 `json:"data_offsets"`
		}
		if err := r.dec.Decode(&v); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if len(v.Offsets) != 2 {
			return nil, fmt.Errorf("tensor %q: %d data_offsets, want 2", name, len(v.Offsets))
		}
		r.tensors = append(r.tensors, tensor{Entry{name, v.DType, v.Shape}, v.Offsets[0], v.Offsets[1]})
	}
	if _, err := r.dec.Token(); err != nil {
		return nil, err
	}
	if rest := r.text[r.dec.InputOffset():]; strings.Trim(string(rest), " ") != "" {
		return nil, fmt.Errorf("something follows the JSON object")
	}
	slices.SortStableFunc(r.tensors, func(a, b tensor) int {
		if a.begin != b.begin {
			return int(min(max(a.begin-b.begin, -1), 1))
		}
		return int(min(max(a.end-b.end, -1), 1))
	})
	return meta, nil
}
