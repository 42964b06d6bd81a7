// Package pthtest writes .pth files for tests, as PyTorch's torch.save does.
//
// Imports of ours: nothing. Outside the standard library: nothing.
// May not: be imported by anything but tests.
package pthtest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"testing"
)

// A Pickler writes pickles of protocol 2, as PyTorch's do, operation by operation.
type Pickler struct{ bytes.Buffer }

// Ops appends bytes: operations, and arguments of theirs.
func (p *Pickler) Ops(ops ...byte) { p.Write(ops) }

// Text pushes a text.
func (p *Pickler) Text(s string) {
	p.Ops('X')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
}

// Global pushes what Python finds by a name.
func (p *Pickler) Global(module, name string) { p.WriteString("c" + module + "\n" + name + "\n") }

func (p *Pickler) integer(n int) {
	p.Ops(0x8a, 8)
	p.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func (p *Pickler) integers(list []int) {
	p.Ops('(')
	for _, n := range list {
		p.integer(n)
	}
	p.Ops('t')
}

// A Tensor is one as a pickle describes it.
type Tensor struct {
	Name    string
	DType   string // "F32" and so on, as safetensors has it
	Shape   []int
	Data    []byte // of its storage, little endian
	Key     string // of its storage; "" is one of its own
	Offset  int    // in the storage, in elements, as are
	Strides []int  // nil is row-major
}

// sizes are the bytes of an element.
var sizes = map[string]int{"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8}

var classes = map[string]string{
	"F32": "FloatStorage", "F16": "HalfStorage", "BF16": "BFloat16Storage", "F64": "DoubleStorage", "I64": "LongStorage",
}

// Tensor pushes a tensor; its storage has so many elements.
func (p *Pickler) Tensor(t Tensor, elems int, legacy bool) {
	p.Global("torch._utils", "_rebuild_tensor_v2")
	p.Ops('(', '(')
	p.Text("storage")
	p.Global("torch", classes[t.DType])
	p.Text(t.Key)
	p.Text("cpu")
	p.integer(elems)
	if legacy {
		p.Ops('N')
	}
	p.Ops('t', 'Q')
	p.integer(t.Offset)
	p.integers(t.Shape)
	strides := t.Strides
	if strides == nil {
		step := 1
		for _, d := range slices.Backward(t.Shape) {
			strides = append(strides, step)
			step *= d
		}
		slices.Reverse(strides)
	}
	p.integers(strides)
	p.Ops(0x89) // requires no gradient
	p.Global("collections", "OrderedDict")
	p.Ops(')', 'R', 't', 'R')
}

// A Writing says how Save writes.
type Writing struct {
	Under, Prefix string // key of the state dictionary, "" if it is the root, and prefix of the names
	ByteOrder     string // "" leaves it out
	Legacy        bool   // as before PyTorch 1.6
	Compressed    bool
	Extra         func(p *Pickler)                // further pairs of the root
	Edit          func(entries map[string][]byte) // of the archive
}

// Save gives the bytes that torch.save writes of a state dictionary. Tensors with the same key share
// the storage of the first.
func Save(t testing.TB, tensors []Tensor, w Writing) []byte {
	t.Helper()
	var stored []Tensor
	var p Pickler
	p.Ops(0x80, 2, '}', '(')
	if w.Extra != nil {
		w.Extra(&p)
	}
	if w.Under != "" {
		p.Text(w.Under)
		p.Ops('}', '(')
	}
	for i, x := range tensors {
		if x.Key == "" {
			x.Key = strconv.Itoa(i)
		}
		at := slices.IndexFunc(stored, func(s Tensor) bool { return s.Key == x.Key })
		if at < 0 {
			at = len(stored)
			stored = append(stored, x)
		}
		p.Text(w.Prefix + x.Name)
		p.Tensor(x, len(stored[at].Data)/sizes[x.DType], w.Legacy)
	}
	p.Ops('u')
	if w.Under != "" {
		p.Ops('u')
	}
	p.Ops('.')
	if w.ByteOrder == "big" {
		for i, x := range stored {
			stored[i].Data = bytes.Clone(x.Data)
			for e := range slices.Chunk(stored[i].Data, sizes[x.DType]) {
				slices.Reverse(e)
			}
		}
	}
	if w.Legacy {
		return legacy(p.Bytes(), stored, w)
	}
	entries := map[string][]byte{"m/data.pkl": p.Bytes(), "m/version": []byte("3\n")}
	if w.ByteOrder != "" {
		entries["m/byteorder"] = []byte(w.ByteOrder)
	}
	for _, x := range stored {
		entries["m/data/"+x.Key] = x.Data
	}
	if w.Edit != nil {
		w.Edit(entries)
	}
	return Archive(t, entries, w.Compressed)
}

// Archive gives the bytes of a zip archive.
func Archive(t testing.TB, entries map[string][]byte, compressed bool) []byte {
	t.Helper()
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		data := entries[name]
		h := &zip.FileHeader{
			Name: name, CRC32: crc32.ChecksumIEEE(data),
			CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data)),
		}
		create := z.CreateRaw
		if compressed {
			h.Method, create = zip.Deflate, z.CreateHeader
		}
		e, err := create(h)
		if err == nil {
			_, err = e.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// legacy gives the bytes of the format before PyTorch 1.6 around the pickle of an object.
func legacy(object []byte, stored []Tensor, w Writing) []byte {
	var p Pickler
	p.WriteString("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.") // the magic number
	p.WriteString("\x80\x02M\xe9\x03.")                                        // 1001
	p.Ops(0x80, 2, '}', '(')
	p.Text("little_endian")
	p.Ops(map[bool]byte{true: 0x89, false: 0x88}[w.ByteOrder == "big"], 'u', '.')
	p.Write(object)
	p.Ops(0x80, 2, ']', '(')
	for _, x := range stored {
		p.Text(x.Key)
	}
	p.Ops('e', '.')
	for _, x := range stored {
		p.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(x.Data)/sizes[x.DType])))
		p.Write(x.Data)
	}
	return p.Bytes()
}
