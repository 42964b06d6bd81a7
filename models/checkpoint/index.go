package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// indexed is one row of an index: a tensor and the shard that holds it.
type indexed struct {
	tensor, shard string
	at            int64 // byte of the index
}

// parseIndex reads the text of an index, {"metadata": …, "weight_map": {"tensor": "shard"}}, as
// Hugging Face writes beside sharded files; rows come in its order.
func parseIndex(file string, text []byte) ([]indexed, error) {
	fail := func(tensor string, at int64, format string, args ...any) error {
		return &FormatError{File: file, Tensor: tensor, Offset: at, Msg: fmt.Sprintf(format, args...)}
	}
	root, err := parseJSON(text)
	if err != nil {
		return nil, fail("", err.at, "%s", err.msg)
	}
	if root.kind != object {
		return nil, fail("", root.at, "the index is %s: want an object", root)
	}
	m, ok := root.get("weight_map")
	switch {
	case !ok:
		return nil, fail("", root.at, "weight_map is missing")
	case m.kind != object:
		return nil, fail("", m.at, "weight_map is %s: want an object", m)
	case len(m.members) == 0:
		return nil, fail("", m.at, "weight_map is empty")
	}
	ext := ".safetensors"
	if filepath.Base(file) == indexBin {
		ext = ".bin"
	}
	rows := make([]indexed, 0, len(m.members))
	for _, e := range m.members {
		if e.value.kind != str || !isShard(e.value.text, ext) {
			return nil, fail(e.key, e.value.at, "%s is no shard: want the name of a %s file in the same folder", e.value, ext)
		}
		rows = append(rows, indexed{tensor: e.key, shard: e.value.text, at: e.value.at})
	}
	return rows, nil
}

// ReadText reads a text file of at most so many bytes. Its errors name the path: a pipe, which might
// never have an end, is one.
func ReadText(path string, most int64) ([]byte, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("is not a file")}
	} else if info.Size() > most {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("has %d bytes: at most %d are read", info.Size(), most)}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("has more than %d bytes", most)}
	}
	return text, err
}
