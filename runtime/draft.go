package runtime

import "slices"

// Drafts by prompt lookup (Saxena 2023, "Prompt Lookup Decoding"): a text goes on as it did after the last
// place where the same tokens stood. A pass that verifies a draft has a row a token; the
// weights are read once, so that it costs little more than a pass of one row. What a draft says never changes
// what is generated: only tokens that the sampler chooses itself are kept.

const (
	gram     = 3  // tokens that are looked up, and gram-1 if those were never seen
	farthest = 16 // tokens that are compared to tell how long a match is
)

// A drafter holds a text, finds where its end stood before, and learns how good such places are. Adding a token
// costs the same for a text of any length, on average: the tables are doubled as the text grows.
type drafter struct {
	text    []int32
	after   [2][]int32 // by a hash of the last gram tokens, and of one less: where the text went on; 0 for nowhere
	next    int        // what is expected to come is text[next]; 0 for nothing
	matched int        // tokens before next that are those at the end, at most farthest
	right   [farthest + 1]estimate
}

// An estimate is how often text[next] came after a match of some length. Old cases count less.
type estimate struct{ right, cases float64 }

const (
	priorCases = 4
	forgetAt   = 64 // cases; then half of them are forgotten
)

// prior is how often a longer match than any is believed to be right before there are cases; shorter ones less.
const prior = 0.9

func (e estimate) chance(matched int) float64 {
	p := prior * float64(matched) / farthest
	return (e.right + p*priorCases) / (e.cases + priorCases)
}

func (e *estimate) learn(right bool) {
	if e.cases >= forgetAt {
		e.right, e.cases = e.right/2, e.cases/2
	}
	e.cases++
	if right {
		e.right++
	}
}

// follow makes text the whole text. It learns from what it has not seen yet.
func (d *drafter) follow(text []int32) {
	if n := len(d.text); n > len(text) || !slices.Equal(d.text, text[:n]) {
		d.text, d.next, d.matched = d.text[:0], 0, 0
		d.index()
	}
	for _, t := range text[len(d.text):] {
		d.add(t)
	}
}

// index enters all of the text in tables of its size, but for its end.
func (d *drafter) index() {
	size := 1 << 10
	for size < 4*len(d.text) {
		size *= 2
	}
	for i := range d.after {
		if len(d.after[i]) != size {
			d.after[i] = make([]int32, size)
		} else {
			clear(d.after[i])
		}
		for at := gram - i; at < len(d.text); at++ {
			*d.slot(i, at) = int32(at)
		}
	}
}

// slot is where table i has what follows the tokens before at.
func (d *drafter) slot(i, at int) *int32 {
	h := uint64(0)
	for _, t := range d.text[at-(gram-i) : at] {
		h = (h ^ uint64(uint32(t))) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	return &d.after[i][h&uint64(len(d.after[i])-1)]
}

// add adds a token to the text.
func (d *drafter) add(token int32) {
	right := d.next > 0 && d.text[d.next] == token
	if d.next > 0 {
		d.right[d.matched].learn(right)
	}
	end := len(d.text)
	for i := range d.after {
		if end >= gram-i {
			*d.slot(i, end) = int32(end)
		}
	}
	d.text = append(d.text, token)
	if 2*len(d.text) > len(d.after[0]) {
		d.index()
	}
	if right { // the longest match goes on
		d.next, d.matched = d.next+1, min(d.matched+1, farthest)
		return
	}
	d.find()
}

// find looks the text's end up.
func (d *drafter) find() {
	d.next, d.matched = 0, 0
	end := len(d.text)
	for i := range d.after {
		if end < gram-i {
			continue
		}
		at := int(*d.slot(i, end))
		n := 0
		for n < min(farthest, at) && d.text[at-1-n] == d.text[end-1-n] {
			n++
		}
		if n >= gram-i { // else another text has the same hash
			d.next, d.matched = at, n
			return
		}
	}
}

// A price says what passes cost, in passes of one row.
type price struct {
	row   float64 // a row more
	fixed float64 // what else a pass takes that may have to be taken back
	redo  float64 // to take it back
}

// worthwhile is the gain from which on a draft is tried: what is learnt is uncertain.
const worthwhile = 1.03

// worth returns the number of tokens, at most limit, that give the most tokens for the price, and how many times
// as many that are as in passes of one row. It is 0 where there is nothing to gain.
func (d *drafter) worth(limit int, cost price) (n int, gain float64) {
	gain = worthwhile
	all, tokens := 1.0, 1.0 // the chance that all of a draft are right; tokens of a pass, on average
	for k := 1; k <= limit && d.next > 0; k++ {
		m := min(d.matched+k-1, farthest)
		all *= d.right[m].chance(m)
		tokens += all
		if x := tokens / (1 + cost.fixed + cost.row*float64(k) + cost.redo*(1-all)); x > gain {
			n, gain = k, x
		}
	}
	return n, gain
}

// draft appends to dst the n tokens that are expected to come. There is such an expectation.
func (d *drafter) draft(dst []int32, n int) []int32 {
	from := len(dst)
	for i := range n {
		if at := d.next + i; at < len(d.text) {
			dst = append(dst, d.text[at])
		} else { // the match overlaps the end: the text repeats itself
			dst = append(dst, dst[from+at-len(d.text)])
		}
	}
	return dst
}
