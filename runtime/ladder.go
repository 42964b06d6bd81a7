package runtime

// A ladder keeps a session's region as it was at a few earlier positions, so that Rewind need not begin at the first
// token. Caches that grow need no copy: what they say of earlier tokens does not change.
//
// The number of rungs does not depend on the length. They stand the farther apart the farther they are from the
// end, and at least rungTokens: so what Rewind computes again is in proportion to what it takes back.
type ladder struct {
	most  int
	goal  int    // the position that the last Prefill leads to
	rungs []rung // by position, all of them at or before the session's
}

// A rung is the region after pos tokens.
type rung struct {
	pos    int
	region *region
}

const rungTokens = 256

// rungs is how many a session with these options may have.
func (m *Model) rungs(o Options) int {
	if m.info.RegionBytes == 0 {
		return 0
	}
	return max(0, o.Checkpoints)
}

// climb adds a rung at the position of the states, before a pass changes them, if none is near. The tokens at
// hand lead to end or farther: with that in mind a rung far from it is of less use. If memory runs out the
// ladder does without. It reports whether it did. What is to be copied t copies.
func (l *ladder) climb(st *states, end int, t *team) bool {
	end = max(end, l.goal)
	at := 0 // of the last rung; the first token needs none
	if n := len(l.rungs); n > 0 {
		at = l.rungs[n-1].pos
	}
	if l.most == 0 || st.pos-at < max(rungTokens, (end-st.pos)/2) {
		return false
	}
	var spare *region
	if len(l.rungs) == l.most {
		spare = l.drop(l.least(st.pos, end))
	}
	r, err := twin(st.region, spare, t)
	if err == nil {
		l.rungs = append(l.rungs, rung{st.pos, r})
	}
	return err == nil
}

// least is the rung that is missed least when there is another one at pos: the one without which Rewind, from end to just
// before the next rung, would compute the least again for each token that it takes back.
func (l *ladder) least(pos, end int) int {
	best, cost := 0, 0.0
	before := 0
	for i, r := range l.rungs {
		next := pos
		if i+1 < len(l.rungs) {
			next = l.rungs[i+1].pos
		}
		if c := float64(next-before) / float64(end-next+rungTokens); i == 0 || c < cost {
			best, cost = i, c
		}
		before = r.pos
	}
	return best
}

// drop takes a rung out and returns its region, of which the ladder's part becomes the caller's.
func (l *ladder) drop(i int) *region {
	r := l.rungs[i].region
	l.rungs = append(l.rungs[:i], l.rungs[i+1:]...)
	return r
}

// cut drops the rungs behind a position.
func (l *ladder) cut(pos int) {
	for n := len(l.rungs); n > 0 && l.rungs[n-1].pos > pos; n-- {
		l.drop(n - 1).release()
	}
	l.goal = 0
}

// clear drops all rungs.
func (l *ladder) clear() { l.cut(-1) }

// share is the ladder of a session that goes on from the same position.
func (l *ladder) share() ladder {
	c := ladder{most: l.most}
	for _, r := range l.rungs {
		c.rungs = append(c.rungs, rung{r.pos, r.region.share()})
	}
	return c
}

// twin returns a region that says what r says and will go on saying it: r, which gets another owner, if it is shared anyway,
// else a copy of it; in spare, unless others have that too. spare may be nil; the caller's part in it ends.
func twin(r, spare *region, t *team) (*region, error) {
	switch {
	case r.shared():
		if spare != nil {
			spare.release()
		}
		return r.share(), nil
	case spare == nil || spare.shared():
		if spare != nil {
			spare.release()
		}
		return r.copy(t)
	}
	spare.fill(r, t)
	return spare, nil
}
