package tokenizer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A SentencePiece model is a protobuf message (sentencepiece_model.proto): pieces with a score and a
// kind each, whose places are their ids, how they were trained, and how texts are normalized.

// kinds of pieces.
const (
	pieceNormal  = 1
	pieceUnknown = 2
	pieceControl = 3 // special tokens: <s>, </s>
	pieceUser    = 4 // found in the text before all others
	pieceUnused  = 5 // left out of the vocabulary; of BPE, which would merge it all the same, refused
	pieceByte    = 6
)

type piece struct {
	text  string
	score float64 // a float32
	kind  int32
}

// kinds of models.
const (
	modelUnigram = 1
	modelBPE     = 2
)

// sentencePiece is a model file, as far as it matters here.
type sentencePiece struct {
	pieces       []piece
	model        int32
	byteFallback bool
	suffix       bool // the space that is added stands behind
	bos, eos     int32
	unk          int32
	norm         spaces
}

// ParseSentencePiece reads a SentencePiece model, of kind BPE or unigram; file is its name in errors.
func ParseSentencePiece(file string, data []byte) (*Tokenizer, error) {
	m := &message{data: data}
	p := &sentencePiece{model: modelUnigram, bos: 1, eos: 2, norm: spaces{dummy: true, extra: true, escape: true}}
	err := p.read(m)
	if m.err != nil {
		err = m.err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: this is no SentencePiece model: %w", file, err)
	}
	t, err := p.build()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

func (p *sentencePiece) read(m *message) error {
	for f, ok := m.next(); ok; f, ok = m.next() {
		inner := f.message()
		var err error
		switch f.number {
		case 1:
			err = p.readPiece(inner)
		case 2:
			p.readTraining(inner)
		case 3:
			err = p.readNormalizer(inner)
		}
		if inner.err != nil {
			err = inner.err
		}
		if err != nil {
			return err
		}
	}
	if m.err == nil && len(p.pieces) == 0 {
		return fmt.Errorf("it has no pieces")
	}
	return nil
}

func (p *sentencePiece) readPiece(m *message) error {
	if len(p.pieces) > maxID {
		return fmt.Errorf("it has more than %d pieces", maxID)
	}
	x := piece{kind: pieceNormal}
	for f, ok := m.next(); ok; f, ok = m.next() {
		switch f.number {
		case 1:
			x.text = string(f.data)
		case 2:
			x.score = f.float()
		case 3:
			x.kind = f.int()
		}
	}
	if len(x.text) > maxToken || math.IsNaN(x.score) || math.IsInf(x.score, 0) {
		return fmt.Errorf("piece %d has %d bytes and score %v: want at most %d and a number", len(p.pieces), len(x.text), x.score, maxToken)
	}
	p.pieces = append(p.pieces, x)
	return nil
}

func (p *sentencePiece) readTraining(m *message) {
	for f, ok := m.next(); ok; f, ok = m.next() {
		switch f.number {
		case 3:
			p.model = f.int()
		case 24:
			p.suffix = f.bool()
		case 35:
			p.byteFallback = f.bool()
		case 41:
			p.bos = f.int()
		case 42:
			p.eos = f.int()
		}
	}
}

func (p *sentencePiece) readNormalizer(m *message) (err error) {
	for f, ok := m.next(); ok; f, ok = m.next() {
		switch f.number {
		case 2:
			if p.norm.chars, err = newCharsMap(f.data); err != nil {
				return err
			}
		case 3:
			p.norm.dummy = f.bool()
		case 4:
			p.norm.extra = f.bool()
		case 5:
			p.norm.escape = f.bool()
		}
	}
	return nil
}

func (p *sentencePiece) build() (*Tokenizer, error) {
	t := &Tokenizer{eos: -1}
	ids := make(map[string]int32, len(p.pieces))
	texts := make([]string, len(p.pieces))
	var user []added
	var bytes [256]int32
	found := 0
	p.unk = -1
	for i, x := range p.pieces {
		id := int32(i)
		if _, twice := ids[x.text]; twice || x.text == "" {
			return nil, fmt.Errorf("piece %d: %q is empty or there twice", i, x.text)
		}
		ids[x.text], texts[i] = id, textOf(x.text)
		switch x.kind {
		case pieceNormal:
		case pieceUnused:
			if p.model == modelBPE {
				return nil, fmt.Errorf("piece %d: %q is left out of the vocabulary, which is not supported in BPE", i, x.text)
			}
		case pieceUnknown:
			p.unk = id
		case pieceControl:
			texts[i] = x.text
			t.added = append(t.added, added{ID: id, Content: x.text, Special: true})
		case pieceUser:
			user = append(user, added{ID: id, Content: x.text})
		case pieceByte:
			b, ok := byteOfPiece(x.text)
			if !ok {
				return nil, fmt.Errorf("piece %d: %q is no byte", i, x.text)
			}
			bytes[b] = id
			found++
		default:
			return nil, fmt.Errorf("piece %d: %q is of kind %d, which is not supported", i, x.text, x.kind)
		}
	}
	u := unknown{id: p.unk, fuse: true}
	switch {
	case p.byteFallback && found != len(bytes):
		return nil, fmt.Errorf("%d of 256 bytes are pieces: byte_fallback needs all", found)
	case p.byteFallback:
		u.bytes = &bytes
	case p.unk < 0:
		return nil, fmt.Errorf("there is neither byte_fallback nor an unknown piece, so text would be lost")
	}
	p.norm.suffix = p.suffix
	p.norm.user = newMatcher(user)
	t.normal = []func(string) string{p.norm.apply}
	t.lead = p.norm.dummy && !p.suffix
	t.raw = newMatcher(t.added)
	t.setTexts(texts)
	control := func(id int32) bool {
		return id >= 0 && int(id) < len(p.pieces) && p.pieces[id].kind == pieceControl
	}
	if control(p.eos) {
		t.eos = p.eos
	}
	if p.model == modelBPE && control(p.bos) {
		t.front = []int32{p.bos} // the model does not say it; Llama's and those after it want it
	}
	switch p.model {
	case modelBPE:
		t.rest = newMatcher(user)
		t.model = p.bpe(ids, u)
		if !slices.ContainsFunc(p.pieces, func(x piece) bool { return inside(x.text) }) {
			t.split = words
		}
	case modelUnigram:
		t.model = p.unigram(u)
	default:
		return nil, fmt.Errorf("the model is of kind %d: want 1 (unigram) or 2 (BPE)", p.model)
	}
	return t, nil
}

// bpe makes the merges: any two symbols whose texts together are a piece become it, the piece of the
// highest score first. Characters that are parts of pieces and no pieces themselves are symbols too.
func (p *sentencePiece) bpe(ids map[string]int32, u unknown) *bpe {
	c := newChars()
	c.unknown, c.tokens = u, int32(len(p.pieces))
	symbols := make(map[string]int32, len(p.pieces))
	merging := func(x piece) bool { return x.kind == pieceNormal || x.kind == pieceUser }
	order := make([]int32, 0, len(p.pieces))
	for i, x := range p.pieces {
		if !merging(x) {
			continue
		}
		symbols[x.text] = int32(i)
		if r, ok := single(x.text); ok {
			c.set(r, int32(i))
		}
		order = append(order, int32(i))
	}
	parts := c.tokens // the next symbol that is no token
	for _, i := range order {
		for _, r := range p.pieces[i].text {
			if _, ok := symbols[string(r)]; !ok {
				symbols[string(r)] = parts
				c.set(r, parts)
				parts++
			}
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(p.pieces[b].score, p.pieces[a].score) })
	b := &bpe{chars: c, merges: map[uint64]merged{}}
	rank := int32(-1)
	for n, i := range order {
		x := p.pieces[i]
		if n == 0 || x.score != p.pieces[order[n-1]].score {
			rank++
		}
		for at := range x.text {
			if at == 0 {
				continue
			}
			if left, ok := symbols[x.text[:at]]; ok {
				if right, ok := symbols[x.text[at:]]; ok {
					b.merges[pair(left, right)] = merged{rank, i}
				}
			}
		}
	}
	return b
}

// unigram makes a model whose sums are SentencePiece's.
func (p *sentencePiece) unigram(u unknown) *unigram {
	m := &unigram{pieces: newTrie(), single: true, unknown: u, bonus: map[int32]float64{}}
	low, high := math.MaxFloat32, -math.MaxFloat32
	for i, x := range p.pieces {
		m.scores = append(m.scores, x.score)
		if x.kind == pieceNormal {
			low, high = min(low, x.score), max(high, x.score)
		}
		if x.kind == pieceNormal || x.kind == pieceUser {
			m.pieces.add(x.text, int32(i))
		}
	}
	m.penalty = float64(float32(low) - 10)
	for i, x := range p.pieces {
		if x.kind == pieceUser {
			m.bonus[int32(i)] = high
		}
	}
	return m
}
