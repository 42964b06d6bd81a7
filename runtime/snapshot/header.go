package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

const (
	magic   = "yocosave"
	version = 1

	page  = 4096
	block = 1 << 20 // of the payload has a checksum; a multiple of page
	fixed = 40      // bytes of the header before the description

	maxHeader      = 1 << 28
	maxDescription = 1 << 16
	maxPieces      = 1 << 22
	maxPiece       = 1 << 40 // bytes of one
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An Error is a file that is not what it should be.
type Error struct {
	File    string
	Offset  int64 // of the byte where that shows
	Problem string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: byte %d: %s", e.File, e.Offset, e.Problem) }

// A header is the first bytes of a file, as values.
type header struct {
	layout
	description []byte
	sums        []uint32 // of the blocks of the payload
}

// bytes is the length of the header in the file.
func (h *header) bytes() int64 {
	n := fixed + len(h.description) + 8*len(h.sizes) + 16*len(h.runs) + 4*len(h.sums) + 4
	return int64(n+page-1) &^ (page - 1)
}

// encode returns the header as it is in the file.
func (h *header) encode() []byte {
	put := binary.LittleEndian
	size := h.bytes()
	b := make([]byte, 0, size)
	b = append(b, magic...)
	b = put.AppendUint32(b, version)
	b = put.AppendUint32(b, uint32(size))
	b = put.AppendUint64(b, uint64(size+h.stored()))
	b = put.AppendUint32(b, uint32(len(h.description)))
	b = put.AppendUint32(b, uint32(len(h.sizes)))
	b = put.AppendUint64(b, uint64(len(h.runs)))
	b = append(b, h.description...)
	for _, n := range h.sizes {
		b = put.AppendUint64(b, uint64(n))
	}
	for _, r := range h.runs {
		b = put.AppendUint64(put.AppendUint64(b, uint64(r.first)), uint64(r.pages))
	}
	for _, s := range h.sums {
		b = put.AppendUint32(b, s)
	}
	b = b[:size]
	put.PutUint32(b[size-4:], crc32.Checksum(b[:size-4], castagnoli))
	return b
}

// headerBytes is the length of the header of a file of some size, by its first bytes. Everything else
// is decode's to check.
func headerBytes(name string, start []byte, size int64) (int64, error) {
	get := binary.LittleEndian
	n := min(len(start), len(magic))
	switch {
	case string(start[:n]) != magic[:n]:
		return 0, &Error{name, 0, "this is no saved session"}
	case len(start) < fixed:
		return 0, &Error{name, int64(len(start)), "the file ends inside its header: it was cut off"}
	case get.Uint32(start[8:]) != version:
		return 0, &Error{name, 8, fmt.Sprintf("version %d, want %d", get.Uint32(start[8:]), version)}
	}
	length := int64(get.Uint32(start[12:]))
	switch whole := get.Uint64(start[16:]); {
	case length < page || length > maxHeader || length%page != 0:
		return 0, &Error{name, 12, fmt.Sprintf("the header has %d bytes: the file is damaged", length)}
	case size < length:
		return 0, &Error{name, size, fmt.Sprintf("the file ends inside its header of %d bytes: it was cut off", length)}
	case whole > math.MaxInt64 || int64(whole) < length:
		return 0, &Error{name, 16, fmt.Sprintf("the file is said to have %d bytes: it is damaged", whole)}
	case size < int64(whole):
		return 0, &Error{name, size, fmt.Sprintf("the file ends here and should have %d bytes: it was cut off", whole)}
	case size > int64(whole):
		return 0, &Error{name, int64(whole), fmt.Sprintf("the file should end here and has %d bytes", size)}
	}
	return length, nil
}

// decode reads the header of a file of some size from its bytes, headerBytes of them. It accepts what
// encode writes and nothing else.
func decode(name string, b []byte, size int64) (*header, error) {
	get := binary.LittleEndian
	end := len(b) - 4
	if got, want := crc32.Checksum(b[:end], castagnoli), get.Uint32(b[end:]); got != want {
		return nil, &Error{name, 0, fmt.Sprintf("bytes 0 to %d, the header, have the checksum %08x, want %08x: the file is damaged", end-1, got, want)}
	}
	at := fixed
	bad := func(problem string, args ...any) (*header, error) {
		return nil, &Error{name, int64(at), fmt.Sprintf(problem, args...)}
	}
	description, pieces, runs := get.Uint32(b[24:]), get.Uint32(b[28:]), get.Uint64(b[32:])
	blocks := (size - int64(len(b)) + block - 1) / block
	room := uint64(end - fixed)
	if description > maxDescription || pieces > maxPieces || runs > room/16 || uint64(blocks) > room/4 ||
		uint64(description)+8*uint64(pieces)+16*runs+4*uint64(blocks) > room {
		return bad("%d bytes of description, %d pieces, %d runs and %d checksums have no room in a header of %d bytes",
			description, pieces, runs, blocks, len(b))
	}
	h := &header{description: b[at:][:description:description]}
	at += int(description)
	for range pieces {
		n := get.Uint64(b[at:])
		if n > maxPiece {
			return bad("a piece of %d bytes", n)
		}
		h.sizes = append(h.sizes, int64(n))
		at += 8
	}
	h.number()
	for end := int64(-1); runs > 0; runs-- { // of the run before
		first, n := get.Uint64(b[at:]), get.Uint64(b[at+8:])
		if all := uint64(h.pages()); n == 0 || n > all || first > all-n || int64(first) <= end {
			return bad("a run of %d pages from %d on, of %d pages", n, first, all)
		}
		h.runs = append(h.runs, run{int64(first), int64(n)})
		end = int64(first + n)
		at += 16
	}
	h.store()
	if got := int64(len(b)) + h.stored(); got != size {
		return bad("header and runs are %d bytes, the file has %d", got, size)
	}
	for range blocks {
		h.sums = append(h.sums, get.Uint32(b[at:]))
		at += 4
	}
	if h.bytes() != int64(len(b)) {
		return bad("a header of %d bytes, want %d", len(b), h.bytes())
	}
	if !zero(b[at:end]) {
		return bad("the header is not filled up with zeros")
	}
	return h, nil
}
