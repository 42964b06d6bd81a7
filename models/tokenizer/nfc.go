package tokenizer

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Normalization Form C of Unicode's standard annex 15: characters are decomposed, marks put in order
// of their class, and composed again.

// nfcTable is what golang.org/x/text/unicode/norm, of which the standard library has a copy that
// others cannot import, says of every character.
//
//go:embed nfc.txt
var nfcTable string

type nfcData struct {
	parts   map[rune][]rune  // what a character is decomposed into, by one step
	whole   map[[2]rune]rune // what two become
	classes map[rune]uint8   // that are not 0
	moving  map[rune]bool    // may be decomposed, reordered, or composed with what is before it
	pages   [0x110]bool      // 4,096 characters each: whether any of them is moving
}

var nfcTables = sync.OnceValue(func() *nfcData {
	d := &nfcData{parts: map[rune][]rune{}, whole: map[[2]rune]rune{}, classes: map[rune]uint8{}, moving: map[rune]bool{}}
	for line := range strings.Lines(nfcTable) {
		words := strings.Fields(line)
		if words[0] == "#" {
			continue
		}
		if from, to, ok := strings.Cut(words[0], "-"); ok {
			class, _ := strconv.ParseUint(words[1], 10, 8)
			for c := runeOf(from); c <= runeOf(to); c++ {
				d.classes[c], d.moving[c] = uint8(class), true
			}
			continue
		}
		excluded := words[len(words)-1] == "!"
		if excluded {
			words = words[:len(words)-1]
		}
		var runes []rune
		for _, w := range words {
			runes = append(runes, runeOf(w))
		}
		d.parts[runes[0]], d.moving[runes[0]] = runes[1:], true
		if len(runes) == 3 && !excluded {
			d.whole[[2]rune(runes[1:])] = runes[0]
			d.moving[runes[2]] = true
		}
	}
	for c := rune(jamoV); c < jamoV+jamoVs; c++ {
		d.moving[c] = true
	}
	for c := rune(jamoT + 1); c < jamoT+jamoTs; c++ {
		d.moving[c] = true
	}
	for c := range d.moving {
		d.pages[c>>12] = true
	}
	// A composed character begins with one that does not move, or moves itself only for being made of
	// two: é stays where it is unless something follows.
	for _, c := range d.whole {
		if d.inert(c) {
			delete(d.moving, c)
		}
	}
	return d
})

func runeOf(word string) rune {
	n, err := strconv.ParseUint(word, 16, 32)
	if err != nil {
		panic("BUG: nfc.txt: " + word)
	}
	return rune(n)
}

// inert reports whether c, which two characters become, is left as it is where no mark follows it: its
// first part, down to the innermost, is neither a mark nor the second part of another.
func (d *nfcData) inert(c rune) bool {
	for d.parts[c] != nil {
		c = d.parts[c][0]
	}
	return !d.moving[c]
}

// Hangul syllables are composed by arithmetic: of a leading consonant, a vowel and perhaps a trailing
// consonant.
const (
	syllables, jamoL, jamoV, jamoT = 0xac00, 0x1100, 0x1161, 0x11a7
	jamoLs, jamoVs, jamoTs         = 19, 21, 28
)

// nfc normalizes s. Bytes that are not UTF-8 stay as they are.
func nfc(s string) string {
	if i := strings.IndexFunc(s, func(r rune) bool { return r >= 0x300 }); i < 0 {
		return s // nothing moves below
	}
	d := nfcTables()
	var out []byte
	done := 0  // out holds s[:done] normalized, if it is not nil
	start := 0 // where the last character begins that stays
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r < 0x300 && r != utf8.RuneError || !d.pages[r>>12] || !d.moving[r] {
			start = i
			i += n
			continue
		}
		end := i + n
		for end < len(s) {
			r, n := utf8.DecodeRuneInString(s[end:])
			if !d.moving[r] {
				break
			}
			end += n
		}
		out = append(out, s[done:start]...)
		out = d.segment(out, s[start:end])
		done, start, i = end, end, end
	}
	if out == nil {
		return s
	}
	return string(append(out, s[done:]...))
}

// segment appends what a character that stays and others that move become.
func (d *nfcData) segment(out []byte, s string) []byte {
	if r, n := utf8.DecodeRuneInString(s); r == utf8.RuneError && n == 1 {
		out, s = append(out, s[0]), s[1:]
	}
	var runes []rune
	for _, r := range s {
		runes = d.decompose(runes, r)
	}
	for i := 0; i < len(runes); {
		end := i + 1
		if d.classes[runes[i]] != 0 {
			for end < len(runes) && d.classes[runes[end]] != 0 {
				end++
			}
			slices.SortStableFunc(runes[i:end], func(a, b rune) int { return int(d.classes[a]) - int(d.classes[b]) })
		}
		i = end
	}
	for _, r := range d.compose(runes) {
		out = utf8.AppendRune(out, r)
	}
	return out
}

func (d *nfcData) decompose(runes []rune, r rune) []rune {
	parts, ok := d.parts[r]
	if !ok {
		return append(runes, r)
	}
	for _, p := range parts {
		runes = d.decompose(runes, p)
	}
	return runes
}

// compose joins, in place, every character with the last of class 0 before it, unless one between
// them has a class as high, or 0.
func (d *nfcData) compose(runes []rune) []rune {
	n, starter := 0, -1
	var last uint8 // class of the character before
	for _, r := range runes {
		class := d.classes[r]
		if starter >= 0 && (n == starter+1 || last != 0 && last < class) {
			if whole, ok := d.join(runes[starter], r); ok {
				runes[starter] = whole
				continue
			}
		}
		if class == 0 {
			starter = n
		}
		runes[n], last = r, class
		n++
	}
	return runes[:n]
}

func (d *nfcData) join(a, b rune) (rune, bool) {
	switch {
	case jamoL <= a && a < jamoL+jamoLs && jamoV <= b && b < jamoV+jamoVs:
		return syllables + ((a-jamoL)*jamoVs+b-jamoV)*jamoTs, true
	case syllables <= a && a < syllables+jamoLs*jamoVs*jamoTs && (a-syllables)%jamoTs == 0 && jamoT < b && b < jamoT+jamoTs:
		return a + b - jamoT, true
	}
	whole, ok := d.whole[[2]rune{a, b}]
	return whole, ok
}
