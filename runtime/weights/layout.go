package weights

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// An Entry is a tensor as it is in the file.
type Entry struct {
	Name  string
	DType string // as safetensors spells it: F32, BF16, …
	Shape []int  // of the packed data
}

const (
	format     = "yococ"
	version    = "1"
	line       = 64   // alignment of every tensor
	page       = 4096 // alignment of matrices and of the first tensor
	maxHeader  = 100_000_000
	padPrefix  = "_pad."
	metadata   = "__metadata__"
	sumPrefix  = "sha256."
	headerSum  = "header"
	hexDigits  = 64
	noChecksum = "0000000000000000000000000000000000000000000000000000000000000000"
)

var elemBytes = map[string]int64{
	"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4,
	"F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}

// size is the number of bytes of the tensor.
func (e *Entry) size() (int64, error) {
	n, ok := elemBytes[e.DType]
	if !ok {
		return 0, fmt.Errorf("dtype %q is unknown", e.DType)
	}
	for _, d := range e.Shape {
		if d < 0 || d > 0 && n > math.MaxInt64/2/int64(d) {
			return 0, fmt.Errorf("shape %v is not possible", e.Shape)
		}
		n *= int64(d)
	}
	return n, nil
}

// align is what the tensor's offset is a multiple of.
func (e *Entry) align() int64 {
	switch {
	case strings.HasPrefix(e.Name, padPrefix):
		return 1
	case len(e.Shape) >= 2:
		return page
	default:
		return line
	}
}

// sameAs says whether two tensors agree in all but name.
func (e *Entry) sameAs(f *Entry) bool {
	return e.DType == f.DType && slices.Equal(e.Shape, f.Shape)
}

// A tensor is an entry with its place: bytes begin..end of the file.
type tensor struct {
	Entry
	begin, end int64
}

// place lays tensors out, in order, from the offset 0 of the payload, with padding between them.
func place(entries []Entry) ([]tensor, error) {
	var ts []tensor
	at, pads := int64(0), 0
	seen := map[string]bool{metadata: true, "": true}
	for _, e := range entries {
		if seen[e.Name] || strings.HasPrefix(e.Name, padPrefix) {
			return nil, fmt.Errorf("tensor %q: the name is taken", e.Name)
		}
		seen[e.Name] = true
		size, err := e.size()
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", e.Name, err)
		}
		if gap := -at & (e.align() - 1); gap > 0 {
			pad := Entry{fmt.Sprintf("%s%d", padPrefix, pads), "U8", []int{int(gap)}}
			ts = append(ts, tensor{pad, at, at + gap})
			pads++
			at += gap
		}
		ts = append(ts, tensor{e, at, at + size})
		at += size
	}
	return ts, nil
}
