package checkpoint

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
)

// PyTorch's torch.save writes a zip archive, whose entries are stored as they are:
//
//	NAME/data.pkl    the object: dictionaries, and tensors as views of storages
//	NAME/data/KEY    a storage
//	NAME/byteorder   "little" or "big"; without it the file is little endian
//
// The tensors are views of the mapped entries. Checksums are not compared: writers may leave them out
// (torch.serialization.set_crc32_options).
const zipMagic = "PK\x03\x04"

// isPyTorch reports whether a file that begins so is one of torch.save's.
func isPyTorch(data []byte) bool {
	return bytes.HasPrefix(data, []byte(zipMagic)) || bytes.HasPrefix(data, []byte(legacyMagic))
}

// parsePyTorch reads a whole file of torch.save: the tensors of its state dictionary, and in words
// what of the file is left aside.
func parsePyTorch(file string, data []byte) (ts []Tensor, notes []string, err error) {
	p := &pytorch{file: file, data: data, storages: map[string][]byte{}}
	if bytes.HasPrefix(data, []byte(zipMagic)) {
		err = p.openZip()
	} else {
		err = p.openLegacy()
	}
	if err != nil {
		return nil, nil, err
	}
	entries, notes, err := p.stateDict()
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		t, err := p.tensor(e.key.(string), e.value.(*rebuilt))
		if err != nil {
			return nil, nil, err
		}
		ts = append(ts, t)
	}
	return ts, notes, nil
}

// pytorch is one file while it is read.
type pytorch struct {
	file     string
	data     []byte
	root     any
	big      bool                                     // numbers have their highest byte first
	bytes    func(tensor, key string) ([]byte, error) // of a storage
	storages map[string][]byte                        // by key, once found
}

func (p *pytorch) err(tensor string, at int, format string, args ...any) error {
	return &FormatError{File: p.file, Tensor: tensor, Offset: int64(at), Msg: fmt.Sprintf(format, args...)}
}

// openZip finds the archive's entries and runs its pickle.
func (p *pytorch) openZip() error {
	archive, err := zip.NewReader(bytes.NewReader(p.data), int64(len(p.data)))
	if err != nil {
		return p.err("", -1, "is no whole zip archive, it may be cut off: %v", err)
	}
	entries := make(map[string]*zip.File, len(archive.File))
	pickle := ""
	for _, f := range archive.File {
		if entries[f.Name] != nil {
			return p.err("", -1, "the archive has two entries %s", show(f.Name))
		}
		entries[f.Name] = f
		if folder, ok := strings.CutSuffix(f.Name, "/data.pkl"); ok && !strings.Contains(folder, "/") {
			if pickle != "" {
				return p.err("", -1, "the archive has both %s and %s", show(pickle), show(f.Name))
			}
			pickle = f.Name
		}
	}
	folder := strings.TrimSuffix(pickle, "data.pkl")
	switch {
	case pickle == "":
		return p.err("", -1, "is a zip archive without a data.pkl: no file of torch.save")
	case entries[folder+"constants.pkl"] != nil:
		return p.err("", -1, "is a TorchScript program: want a state dictionary of torch.save")
	}
	if f := entries[folder+"byteorder"]; f != nil {
		order, at, err := p.entry(f)
		switch {
		case err != nil:
			return err
		case string(order) == "big":
			p.big = true
		case string(order) != "little":
			return p.err("", at, "byteorder is %s: want little or big", show(string(order[:min(len(order), 20)])))
		}
	}
	text, at, err := p.entry(entries[pickle])
	if err != nil {
		return err
	}
	if len(text) > maxPickle {
		return p.err("", at, "%s has %d bytes: at most %d are read", show(pickle), len(text), maxPickle)
	}
	object, perr := unpickle(text)
	if perr != nil {
		return p.err("", at+perr.at, "%s", perr.msg)
	}
	p.root = object.value
	p.bytes = func(tensor, key string) ([]byte, error) {
		f := entries[folder+"data/"+key]
		if f == nil {
			return nil, p.err(tensor, -1, "its storage %s is not in the archive", show(folder+"data/"+key))
		}
		data, _, err := p.entry(f)
		return data, err
	}
	return nil
}

// entry gives the bytes of a stored entry, a view of the file, and where they begin.
func (p *pytorch) entry(f *zip.File) ([]byte, int, error) {
	const encrypted = 1
	at, err := f.DataOffset()
	switch {
	case err != nil:
		return nil, 0, p.err("", -1, "entry %s of the archive: %v", show(f.Name), err)
	case f.Method != zip.Store || f.Flags&encrypted != 0:
		return nil, 0, p.err("", -1, "entry %s of the archive is compressed or encrypted; PyTorch stores entries as they are", show(f.Name))
	case at < 0 || at > int64(len(p.data)) || f.UncompressedSize64 > uint64(int64(len(p.data))-at):
		return nil, 0, p.err("", -1, "entry %s of the archive goes beyond the file's end: it is cut off", show(f.Name))
	}
	end := at + int64(f.UncompressedSize64)
	return p.data[at:end:end], int(at), nil
}

// wrappers are the keys under which training programs save a state dictionary (fairseq's is the
// first), and prefixes what they put before all names.
var (
	wrappers = []string{"model", "state_dict", "module"}
	prefixes = []string{"decoder.model.", "module.", "_orig_mod."}
)

// stateDict finds the dictionary of tensors by name in what the pickle made. Notes say what of the
// rest is not used.
func (p *pytorch) stateDict() (entries []pair, notes []string, err error) {
	d, ok := p.root.(*dict)
	if !ok {
		return nil, nil, p.err("", -1, "holds %s: want a dictionary of tensors by name", describe(p.root))
	}
	entries = d.pairs
	for _, w := range wrappers {
		i := slices.IndexFunc(d.pairs, func(e pair) bool { return e.key == w })
		if i < 0 {
			continue
		}
		if inner, ok := d.pairs[i].value.(*dict); ok {
			entries = inner.pairs
			notes = append(notes, fmt.Sprintf("%s: the tensors are those under %s%s", p.file, w, others(d, w)))
			break
		}
	}
	if len(entries) == 0 {
		return nil, nil, p.err("", -1, "holds no tensors")
	}
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		name, ok := e.key.(string)
		if !ok {
			return nil, nil, p.err("", -1, "a key of the state dictionary is %s: want a text", describe(e.key))
		}
		if _, ok := e.value.(*rebuilt); !ok {
			return nil, nil, p.err(name, -1, "is %s: want a tensor", describe(e.value))
		}
		if seen[name] {
			return nil, nil, p.err(name, -1, "is there twice")
		}
		seen[name] = true
	}
	for _, prefix := range prefixes {
		if slices.ContainsFunc(entries, func(e pair) bool { return !strings.HasPrefix(e.key.(string), prefix) }) {
			continue
		}
		entries = slices.Clone(entries)
		for i, e := range entries {
			entries[i].key = strings.TrimPrefix(e.key.(string), prefix)
		}
		notes = append(notes, fmt.Sprintf("%s: all names begin with %s, which is left out", p.file, prefix))
	}
	return entries, notes, nil
}

// others names the keys of d but one, for a note.
func others(d *dict, but string) string {
	var names []string
	for _, e := range d.pairs {
		if name, ok := e.key.(string); ok && name != but {
			names = append(names, show(name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	const most = 8
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d others", len(names)-most))
	}
	return "; not used: " + strings.Join(names, ", ")
}

// describe says what a value of a pickle is, for a message.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return "the text " + show(v)
	case tuple, *sequence:
		return "a list"
	case *dict:
		return "a dictionary"
	case *rebuilt:
		return "a tensor"
	case *inert:
		return "a " + show(v.class.String())
	case bool, int64, float64:
		return fmt.Sprint(v)
	}
	return "something else"
}

// tensor makes a view of what the pickle says of a tensor, once its storage is found to hold it.
func (p *pytorch) tensor(name string, r *rebuilt) (Tensor, error) {
	fail := func(format string, args ...any) (Tensor, error) { return Tensor{}, p.err(name, -1, format, args...) }
	shape, ok := sizesOf(r.shape)
	strides, also := sizesOf(r.strides)
	offset, third := r.offset.(int64)
	switch {
	case !ok || !also || !third || len(shape) != len(strides) || offset < 0:
		return fail("its shape, strides or offset are not whole numbers from 0, or more than %d", maxRank)
	case r.storage.view:
		return fail("its storage is a view of another, as files of PyTorch 0.3 and before have: save it anew")
	}
	data, found := p.storages[r.storage.key]
	if !found {
		var err error
		if data, err = p.bytes(name, r.storage.key); err != nil {
			return Tensor{}, err
		}
		p.storages[r.storage.key] = data
	}
	size := r.dtype.Size()
	if r.storage.dtype != "" && r.storage.elems != int64(len(data)/size) {
		return fail("its storage %s should have %d elements of %s, and has %d bytes", show(r.storage.key), r.storage.elems, r.dtype, len(data))
	}
	elems, last := 1, offset // last: the element of the storage that comes last
	for i, d := range shape {
		if d > 0 && (strides[i] > math.MaxInt64/d || last > math.MaxInt64-(d-1)*strides[i]) {
			return fail("shape %v with strides %v is too large", shape, strides)
		}
		last += (d - 1) * strides[i]
		elems = mulSat(elems, int(d))
	}
	t := Tensor{Name: name, DType: r.dtype, File: p.file, big: p.big && size > 1}
	for _, d := range shape {
		t.Shape = append(t.Shape, int(d))
	}
	have := int64(len(data) / size)
	switch {
	case elems == 0:
		return t, nil
	case last >= have:
		return fail("%s %v with strides %v from element %d on goes beyond its storage %s, which has %d elements", r.dtype, shape, strides, offset, show(r.storage.key), have)
	case int64(elems) > have:
		return fail("shape %v with strides %v shows elements of its storage more than once: save a copy", shape, strides)
	}
	t.Data = data[int(offset)*size : (int(last)+1)*size : (int(last)+1)*size]
	if !rowMajor(shape, strides) {
		for _, s := range strides {
			t.strides = append(t.strides, int(s))
		}
	}
	return t, nil
}

// mulSat is a·b, or the largest int. Neither is negative.
func mulSat(a, b int) int {
	if b > 0 && a > math.MaxInt/b {
		return math.MaxInt
	}
	return a * b
}

// sizesOf reads a tuple of sizes.
func sizesOf(v any) ([]int64, bool) {
	t, ok := v.(tuple)
	if !ok || len(t) > maxRank {
		return nil, false
	}
	list := make([]int64, 0, len(t))
	for _, x := range t {
		n, ok := x.(int64)
		if !ok || n < 0 || n > math.MaxInt {
			return nil, false
		}
		list = append(list, n)
	}
	return list, true
}

// rowMajor reports whether elements lie one after another. The stride of a dimension of 1 means nothing.
func rowMajor(shape, strides []int64) bool {
	step := int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] != 1 && strides[i] != step {
			return false
		}
		step *= shape[i]
	}
	return true
}
