package runtime

import "github.com/yococ/yococ/runtime/kernel"

// reuse makes the session one that holds as many of these tokens, which are to be added, as the prefix cache has the
// states of, and returns how many that are. It may hold them without logits: there are more tokens to come then.
// back, if it is not nil, is the moment to return to if none of those comes.
func (s *Session) reuse(tokens []int32) (n int, back *moment, err error) {
	c, held := s.options.Prefixes, s.states.pos
	if c == nil || len(tokens) == 0 {
		return 0, nil, nil
	}
	if err := s.wake(); err != nil {
		return 0, nil, err
	}
	at, n := c.find(s.model, s.engine, append(tokensOf(s.states.spans, held), tokens...))
	if n <= held {
		if at != nil {
			at.release()
		}
		return 0, nil, nil
	}
	if back, err = s.freeze(); err != nil {
		at.release()
		return 0, nil, err
	}
	s.stand(at)
	if err := s.wake(); err != nil {
		s.stand(back)
		return 0, nil, err
	}
	if n < at.pos {
		s.move()
		s.states.pos, s.logits = n, source{}
		s.states.truncate(n)
	} else if s.ladder.most > 0 {
		s.ladder.rungs = append(s.ladder.rungs, rung{n, s.states.region.share()})
	}
	return n - held, back, nil
}

// remember has the prefix cache keep the states as they are now.
func (s *Session) remember() {
	c := s.options.Prefixes
	if c == nil || s.states.pos == 0 || s.states.region == nil || s.madeUp {
		return
	}
	region := s.states.region
	if n := len(s.ladder.rungs); n > 0 && s.ladder.rungs[n-1].pos == s.states.pos {
		region = s.ladder.rungs[n-1].region // which needs no copy any more
	}
	at := &moment{pos: s.states.pos, region: region.share()}
	at.owners.Store(1)
	for _, span := range s.states.spans[:spansOf(at.pos)] {
		at.spans = append(at.spans, span.share())
	}
	if s.logits.from == computed {
		at.logits = append(at.logits, s.engine.Logits().Row(s.logits.row, s.vocab)...)
	}
	c.put(s.model, at)
}

// stride is the next chunk of n tokens: with a prefix cache it ends where a span does, so that what is kept there
// shares whole spans.
func (s *Session) stride(n int) int {
	n = min(n, s.options.Chunk)
	if s.options.Prefixes != nil {
		n = min(n, kernel.SpanTokens-s.states.pos%kernel.SpanTokens)
	}
	return n
}
