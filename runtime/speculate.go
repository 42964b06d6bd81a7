package runtime

import "context"

// Speculation counts what Generate did.
type Speculation struct {
	Passes   int // over the model, for the tokens that were yielded
	Drafted  int // tokens that were tried in passes of more than one row
	Accepted int // of those, that were what the sampler chose
}

// Speculation returns the counts of the last Generate.
func (s *Session) Speculation() Speculation {
	if s.speculation == nil {
		return Speculation{}
	}
	return s.speculation.counts
}

// A speculation tries tokens before they are chosen: a pass adds the token that was chosen last and a draft behind it,
// and computes the logits after each of them. As long as the sampler chooses what was drafted, its next logits
// are there. At the first token that is another one, the rest of the draft is taken back.
type speculation struct {
	counts  Speculation
	most    int // tokens of a draft; 0: there are none
	drafter drafter
	tokens  []int32 // of the last pass, if it has a draft
	held    int     // of them, that the session holds
}

// begin readies it for a text that goes on from the session's tokens.
func (g *speculation) begin(s *Session, most int) error {
	g.counts = Speculation{}
	g.most = min(most, s.model.info.HeadRows-1, s.options.Chunk-1)
	if g.most <= 0 {
		return nil
	}
	g.drafter.follow(s.Tokens())
	if err := s.wake(); err != nil {
		return err
	}
	return s.undoable()
}

// accept reports whether a token that was chosen is the next one of the draft. Then the session holds it.
func (g *speculation) accept(s *Session, token int32) bool {
	if g.most > 0 {
		g.drafter.add(token)
	}
	if g.held == len(g.tokens) || g.tokens[g.held] != token {
		return false
	}
	s.states.advance(g.tokens[g.held:][:1])
	s.logits.row++
	g.held++
	g.counts.Accepted++
	return true
}

// step adds s.one, in a pass with a draft if that is worthwhile. If ctx ends meanwhile nothing has changed.
// At most left tokens will follow, if that is positive.
func (g *speculation) step(ctx context.Context, s *Session, left int) error {
	g.counts.Passes++
	g.tokens, g.held = append(g.tokens[:0], s.one[0]), 0
	if n := g.length(s, left); n > 0 {
		g.tokens = g.drafter.draft(g.tokens, n)
		return g.verify(ctx, s)
	}
	g.tokens = g.tokens[:0]
	return s.add(ctx, decode, s.one[:])
}

// What passes cost, in passes of one row. Rows of few are measured at 0.02 to 0.19, depending on the weights'
// format and what memory gives at the moment. To copy parts of the region takes longer than to read as much of the weights.
const (
	rowPrice  = 0.12
	redoPrice = 0.6 // of the self-decoder's part, to begin with
	copyPrice = 4
)

// length is how many tokens are worth drafting. Within what positions alone take back a draft costs its rows; a
// longer one also a copy of states, and what was right of it to be computed again.
func (g *speculation) length(s *Session, left int) int {
	pos := s.states.pos + 1
	limit := min(g.most, s.options.Context-pos)
	if left > 0 {
		limit = min(limit, left-1)
	}
	if limit <= 0 || g.drafter.next == 0 {
		return 0
	}
	free, spoiled := limit, 0
	for free > 0 {
		bytes := s.spoiled(pos+free, pos)
		if bytes == 0 {
			break
		}
		free, spoiled = free-1, max(spoiled, bytes)
	}
	n, gain := g.drafter.worth(free, price{row: rowPrice})
	if free < limit {
		part := copyPrice * float64(spoiled) / float64(max(s.model.WeightsBytes(), 1))
		if m, more := g.drafter.worth(limit, price{row: rowPrice, fixed: part, redo: redoPrice + part}); more > gain {
			return m
		}
	}
	return n
}

// spoiled is the size of the parts of the region that positions alone don't take back.
func (s *Session) spoiled(from, to int) int {
	s.undo.asked = s.engine.Spoiled(s.undo.asked[:0], from, to)
	n := 0
	for _, p := range s.undo.asked {
		n += p.To - p.From
	}
	return n
}

// verify adds the first of g.tokens, and computes the logits after each of them.
func (g *speculation) verify(ctx context.Context, s *Session) error {
	n := len(g.tokens)
	err := s.prepare(n)
	if err == nil {
		err = s.keep(n, ctx.Done() != nil)
	}
	if err != nil {
		g.tokens = g.tokens[:0]
		return err
	}
	if !s.do(ctx, job{do: verify, tokens: g.tokens, rows: n, runs: s.at(s.states.pos, n), keep: s.alone()}) {
		g.tokens = g.tokens[:0]
		s.takeBack()
		return ctx.Err()
	}
	g.counts.Drafted += n - 1
	g.held = 1
	s.states.advance(g.tokens[:1])
	s.logits = source{computed, 0}
	return nil
}

// settle takes back what of a draft was not accepted. The logits stay.
func (g *speculation) settle(s *Session) error {
	held, all := g.tokens[:g.held], len(g.tokens)
	g.tokens, g.held = g.tokens[:0], 0
	pos := s.states.pos
	base := pos - len(held)
	if len(held) == all || s.spoiled(base+all, pos) == 0 {
		return nil
	}
	s.undo.restore(s.states.region.bytes)
	s.states.pos = base
	if err := s.prepare(len(held)); err != nil {
		return err
	}
	s.do(context.Background(), job{do: prefill, tokens: held, runs: s.at(base, len(held))})
	s.states.advance(held)
	return nil
}
