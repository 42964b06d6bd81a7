package runtime

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/yococ/yococ/runtime/kernel"
)

// A moment is a session's states at a position, and the logits there. It never changes: whoever goes on from it
// shares its memory until it writes.
type moment struct {
	owners atomic.Int32
	pos    int
	spans  []*span   // of the tokens before pos
	region *region   // nil at position 0
	logits []float32 // of the last token; nil if there are none
}

// freeze returns the moment at which the session stands, which gets another owner. The same one is returned until the
// session moves. Nothing is copied but logits.
func (s *Session) freeze() (*moment, error) {
	if s.moment == nil {
		m := &moment{pos: s.states.pos}
		m.owners.Store(1)
		if s.logits.from != nowhere {
			m.logits = slices.Clone(s.answer())
		}
		if m.pos > 0 {
			m.region = s.states.region.share()
			for _, span := range s.states.spans[:spansOf(m.pos)] {
				m.spans = append(m.spans, span.share())
			}
		}
		s.moment = m
	}
	return s.moment.share(), nil
}

// spansOf is the number of spans that so many tokens fill or begin.
func spansOf(tokens int) int { return (tokens + kernel.SpanTokens - 1) / kernel.SpanTokens }

// share adds an owner.
func (m *moment) share() *moment {
	m.owners.Add(1)
	return m
}

// release ends the part of one owner.
func (m *moment) release() {
	if m.owners.Add(-1) > 0 {
		return
	}
	for _, span := range m.spans {
		span.release()
	}
	if m.region != nil {
		m.region.release()
	}
}

// newSessionAt opens a session that goes on from a moment, of which the caller's part becomes its own, and is ended if
// there is an error. Until the session computes it is a pointer to the moment, and has neither engine nor workers.
func (m *Model) newSessionAt(at *moment, o Options) (*Session, error) {
	s, err := m.newSession(o)
	if err == nil && at.pos > s.options.Context {
		err = &ContextFullError{Context: s.options.Context, Want: at.pos}
		s.Close()
	}
	if err != nil {
		at.release()
		return nil, err
	}
	s.stand(at)
	return s, nil
}

// stand makes the session, whatever it held, one that goes on from a moment, of which the caller's part becomes its own.
func (s *Session) stand(at *moment) {
	s.empty()
	s.moment, s.states.pos = at, at.pos
	if at.logits != nil {
		s.logits.from = frozen
	}
}

// Fork returns a session that holds the same tokens and goes on by itself, with the same options: what either computes
// is what it would compute without the other, bit for bit. Both share all memory until they go on. Then each has
// the states of a fixed size for itself, and the caches of the tokens in whose span of 512 they part, and of those
// that come. A fork that has not computed yet takes a few hundred bytes. They are closed in any order.
func (s *Session) Fork() (*Session, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	at, err := s.freeze()
	if err != nil {
		return nil, err
	}
	f, err := s.model.newSessionAt(at, s.options)
	if err != nil {
		return nil, fmt.Errorf("fork: %w", err)
	}
	f.ladder = s.ladder.share()
	return f, nil
}

// Tokens are the tokens that the session holds, in memory of their own.
func (s *Session) Tokens() []int32 {
	spans := s.states.spans
	if s.moment != nil {
		spans = s.moment.spans
	}
	return tokensOf(spans, s.states.pos)
}

// tokensOf are the first n tokens of spans, in memory of their own.
func tokensOf(spans []*span, n int) []int32 {
	tokens := make([]int32, 0, n)
	for _, span := range spans[:spansOf(n)] {
		tokens = append(tokens, span.tokens[:min(kernel.SpanTokens, n-len(tokens))]...)
	}
	return tokens
}
