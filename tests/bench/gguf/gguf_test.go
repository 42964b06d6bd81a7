package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"testing"

	"github.com/yococ/yococ/models"
)

const small = `
name: small
vocab: 500
dim: 64
self:
  layers: 1
  mixer: {kind: gated-retention, heads: 4}
  ffn: {hidden: 96}
cache: {kv_heads: 2}
cross:
  layers: 2
  heads: 4
  ffn: {hidden: 96}
`

func sizes(t *testing.T, text string) llama {
	t.Helper()
	spec, err := models.Parse("small.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLlama(spec)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLlama(t *testing.T) {
	l := sizes(t, small)
	params := 0
	for _, x := range l.tensors() {
		params += x.elems()
	}
	layer := 2*64 + 64*64 + 2*64*32 + 64*64 + 3*64*96
	if want := 3*layer + 64 + 2*500*64; params != want {
		t.Errorf("%d parameters, want %d", params, want)
	}
	spec, err := models.Parse("small.yaml", bytes.Replace([]byte(small), []byte("vocab: 500"), []byte("vocab: 400"), 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newLlama(spec); err == nil {
		t.Error("a vocabulary that lacks the bytes was not refused")
	}
}

// TestWrite reads a file's list of tensors back, and the values of each.
func TestWrite(t *testing.T) {
	l := sizes(t, small)
	for name, typ := range types {
		t.Run(name, func(t *testing.T) {
			var file, again bytes.Buffer
			for _, w := range []io.Writer{&file, &again} {
				if err := write(w, l, typ); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(file.Bytes(), again.Bytes()) {
				t.Error("two files of the same arguments differ")
			}
			r := reader{bytes.NewReader(file.Bytes())}
			if magic := r.bytes(4); string(magic) != "GGUF" || r.u32() != 3 {
				t.Fatalf("begins with %q", magic)
			}
			tensors, keys := r.u64(), r.u64()
			for range keys {
				r.text()
				r.value(r.u32())
			}
			offsets := make([]int, tensors)
			for i, x := range l.tensors() {
				if got := r.text(); got != x.name {
					t.Errorf("tensor %d: %s, want %s", i, got, x.name)
				}
				dims := make([]int, r.u32())
				for d := range dims {
					dims[d] = int(r.u64())
				}
				if dims[0] != x.in || len(dims) == 2 && dims[1] != x.out || (len(dims) == 1) != (x.out == 0) {
					t.Errorf("%s: %v, want %d by %d", x.name, dims, x.in, x.out)
				}
				if code := r.u32(); code != typeOf(x, typ).code {
					t.Errorf("%s: of type %d", x.name, code)
				}
				offsets[i] = int(r.u64())
			}
			start := file.Len() - r.Len()
			start += pad(start)
			end := start
			for i, x := range l.tensors() {
				from := start + offsets[i]
				if from != end {
					t.Fatalf("%s: at %d, want %d", x.name, from, end)
				}
				n := typeOf(x, typ).size(x.elems())
				checkValues(t, x, typeOf(x, typ), file.Bytes()[from:from+n])
				end = from + n + pad(n)
			}
			if end != file.Len() {
				t.Errorf("%d bytes, want %d", file.Len(), end)
			}
		})
	}
}

// checkValues wants ones of a vector, and of a matrix a mean near 0 and a deviation of 1/√in: for n
// values of a uniform distribution both are off by more than 5/√n of it once in a million.
func checkValues(t *testing.T, x tensor, typ tensorType, b []byte) {
	t.Helper()
	vs := decode(typ, b)
	if x.out == 0 {
		for _, v := range vs {
			if v != 1 {
				t.Fatalf("%s: %g, want 1", x.name, v)
			}
		}
		return
	}
	var sum, squares float64
	for _, v := range vs {
		sum += v
		squares += v * v
	}
	n, want := float64(len(vs)), 1/math.Sqrt(float64(x.in))
	// The integers of 4 bits are -8 to 7, of mean -1/2 and a deviation of 4.61, not 8/√3.
	slack := 5 / math.Sqrt(n)
	if typ.code == types["q4_0"].code {
		slack += 0.11
	}
	if mean := sum / n / want; math.Abs(mean) > slack {
		t.Errorf("%s: a mean of %.3f deviations", x.name, mean)
	}
	if dev := math.Sqrt(squares/n) / want; math.Abs(dev-1) > slack {
		t.Errorf("%s: %.3f of the deviation that is wanted", x.name, dev)
	}
}

func decode(typ tensorType, b []byte) []float64 {
	var vs []float64
	for ; len(b) > 0; b = b[typ.bytes:] {
		switch typ.code {
		case types["f32"].code:
			vs = append(vs, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		case types["bf16"].code:
			vs = append(vs, float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b))<<16)))
		case types["q8_0"].code:
			for _, q := range b[2:typ.bytes] {
				vs = append(vs, unhalf(b)*float64(int8(q)))
			}
		case types["q4_0"].code:
			for _, q := range b[2:typ.bytes] {
				vs = append(vs, unhalf(b)*(float64(q&15)-8), unhalf(b)*(float64(q>>4)-8))
			}
		}
	}
	return vs
}

// unhalf is the value of a normal, positive number in half precision.
func unhalf(b []byte) float64 {
	v := int(binary.LittleEndian.Uint16(b))
	return math.Ldexp(float64(v&1023|1024), v>>10-25)
}

func TestHalf(t *testing.T) {
	for _, c := range []struct {
		x    float64
		want uint16
	}{{1, 0x3c00}, {2, 0x4000}, {0x1p-14, 0x0400}, {1 + 0x1p-11, 0x3c00}, {1 + 3*0x1p-11, 0x3c02}, {2 - 0x1p-12, 0x4000}, {0.1, 0x2e66}} {
		if got := half(c.x); got != c.want {
			t.Errorf("half(%g) = %#x, want %#x", c.x, got, c.want)
		}
	}
}

// reader reads what stands before the tensors of a file that is known to be long enough.
type reader struct{ *bytes.Reader }

func (r reader) bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		panic(err)
	}
	return b
}

func (r reader) u32() uint32  { return binary.LittleEndian.Uint32(r.bytes(4)) }
func (r reader) u64() uint64  { return binary.LittleEndian.Uint64(r.bytes(8)) }
func (r reader) text() string { return string(r.bytes(int(r.u64()))) }

// value skips a value of metadata.
func (r reader) value(code uint32) {
	switch code {
	case codeString:
		r.text()
	case codeArray:
		of := r.u32()
		for range r.u64() {
			r.value(of)
		}
	case codeBool:
		r.bytes(1)
	default:
		r.bytes(4)
	}
}
