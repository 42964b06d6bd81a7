package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// A needle is something to remember: what says it, what asks for it, and the answer, as tokens.
type needle struct {
	planted, question, answer []int32
	depth                     int // in percent of the haystack before it
}

// Needles are hidden in haystacks of any length, always the same ones.
type Needles struct {
	needles []needle // in the order of their depths
	front   []int32  // what a haystack begins with
	hay     func(*rand.Rand) []int32
	options NeedleOptions
}

// NeedleOptions say what is hidden where.
type NeedleOptions struct {
	Lengths []int // of haystacks, in tokens
	Depths  []int // in percent
	Count   int   // needles at every depth
}

// NewNeedles draws needles: of a model with a tokenizer numbers of cities, otherwise pairs of a key and a
// value from the token classes that golden.json in its checkpoint's folder tells.
func NewNeedles(m *Model, t *Text, o NeedleOptions) (*Needles, error) {
	o.Lengths, o.Depths = sorted(o.Lengths), sorted(o.Depths)
	n := &Needles{options: o}
	r := rand.New(rand.NewPCG(1, 2))
	var draw func(*rand.Rand, int) []needle
	most := len(cities)
	if t.tok != nil {
		n.front = t.tok.Prompt("", false)
		straw := t.tok.Encode(straw, false)
		n.hay = func(*rand.Rand) []int32 { return straw }
		draw = t.cityNumbers
	} else {
		c, err := loadClasses(m)
		if err != nil {
			return nil, err
		}
		n.front = []int32{c.bos.from}
		n.hay = func(r *rand.Rand) []int32 { return []int32{c.filler.draw(r)} }
		draw = c.pairs
		most = min(c.keys.len(), c.values.len())
	}
	if all := len(o.Depths) * o.Count; all > most {
		return nil, fmt.Errorf("%d needles at each of %d depths are %d: want at most %d", o.Count, len(o.Depths), all, most)
	}
	n.needles = draw(r, len(o.Depths)*o.Count)
	for i := range n.needles {
		n.needles[i].depth = o.Depths[i/o.Count]
	}
	for _, length := range o.Lengths {
		if _, err := n.places(length); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func sorted(x []int) []int {
	x = slices.Clone(x)
	slices.Sort(x)
	return slices.Compact(x)
}

// Context is what a session needs for the longest haystack and all questions.
func (n *Needles) Context() int {
	context := slices.Max(n.options.Lengths)
	for _, x := range n.needles {
		context += len(x.question) + len(x.answer)
	}
	return context
}

// places are where the needles of a haystack begin: as deep as they should be, or else side by side.
func (n *Needles) places(length int) ([]int, error) {
	at := make([]int, len(n.needles))
	free := len(n.front)
	for i, x := range n.needles {
		room := length - len(n.front) - len(x.planted)
		at[i] = max(free, len(n.front)+room*x.depth/100)
		free = at[i] + len(x.planted)
	}
	limit := length
	for i := len(at) - 1; i >= 0; i-- {
		limit = min(at[i], limit-len(n.needles[i].planted))
		at[i] = limit
	}
	if len(at) > 0 && at[0] < len(n.front) {
		return nil, fmt.Errorf("a haystack of %d tokens has no room for %d needles: want %d or more", length, len(at), length+len(n.front)-at[0])
	}
	return at, nil
}

// haystack is the text of so many tokens with all needles in it. There is room for them.
func (n *Needles) haystack(length int) []int32 {
	at, err := n.places(length)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	r := rand.New(rand.NewPCG(3, uint64(length)))
	tokens := append(make([]int32, 0, length), n.front...)
	fill := func(to int) {
		for len(tokens) < to {
			straw := n.hay(r)
			tokens = append(tokens, straw[:min(len(straw), to-len(tokens))]...)
		}
	}
	for i, x := range n.needles {
		fill(at[i])
		tokens = append(tokens, x.planted...)
	}
	fill(length)
	return tokens
}

// straw is what a haystack of text is made of.
const straw = "\nThe grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."

// cityNumbers draws needles of text. What asks is the needle's own beginning.
func (t *Text) cityNumbers(r *rand.Rand, n int) []needle {
	var list []needle
	for _, i := range r.Perm(len(cities))[:n] {
		x := needle{
			question: t.tok.Encode(fmt.Sprintf("\nOne of the special magic numbers for %s is:", cities[i]), false),
			answer:   t.tok.Encode(fmt.Sprintf(" %d", 1000000+r.IntN(9000000)), false),
		}
		x.planted = slices.Concat(x.question, x.answer, t.tok.Encode(".", false))
		list = append(list, x)
	}
	return list
}

var cities = [...]string{
	"Accra", "Algiers", "Amman", "Amsterdam", "Ankara", "Athens", "Baghdad", "Baku", "Bangkok", "Beirut", "Belgrade", "Berlin", "Bogota",
	"Brussels", "Bucharest", "Budapest", "Cairo", "Canberra", "Caracas", "Chicago", "Copenhagen", "Dakar", "Damascus", "Delhi", "Dhaka",
	"Dublin", "Geneva", "Hanoi", "Harare", "Havana", "Helsinki", "Istanbul", "Jakarta", "Kabul", "Kampala", "Karachi", "Khartoum", "Lagos",
	"Lima", "Lisbon", "London", "Madrid", "Manila", "Melbourne", "Minsk", "Montreal", "Moscow", "Mumbai", "Nairobi", "Oslo", "Ottawa",
	"Paris", "Prague", "Quito", "Riga", "Rome", "Seoul", "Sofia", "Stockholm", "Sydney", "Tokyo", "Toronto", "Vienna", "Warsaw",
}

// A class is a range of tokens.
type class struct{ from, to int32 } // to is the last one

func (c class) len() int                { return int(c.to - c.from + 1) }
func (c class) draw(r *rand.Rand) int32 { return c.from + r.Int32N(c.to-c.from+1) }
func (c class) nth(i int) int32         { return c.from + int32(i) }
func (c class) fits(vocab int) bool     { return c.from <= c.to && int(c.to) < vocab }

// classes are the tokens of a model that is made to find values by their keys.
type classes struct{ bos, mark, keys, values, filler class }

// pairs draws needles that are a key and a value; the mark and a key ask.
func (c *classes) pairs(r *rand.Rand, n int) []needle {
	keys, values := r.Perm(c.keys.len()), r.Perm(c.values.len())
	var list []needle
	for i := range n {
		key, value := c.keys.nth(keys[i]), c.values.nth(values[i])
		list = append(list, needle{
			planted:  []int32{key, value},
			question: []int32{c.mark.from, key},
			answer:   []int32{value},
		})
	}
	return list
}

var classPattern = regexp.MustCompile(`(\d{1,9})(?:\.\.(\d{1,9}))? (bos|query mark|keys|values|filler)`)

// loadClasses reads the note of the golden.json in the checkpoint's folder: "Token classes: 0 bos, 1 query
// mark, 2..65 keys, 66..129 values, 130..255 filler."
func loadClasses(m *Model) (*classes, error) {
	none := errors.New("finding needles needs a tokenizer, which the spec does not name, or a golden.json beside the checkpoint that tells the token classes")
	if m.files == nil {
		return nil, none
	}
	dir := m.files.Path
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(dir, "golden.json")
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, none
	}
	if err != nil {
		return nil, err
	}
	c, err := parseClasses(data, m.Spec.Vocab)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func parseClasses(data []byte, vocab int) (*classes, error) {
	var golden struct {
		Note string `json:"note"`
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		return nil, err
	}
	found := map[string]class{}
	for _, x := range classPattern.FindAllStringSubmatch(golden.Note, -1) {
		from, _ := strconv.Atoi(x[1]) // at most nine digits
		to := from
		if x[2] != "" {
			to, _ = strconv.Atoi(x[2])
		}
		found[x[3]] = class{int32(from), int32(to)}
	}
	for _, name := range []string{"bos", "query mark", "keys", "values", "filler"} {
		c, ok := found[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("note: the token class %q is not told: want such as 2..65 %s", name, name)
		case !c.fits(vocab):
			return nil, fmt.Errorf("note: %d..%d %s: want tokens from 0 to %d", c.from, c.to, name, vocab-1)
		}
	}
	return &classes{found["bos"], found["query mark"], found["keys"], found["values"], found["filler"]}, nil
}
