package runtime

import (
	"github.com/yococ/yococ/runtime/kernel"
)

// states are all that tokens change of a session. Whatever the memory holds of positions from pos on is dead: it is
// overwritten before anything looks at it.
type states struct {
	pos    int
	region *region // nil before anything is computed
	spans  []*span // at least those of the tokens before pos
	table  kernel.Spans
}

// grow makes room for n more tokens: spans of the session's own from pos on. What others have too t copies.
// If memory runs out the states say what they said.
func (s *states) grow(pool *spanPool, n int, t *team) error {
	for i := s.pos / kernel.SpanTokens; i*kernel.SpanTokens < s.pos+n; i++ {
		if i < len(s.spans) && !s.spans[i].shared() {
			continue
		}
		span, err := pool.take()
		if err != nil {
			return err
		}
		if i == len(s.spans) {
			s.spans, s.table = append(s.spans, span), append(s.table, span.bytes)
			continue
		}
		if i*kernel.SpanTokens < s.pos {
			span.fill(s.spans[i], t)
		}
		s.spans[i].release()
		s.spans[i], s.table[i] = span, span.bytes
	}
	return nil
}

// adopt makes the spans of a moment those of states that have none.
func (s *states) adopt(m *moment) {
	for _, span := range m.spans {
		s.spans, s.table = append(s.spans, span.share()), append(s.table, span.bytes)
	}
}

// advance notes that tokens have been added, for which there was room.
func (s *states) advance(tokens []int32) {
	for len(tokens) > 0 {
		n := copy(s.spans[s.pos/kernel.SpanTokens].tokens[s.pos%kernel.SpanTokens:], tokens)
		s.pos, tokens = s.pos+n, tokens[n:]
	}
}

// truncate gives the spans back that the first n tokens do not need.
func (s *states) truncate(n int) {
	keep := spansOf(n)
	for _, span := range s.spans[keep:] {
		span.release()
	}
	clear(s.spans[keep:])
	clear(s.table[keep:])
	s.spans, s.table = s.spans[:keep], s.table[:keep]
}

// clear gives all memory back.
func (s *states) clear() {
	for _, span := range s.spans {
		span.release()
	}
	if s.region != nil {
		s.region.release()
	}
	clear(s.spans)
	clear(s.table)
	*s = states{spans: s.spans[:0], table: s.table[:0]}
}
