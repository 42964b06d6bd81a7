package snapshot

import (
	"bytes"
	"sort"
)

// A layout says which bytes of the payload are which bytes of the pieces.
type layout struct {
	sizes  []int64 // of the pieces
	starts []int64 // the first page of each piece, and the number of all
	runs   []run   // what is stored, ascending
	before []int64 // stored pages before each run, and the number of all
}

// A run is pages that follow one another.
type run struct{ first, pages int64 }

// number sets starts.
func (l *layout) number() {
	at := int64(0)
	l.starts = make([]int64, 0, len(l.sizes)+1)
	for _, n := range l.sizes {
		l.starts = append(l.starts, at)
		at += (n + page - 1) / page
	}
	l.starts = append(l.starts, at)
}

// pages is the number of pages of all pieces.
func (l *layout) pages() int64 { return l.starts[len(l.sizes)] }

// store sets before.
func (l *layout) store() {
	at := int64(0)
	l.before = make([]int64, 0, len(l.runs)+1)
	for _, r := range l.runs {
		l.before = append(l.before, at)
		at += r.pages
	}
	l.before = append(l.before, at)
}

// stored is the length of the payload.
func (l *layout) stored() int64 { return page * l.before[len(l.runs)] }

// at is the piece that a page is in, and the offset of the page there.
func (l *layout) at(p int64) (piece int, offset int64) {
	piece = sort.Search(len(l.starts), func(i int) bool { return l.starts[i] > p }) - 1
	return piece, page * (p - l.starts[piece])
}

// A part is n bytes of the payload from at on, which are bytes of one piece from offset on; those beyond the
// piece's length are zeros.
type part struct {
	at, n  int64
	piece  int
	offset int64
}

// parts yields bytes [from, to) of the payload; both are at pages, and no part is longer than limit pages.
func (l *layout) parts(from, to, limit int64, yield func(part) error) error {
	for at := from / page; at < to/page; {
		r := sort.Search(len(l.before), func(i int) bool { return l.before[i] > at }) - 1
		first := l.runs[r].first + at - l.before[r]
		piece, offset := l.at(first)
		n := min(l.before[r+1]-at, l.starts[piece+1]-first, to/page-at, limit)
		if err := yield(part{page * at, page * n, piece, offset}); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// of are the bytes of a part that are its piece's.
func (p *part) of(pieces [][]byte) []byte {
	b := pieces[p.piece][p.offset:]
	return b[:min(int64(len(b)), p.n)]
}

var zeros [page]byte

// zero reports whether b is zeros.
func zero(b []byte) bool {
	for ; len(b) > page; b = b[page:] {
		if !bytes.Equal(b[:page], zeros[:]) {
			return false
		}
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// lay is the layout of pieces: it looks for pages of zeros.
func lay(pieces [][]byte, threads int) layout {
	var l layout
	for _, b := range pieces {
		l.sizes = append(l.sizes, int64(len(b)))
	}
	l.number()
	used := make([]bool, l.pages())
	const many = block / page
	units := (len(used) + many - 1) / many
	_ = share(threads, units, func(u int) error {
		for p := u * many; p < min((u+1)*many, len(used)); p++ {
			piece, offset := l.at(int64(p))
			b := pieces[piece][offset:]
			used[p] = !zero(b[:min(page, len(b))])
		}
		return nil
	})
	for p, stored := range used {
		switch last := len(l.runs) - 1; {
		case !stored:
		case p > 0 && used[p-1]:
			l.runs[last].pages++
		default:
			l.runs = append(l.runs, run{int64(p), 1})
		}
	}
	l.store()
	return l
}
