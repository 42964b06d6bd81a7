package kernel

// SpanTokens is the number of tokens of a span: of a segment of a cache that grows.
const SpanTokens = segmentTokens

// Spans are the memory of the caches of a session that grow: span i has its positions SpanTokens*i and on, in
// every one of these caches, which lie one behind the other in it. Each begins on a cache line.
//
// The session lengthens the table, and may replace a span by another that says the same of all tokens so far,
// but never while a routine runs.
type Spans [][]byte

// States hands out the memory of a session's states, in the order in which it is asked: to those of a
// fixed size pieces of a region, to caches that grow a place in every span.
type States struct {
	region []byte
	spans  *Spans
	used   int // bytes of the region
	grown  int // bytes of a span
}

// NewStates begins with the first state. The region is StateBytes of all states of a fixed size, zeros before
// any token, and begins on a cache line.
func NewStates(region []byte, spans *Spans) States { return States{region: region, spans: spans} }

// Floats are the next n floats of the region.
func (s *States) Floats(n int) []float32 { return floatsOf(s.take(4 * n)) }

// take are the next n bytes of the region.
func (s *States) take(n int) []byte {
	b := s.region[s.used:][:n:n]
	s.used += roundUp(n, lineBytes)
	return b
}

// grow is the place of the next n bytes of every span.
func (s *States) grow(n int) (spans *Spans, offset int) {
	offset = s.grown
	s.grown += roundUp(n, lineBytes)
	return s.spans, offset
}

// lineBytes is the size of a cache line.
const lineBytes = 64

// StateBytes is what a layer's state takes of a region.
func StateBytes(spec interface{ StateFloats() int }) int {
	return roundUp(4*spec.StateFloats(), lineBytes)
}

// A Part is the bytes [From, To) of a region.
type Part struct{ From, To int }

// Parts walks through a region as States does, and notes the parts of it that are spoiled.
type Parts struct {
	Spoiled []Part
	at      int
}

// NewParts begins with the first state; what is found is appended to parts.
func NewParts(parts []Part) Parts { return Parts{Spoiled: parts} }

// Add goes over the states of some layers, of so many bytes each, which are good or spoiled.
func (p *Parts) Add(layers, bytes int, good bool) {
	from := p.at
	p.at += layers * roundUp(bytes, lineBytes)
	if good {
		return
	}
	if n := len(p.Spoiled); n > 0 && p.Spoiled[n-1].To == from {
		p.Spoiled[n-1].To = p.at
		return
	}
	p.Spoiled = append(p.Spoiled, Part{from, p.at})
}
