package checkpoint

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	oneFile   = "model.safetensors"
	indexFile = "model.safetensors.index.json"
	oneBin    = "pytorch_model.bin"
	indexBin  = "pytorch_model.bin.index.json"
	maxIndex  = 32 << 20 // bytes of an index: some 300,000 tensors
)

// Files is an open checkpoint: tensors by name, in one or more mapped files.
type Files struct {
	Path    string   // as given to Open
	Notes   []string // what of the files is left aside, in words
	tensors map[string]Tensor
	names   []string
	unmap   []func() error
}

// Open maps the checkpoint in a folder: model.safetensors or its shards, which its index.json names;
// else pytorch_model.bin or its shards; else the one file there is in *.pth or *.pt. It may also be
// given a file itself. Every header is checked; data is not read. What is wrong with a file comes back
// as a *FormatError.
func Open(path string) (*Files, error) {
	if path == "" {
		return nil, errors.New("no checkpoint is named: want a folder")
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", path, cause(err))
	}
	f := &Files{Path: path, tensors: map[string]Tensor{}}
	if !info.IsDir() {
		err = f.add(path)
	} else {
		err = f.addFolder(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	for name := range f.tensors {
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	return f, nil
}

func (f *Files) addFolder(dir string) error {
	for _, form := range []struct{ index, one string }{{indexFile, oneFile}, {indexBin, oneBin}} {
		index, one := filepath.Join(dir, form.index), filepath.Join(dir, form.one)
		if _, err := os.Lstat(index); err == nil {
			return f.addIndexed(dir, index)
		}
		if _, err := os.Lstat(one); err == nil {
			return f.add(one)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", dir, cause(err))
	}
	var saved []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".pth" || ext == ".pt" {
			saved = append(saved, e.Name())
		}
	}
	switch len(saved) {
	case 0:
		return fmt.Errorf("checkpoint %s: %w: want %s or %s, %s or its index, or a .pth or .pt file", dir, errNoTensors, oneFile, indexFile, oneBin)
	case 1:
		return f.add(filepath.Join(dir, saved[0]))
	}
	return fmt.Errorf("checkpoint %s: there are several files, %s and %s: name one of them instead of the folder", dir, strings.Join(saved[:len(saved)-1], ", "), saved[len(saved)-1])
}

// add maps a file and takes its tensors in.
func (f *Files) add(path string) error {
	fail := func(msg string) error { return &FormatError{File: path, Offset: -1, Msg: msg} }
	info, err := os.Stat(path) // before opening: to open a pipe would wait for its writer
	switch {
	case err != nil:
		return fail(cause(err).Error())
	case !info.Mode().IsRegular():
		return fail("is not a file")
	case info.Size() == 0:
		return fail("is empty")
	}
	file, err := os.Open(path)
	if err != nil {
		return fail(cause(err).Error())
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil || info.Size() < 1 || info.Size() > math.MaxInt {
		return fail(fmt.Sprintf("cannot be mapped: it has %d bytes", info.Size()))
	}
	data, unmap, err := mapFile(file, int(info.Size()))
	if err != nil {
		return fail(err.Error())
	}
	f.unmap = append(f.unmap, unmap)
	ts, notes, err := parseFile(path, data)
	if err != nil {
		return err
	}
	f.Notes = append(f.Notes, notes...)
	for _, t := range ts {
		if other, twice := f.tensors[t.Name]; twice {
			return &FormatError{File: path, Tensor: t.Name, Offset: -1, Msg: "is in " + filepath.Base(other.File) + " too"}
		}
		f.tensors[t.Name] = t
	}
	return nil
}

// parseFile reads a file of either format, which its first bytes tell.
func parseFile(path string, data []byte) (ts []Tensor, notes []string, err error) {
	if isPyTorch(data) {
		return parsePyTorch(path, data)
	}
	if ext := filepath.Ext(path); ext == ".pth" || ext == ".pt" || ext == ".bin" {
		return nil, nil, &FormatError{File: path, Msg: "is no file of torch.save: it begins neither like a zip archive nor like what PyTorch wrote before 1.6"}
	}
	ts, err = parse(path, data)
	return ts, nil, err
}

// Tensor gives a tensor by its name in the file.
func (f *Files) Tensor(name string) (Tensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Names gives the names of all tensors, sorted. The caller must not change the slice.
func (f *Files) Names() []string { return f.names }

// Close unmaps the files. Tensors must not be used after it. A second call does nothing.
func (f *Files) Close() error {
	var errs []error
	for _, unmap := range f.unmap {
		errs = append(errs, unmap())
	}
	f.unmap, f.tensors, f.names = nil, nil, nil
	return errors.Join(errs...)
}

// errNoTensors marks that a folder holds no tensors that Open reads.
var errNoTensors = errors.New("there are no weights")

// cause is err without the operation and path that the os package puts before it.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// addIndexed maps the shards that an index names, and holds index and shards to each other.
func (f *Files) addIndexed(dir, index string) error {
	text, err := ReadText(index, maxIndex)
	if err != nil {
		return &FormatError{File: index, Offset: -1, Msg: cause(err).Error()}
	}
	where, err := parseIndex(index, text)
	if err != nil {
		return err
	}
	var shards []string
	for _, w := range where {
		if !slices.Contains(shards[max(len(shards)-1, 0):], w.shard) {
			shards = append(shards, w.shard)
		}
	}
	slices.Sort(shards)
	shards = slices.Compact(shards)
	for _, s := range shards {
		path := filepath.Join(dir, s)
		if _, err := os.Stat(path); err != nil {
			i := slices.IndexFunc(where, func(w indexed) bool { return w.shard == s })
			return &FormatError{File: index, Tensor: where[i].tensor, Offset: where[i].at, Msg: fmt.Sprintf("is said to be in %s: %v", s, cause(err))}
		}
		if err := f.add(path); err != nil {
			return err
		}
	}
	for _, w := range where {
		switch t, ok := f.tensors[w.tensor]; {
		case !ok:
			return &FormatError{File: index, Tensor: w.tensor, Offset: w.at, Msg: "is not in " + w.shard}
		case filepath.Base(t.File) != w.shard:
			return &FormatError{File: index, Tensor: w.tensor, Offset: w.at, Msg: "is in " + filepath.Base(t.File) + ", not in " + w.shard}
		}
	}
	if len(where) != len(f.tensors) {
		named := make(map[string]bool, len(where))
		for _, w := range where {
			named[w.tensor] = true
		}
		var extra []string
		for name := range f.tensors {
			if !named[name] {
				extra = append(extra, name)
			}
		}
		slices.Sort(extra)
		t := f.tensors[extra[0]]
		return &FormatError{File: t.File, Tensor: t.Name, Offset: -1, Msg: "is not named in " + filepath.Base(index)}
	}
	return nil
}

// isShard reports whether a name from an index is that of a file in the index's own folder, with its
// kind of ending.
func isShard(name, ext string) bool {
	return name != "" && filepath.IsLocal(name) && !strings.ContainsAny(name, "/\\\x00") && strings.HasSuffix(name, ext)
}
