package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yococ/yococ/models"
	"github.com/yococ/yococ/models/checkpoint/pthtest"
)

// TestGoldensPyTorch compares what PyTorch wrote of some reference checkpoints with the safetensors.
func TestGoldensPyTorch(t *testing.T) {
	dirs, _ := filepath.Glob(filepath.Join(goldens, "pth", "*"))
	if len(dirs) == 0 {
		t.Skip("there are no reference checkpoints in ", goldens)
	}
	for _, dir := range dirs {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			s, notes, err := Import(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(notes)
			f := opened(t, dir)
			checkBound(t, s, f)
			g := opened(t, filepath.Join(goldens, name))
			for _, n := range g.Names() {
				a, _ := f.Tensor(n)
				if b, _ := g.Tensor(n); !Same(a, b) {
					t.Errorf("%s differs", n)
				}
			}
		})
	}
}

func opened(t *testing.T, path string) *Files {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// numbered is count numbers from first on.
func numbered(name, dtype string, first int, shape ...int) pthtest.Tensor {
	count := 1
	for _, d := range shape {
		count *= d
	}
	var data []byte
	for i := range count {
		x := float32(first + i)
		switch dtype {
		case "F32":
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		case "BF16":
			data = binary.LittleEndian.AppendUint16(data, uint16(math.Float32bits(x)>>16))
		case "F64":
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(float64(x)))
		case "F16": // numbers from 1024 to 2047 have the exponent 10
			data = binary.LittleEndian.AppendUint16(data, uint16(25<<10|(first+i-1024)))
		case "I64":
			data = binary.LittleEndian.AppendUint64(data, uint64(first+i))
		}
	}
	return pthtest.Tensor{Name: name, DType: dtype, Shape: shape, Data: data}
}

// TestPyTorch reads files of every way of writing: the new format and the old, either order of bytes,
// alone or in a training checkpoint; tensors that share a storage, that are turned, cut out or empty.
func TestPyTorch(t *testing.T) {
	square := numbered("a", "F32", 1, 4, 3)
	square.Key = "s"
	turned := square
	turned.Name, turned.Shape, turned.Strides = "b.turned", []int{3, 4}, []int{1, 3}
	tied := square
	tied.Name = "c.tied"
	column := square
	column.Name, column.Shape, column.Strides, column.Offset = "d.column", []int{4, 1}, []int{3, 7}, 2
	scalar := square
	scalar.Name, scalar.Shape, scalar.Strides, scalar.Offset = "e.scalar", nil, []int{}, 5
	empty := pthtest.Tensor{Name: "f.empty", DType: "F32", Shape: []int{0, 3}}
	tensors := []pthtest.Tensor{
		square, turned, tied, column, scalar, empty,
		numbered("g", "BF16", 3, 2, 2), numbered("h", "F16", 1030, 5), numbered("i", "F64", -2, 3), numbered("j", "I64", 7, 2),
	}
	want := map[string][]float64{
		"a":        {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		"b.turned": {1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12},
		"c.tied":   {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		"d.column": {3, 6, 9, 12}, "e.scalar": {6}, "f.empty": {},
		"g": {3, 4, 5, 6}, "h": {1030, 1031, 1032, 1033, 1034}, "i": {-2, -1, 0},
	}
	training := func(p *pthtest.Pickler) { // as fairseq writes
		p.Text("args")
		p.Global("argparse", "Namespace")
		p.Ops(opTuple0, opNewObj, opDict)
		p.Text("lr")
		p.Ops(opFloat, 0, 0, 0, 0, 0, 0, 0, 0, opSetItem, opBuild)
		p.Text("optimizer_history")
		p.Ops(opList, opDict, opAppend)
	}
	for _, c := range []struct {
		name string
		w    pthtest.Writing
		note string
	}{
		{"plain", pthtest.Writing{}, ""},
		{"little", pthtest.Writing{ByteOrder: "little"}, ""},
		{"big", pthtest.Writing{ByteOrder: "big"}, ""},
		{"old", pthtest.Writing{Legacy: true}, ""},
		{"old, big", pthtest.Writing{Legacy: true, ByteOrder: "big"}, ""},
		{"training", pthtest.Writing{Extra: training, Under: "model", Prefix: "decoder.model."}, "the tensors are those under model; not used: args, optimizer_history"},
		{"parallel", pthtest.Writing{Prefix: "module."}, "all names begin with module., which is left out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "checkpoint.pth")
			write(t, filepath.Dir(path), "checkpoint.pth", string(pthtest.Save(t, tensors, c.w)))
			f := opened(t, filepath.Dir(path))
			if !strings.Contains(strings.Join(f.Notes, "\n"), c.note) || (c.note == "") != (len(f.Notes) == 0) {
				t.Errorf("notes %q, want %q", f.Notes, c.note)
			}
			if len(f.Names()) != len(tensors) {
				t.Errorf("%d tensors, want %d", len(f.Names()), len(tensors))
			}
			for name, numbers := range want {
				x, ok := f.Tensor(name)
				if !ok || x.Elems() != len(numbers) || !slices.Equal(x.Float64s(), numbers) {
					t.Errorf("%s %v is %v, want %v", name, x.Shape, x, numbers)
				}
				if x.DType == F64 {
					continue
				}
				for from := range numbers {
					part := make([]float32, len(numbers)-from)
					x.Float32s(part, from, len(part))
					for i, v := range part {
						if float64(v) != numbers[from+i] {
							t.Errorf("%s from %d: %v", name, from, part)
						}
					}
				}
			}
			a, _ := f.Tensor("a")
			tied, _ := f.Tensor("c.tied")
			turned, _ := f.Tensor("b.turned")
			if !Same(a, tied) || &a.Data[0] != &tied.Data[0] || Same(a, turned) || !Same(turned, turned) {
				t.Error("tensors of one storage are not compared as they should be")
			}
			if column, _ := f.Tensor("d.column"); !Same(column, Tensor{DType: F32, Shape: []int{4, 1}, Data: column.plain(make([]byte, 16), 0, 4)}) {
				t.Error("a column is not the same as its copy")
			}
		})
	}
}

// TestPyTorchErrors: what is wrong is said in a line, and where.
func TestPyTorchErrors(t *testing.T) {
	x := numbered("x", "F32", 0, 2, 3)
	change := func(f func(s *pthtest.Tensor)) []pthtest.Tensor {
		s := x
		f(&s)
		return []pthtest.Tensor{s}
	}
	root := func(f func(p *pthtest.Pickler)) func(map[string][]byte) {
		return func(entries map[string][]byte) {
			var p pthtest.Pickler
			p.Ops(opProto, 2)
			f(&p)
			p.Ops(opStop)
			entries["m/data.pkl"] = p.Bytes()
		}
	}
	for _, c := range []struct {
		name    string
		tensors []pthtest.Tensor
		w       pthtest.Writing
		want    string
	}{
		{"no pickle", nil, pthtest.Writing{Edit: func(e map[string][]byte) { delete(e, "m/data.pkl") }}, "without a data.pkl"},
		{"two pickles", nil, pthtest.Writing{Edit: func(e map[string][]byte) { e["n/data.pkl"] = nil }}, "has both m/data.pkl and n/data.pkl"},
		{"TorchScript", nil, pthtest.Writing{Edit: func(e map[string][]byte) { e["m/constants.pkl"] = nil }}, "is a TorchScript program"},
		{"byteorder", nil, pthtest.Writing{ByteOrder: "middle"}, "byteorder is middle: want little or big"},
		{"compressed", []pthtest.Tensor{x}, pthtest.Writing{Compressed: true}, "entry m/data.pkl of the archive is compressed"},
		{"empty", nil, pthtest.Writing{}, "holds no tensors"},
		{"a list", nil, pthtest.Writing{Edit: root(func(p *pthtest.Pickler) { p.Ops(opList) })}, "holds a list: want a dictionary of tensors by name"},
		{"a text", nil, pthtest.Writing{Edit: root(func(p *pthtest.Pickler) { p.Ops(opDict); p.Text("k"); p.Text("v"); p.Ops(opSetItem) })}, "tensor k: is the text v: want a tensor"},
		{"a number as key", nil, pthtest.Writing{Edit: root(func(p *pthtest.Pickler) { p.Ops(opDict, opNone, opNone, opSetItem) })}, "a key of the state dictionary is None"},
		{"nothing", nil, pthtest.Writing{Edit: func(e map[string][]byte) { e["m/data.pkl"] = nil }}, "the pickle is cut off"},
		{"text", nil, pthtest.Writing{Edit: func(e map[string][]byte) { e["m/data.pkl"] = []byte("hello") }}, "this is no pickle of protocol 2 or later"},
		{"twice", []pthtest.Tensor{x, x}, pthtest.Writing{}, "tensor x: is there twice"},
		{"no storage", []pthtest.Tensor{x}, pthtest.Writing{Edit: func(e map[string][]byte) { delete(e, "m/data/0") }}, "tensor x: its storage m/data/0 is not in the archive"},
		{"short storage", []pthtest.Tensor{x}, pthtest.Writing{Edit: func(e map[string][]byte) { e["m/data/0"] = e["m/data/0"][:20] }}, "tensor x: its storage 0 should have 6 elements of f32, and has 20 bytes"},
		{"beyond", change(func(s *pthtest.Tensor) { s.Offset = 1 }), pthtest.Writing{}, "tensor x: f32 [2 3] with strides [3 1] from element 1 on goes beyond its storage 0, which has 6 elements"},
		{"before", change(func(s *pthtest.Tensor) { s.Offset = -1 }), pthtest.Writing{}, "tensor x: its shape, strides or offset are not whole numbers from 0"},
		{"huge", change(func(s *pthtest.Tensor) { s.Shape = []int{1 << 40, 1 << 40} }), pthtest.Writing{}, "tensor x: shape [1099511627776 1099511627776] with strides [1099511627776 1] is too large"},
		{"repeated", change(func(s *pthtest.Tensor) { s.Shape, s.Strides = []int{1 << 40, 1 << 40}, []int{0, 0} }), pthtest.Writing{}, "shows elements of its storage more than once: save a copy"},
		{"flat", change(func(s *pthtest.Tensor) { s.Strides = []int{1} }), pthtest.Writing{}, "tensor x: its shape, strides or offset"},
		{"deep", change(func(s *pthtest.Tensor) { s.Shape = make([]int, 17) }), pthtest.Writing{}, "tensor x: its shape, strides or offset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "c.pt", string(pthtest.Save(t, c.tensors, c.w)))
			_, err := Open(dir)
			var fe *FormatError
			if !errors.As(err, &fe) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	for data, want := range map[string]string{
		"hello":            "is no file of torch.save",
		zipMagic + "hello": "is no whole zip archive",
		legacyMagic:        "the pickle is cut off",
		"\x80\x04N.":       "is no file of torch.save",
		legacyMagic + "\x80\x02N.\x80\x02}.\x80\x02}.\x80\x02].": "its version is None: want 1001",
	} {
		dir := t.TempDir()
		write(t, dir, "c.pth", data)
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", data, err, want)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"a.pt", "b.pth", "c.pt"} {
		write(t, dir, name, "")
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "a.pt, b.pth and c.pt: name one of them") {
		t.Error(err)
	}
}

// TestPickleRunsNothing: names that are no part of tensors are refused where they stand, in every way
// that a pickle can name them.
func TestPickleRunsNothing(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "ran")
	call := func(name func(p *pthtest.Pickler)) string {
		var p pthtest.Pickler
		p.Ops(opProto, 4, opDict)
		p.Text("weight")
		name(&p)
		p.Text("touch " + mark)
		p.Ops(opTuple1, opReduce, opSetItem, opStop)
		return string(pthtest.Archive(t, map[string][]byte{"m/data.pkl": p.Bytes()}, false))
	}
	for i, c := range []struct{ module, name string }{
		{"os", "system"},
		{"posix", "system"},
		{"builtins", "eval"},
		{"builtins", "getattr"},
		{"torch", "load"},
		{"torch.hub", "load"},
		{"torch._utils", "_rebuild_tensor_v2.__globals__"},
		{"collections", "OrderedDict.__init__"},
		{"argparse", "Namespace.x"},
		{"", "os.system"},
	} {
		for _, file := range []string{
			call(func(p *pthtest.Pickler) { p.Global(c.module, c.name) }),
			call(func(p *pthtest.Pickler) { p.Text(c.module); p.Text(c.name); p.Ops(opStackGlobal) }),
		} {
			write(t, dir, "c.pth", file)
			_, err := Open(dir)
			if want := c.module + "." + c.name; err == nil || !strings.Contains(err.Error(), "the pickle names "+want+", which is none of what tensors are made of; nothing of it was run") {
				t.Errorf("%d: got %v, want it to name %s", i, err, want)
			}
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the pickle was run")
	}
}

// TestPyTorchShards: pytorch_model.bin, whole and in shards with an index, holds what safetensors do.
func TestPyTorchShards(t *testing.T) {
	s, err := models.Parse("m.yaml", []byte(bindSpec))
	if err != nil {
		t.Fatal(err)
	}
	arrays := arraysOf(s, models.FLA)
	one, many := t.TempDir(), t.TempDir()
	var all []pthtest.Tensor
	parts := make([][]pthtest.Tensor, 3)
	var index strings.Builder
	for i, a := range arrays {
		all = append(all, pthtest.Tensor{Name: a.name, DType: a.dtype, Shape: a.shape, Data: a.data})
		parts[i%3] = append(parts[i%3], pthtest.Tensor{Name: a.name, DType: a.dtype, Shape: a.shape, Data: a.data})
		fmt.Fprintf(&index, `%s%q:"pytorch_model-%05d-of-00003.bin"`, map[bool]string{true: ","}[i > 0], a.name, i%3+1)
	}
	write(t, one, oneBin, string(pthtest.Save(t, all, pthtest.Writing{})))
	for i, part := range parts {
		write(t, many, fmt.Sprintf("pytorch_model-%05d-of-00003.bin", i+1), string(pthtest.Save(t, part, pthtest.Writing{ByteOrder: "little"})))
	}
	write(t, many, indexBin, `{"weight_map":{`+index.String()+`}}`)
	for _, dir := range []string{one, many} {
		f := opened(t, dir)
		checkBound(t, s, f)
		for _, a := range arrays {
			if x, ok := f.Tensor(a.name); !ok || !bytes.Equal(x.Data, a.data) || !slices.Equal(x.Shape, a.shape) {
				t.Errorf("%s differs", a.name)
			}
		}
	}
	write(t, many, indexBin, `{"weight_map":{"a":"1.safetensors"}}`)
	if _, err := Open(many); err == nil || !strings.Contains(err.Error(), "want the name of a .bin file") {
		t.Error(err)
	}
}

// FuzzPickle: no pickle makes the machine panic or take memory beyond its length, and its errors have
// a place in it.
func FuzzPickle(f *testing.F) {
	var p pthtest.Pickler
	p.Ops(opProto, 2, opDict, opMark)
	p.Text("weight")
	p.Tensor(pthtest.Tensor{DType: "F32", Shape: []int{2, 3}, Key: "0"}, 6, false)
	p.Ops(opPut1, 0)
	p.Text("tied")
	p.Ops(opGet1, 0, opSetItems, opStop)
	whole := p.Bytes()
	for i := range whole {
		f.Add(whole[:i])
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := unpickle(text)
		if err != nil {
			if err.at < 0 || err.at > len(text) || err.msg == "" {
				t.Fatalf("not a good error: %+v", err)
			}
			return
		}
		if v.used > len(text) {
			t.Fatalf("read %d of %d bytes", v.used, len(text))
		}
	})
}

// FuzzPyTorch: no file makes the reader panic; the tensors that it accepts lie in the file.
func FuzzPyTorch(f *testing.F) {
	tensors := []pthtest.Tensor{numbered("a", "F32", 1, 2, 3), numbered("b", "BF16", 3, 4)}
	tensors[0].Strides = []int{1, 2}
	for _, w := range []pthtest.Writing{{}, {Legacy: true}, {ByteOrder: "big", Under: "model", Prefix: "decoder.model."}} {
		file := pthtest.Save(f, tensors, w)
		for i := 0; i < len(file); i += 3 {
			f.Add(file[:i])
			b := bytes.Clone(file)
			b[i] ^= 1 << (i % 8)
			f.Add(b)
		}
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isPyTorch(data) {
			return
		}
		ts, _, err := parsePyTorch("c.pth", data)
		if err != nil {
			var fe *FormatError
			if !errors.As(err, &fe) || fe.Offset > int64(len(data)) || strings.ContainsAny(fe.Error(), "\n\x1b") {
				t.Fatalf("not a good error: %q", err)
			}
			return
		}
		for _, x := range ts {
			if len(x.Data) > len(data) || x.Elems() > len(data) {
				t.Fatalf("%s has %d bytes of a file of %d", x.Name, len(x.Data), len(data))
			}
			if x.DType.IsWeight() || x.DType == F64 {
				x.Float64s()
			}
			Same(x, x)
		}
	})
}
