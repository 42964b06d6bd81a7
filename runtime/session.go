package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/yococ/yococ/runtime/kernel"
)

// A Session is one sequence of tokens: states, shared cache and workers.
//
// A session comes from NewSession, Restore or Fork. It is used by one goroutine at a time; a call that finds another one
// under way returns ErrBusy, but for Pos, Tokens, Options, Reserved and Speculation, which return no error: these are for
// the goroutine that uses the session. Logits that a method returns belong to the session and are valid until its next call.
// Methods that add tokens check all of them before any work: tokens that are not in the
// vocabulary are a TokenError, tokens that don't fit a ContextFullError.
//
// What a session computes does not depend on threads, chunks, or how the tokens were divided
// over calls: the logits are the same, bit for bit.
type Session struct {
	model   *Model
	options Options
	vocab   int
	set     kernel.Set
	states  states
	ladder  ladder               // of the states before
	moment  *moment              // at which the session stands, if anybody has it; states may be its alone
	engine  Engine               // nil before anything is computed
	memory  *Memory              // of the engine
	scratch *Memory              // of the workers
	team    *team                // nil before this session's workers are needed
	run     func(*kernel.Worker) // s.work, bound once: binding allocates
	job     job
	one     [1]int32
	run1    [1]Run
	alone1  [1]*Session
	runs    []Run // of the batches that it leads
	sampler sampler
	undo    *undo // nil before anything may be taken back

	speculation *speculation // nil before the first Generate

	madeUp bool // the states are not those of the tokens
	logits source
	busy   atomic.Bool
	closed bool
}

// source says where the logits of the last token are.
type source struct {
	from origin
	row  int // of the engine's logits if computed, else of its chunk
}

type origin uint8

const (
	nowhere  origin = iota // no token yet
	needLast               // one Engine.Last away
	needHead               // one Engine.Head away
	computed
	frozen // the moment's
)

// NewSession opens a session. If its memory could exceed what can be had, by what the system says, a control group, ulimit
// or GOMEMLIMIT, that is a MemoryError; each session is looked at alone, whatever others may come to need.
func (m *Model) NewSession(o Options) (*Session, error) {
	s, err := m.newSession(o)
	if err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	return s, nil
}

// ready makes all that a new session needs to compute, or closes it.
func (s *Session) ready() error {
	err := s.wake()
	if err == nil {
		err = s.gather()
	}
	if err == nil && !s.options.Overcommit {
		err = s.refuse()
	}
	if err != nil {
		s.Close()
		return fmt.Errorf("model %s: %w", s.model.info.Name, err)
	}
	return nil
}

// newSession opens a session that has no engine and no workers yet.
func (m *Model) newSession(o Options) (*Session, error) {
	o, err := m.complete(o)
	if err != nil {
		return nil, err
	}
	set := m.info.Sets(o.ISA)
	if set == nil {
		return nil, fmt.Errorf("model %s has no kernels for %s", m.info.Name, o.ISA)
	}
	if err := m.hold(); err != nil {
		return nil, err
	}
	s := &Session{model: m, options: o, vocab: m.info.Vocab, set: set, memory: NewMemory(), scratch: NewMemory(), ladder: ladder{most: m.rungs(o)}}
	s.run = s.work
	return s, nil
}

// gather starts the workers, if there are none yet.
func (s *Session) gather() (err error) {
	defer catch(&err)
	if s.team == nil {
		s.team = newTeam(s.options.Threads, s.set, s.model.info.ScratchFloats(s.options.Chunk), s.scratch)
	}
	return nil
}

// wake makes an engine over the session's states, if there is none yet.
func (s *Session) wake() (err error) {
	defer catch(&err)
	if s.engine == nil {
		s.engine, err = s.model.newEngine(EngineConfig{
			Context: s.options.Context,
			Chunk:   s.options.Chunk,
			Threads: s.options.Threads,
			Memory:  s.memory,
		})
		if err != nil {
			return err
		}
	}
	switch {
	case s.states.region != nil:
	case s.moment != nil && s.moment.pos > 0:
		s.states.adopt(s.moment)
		s.bind(s.moment.region.share())
		if s.moment.logits != nil {
			copy(s.engine.Logits().Row(0, s.vocab), s.moment.logits)
			s.logits = source{computed, 0}
		}
	default:
		r, err := newRegion(s.model.info.RegionBytes)
		if err != nil {
			return err
		}
		s.bind(r)
	}
	return nil
}

// bind makes a region the session's.
func (s *Session) bind(r *region) {
	s.states.region = r
	s.engine.Bind(r.bytes, &s.states.table)
}

// prepare comes before a pass of the session's own workers that adds n tokens.
func (s *Session) prepare(n int) error {
	if err := s.gather(); err != nil {
		return err
	}
	return s.own(n, s.team)
}

// own comes before a pass that adds n tokens: it makes all memory that the pass writes the session's own. What it has to
// copy t copies.
func (s *Session) own(n int, t *team) error {
	if err := s.wake(); err != nil {
		return err
	}
	s.move()
	s.ladder.climb(&s.states, s.states.pos+n, t)
	if r := s.states.region; r.shared() {
		own, err := r.copy(t)
		if err != nil {
			return err
		}
		r.release()
		s.bind(own)
	}
	r := s.states.region
	r.reach = max(r.reach, s.states.pos+n)
	return s.states.grow(s.model.spans, n, t)
}

// move leaves the moment at which the session stands.
func (s *Session) move() {
	if s.moment != nil {
		s.moment.release()
		s.moment = nil
	}
}

// catch turns the panic of a reservation that failed into an error.
func catch(err *error) {
	switch v := recover().(type) {
	case nil:
	case *memoryError:
		*err = v
	default:
		panic(v)
	}
}

// enter begins a call that leave ends.
func (s *Session) enter() error {
	if !s.busy.CompareAndSwap(false, true) {
		return ErrBusy
	}
	if s.closed {
		s.leave()
		return ErrClosed
	}
	return nil
}

func (s *Session) leave() { s.busy.Store(false) }

// admit says whether tokens can be added.
func (s *Session) admit(tokens []int32) error {
	if s.states.pos+len(tokens) > s.options.Context {
		return &ContextFullError{Context: s.options.Context, Used: s.states.pos, Want: len(tokens)}
	}
	for i, t := range tokens {
		if t < 0 || int(t) >= s.vocab {
			return &TokenError{Token: t, Index: i, Vocab: s.vocab}
		}
	}
	return nil
}

// Logits returns the logits of the last token, one for each token that may follow.
func (s *Session) Logits() ([]float32, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if s.logits.from == nowhere {
		return nil, ErrNoTokens
	}
	if s.logits.from == frozen {
		return slices.Clone(s.moment.logits), nil // others have them too
	}
	return s.answer(), nil
}

// answer returns the logits of the last token, which there is.
func (s *Session) answer() []float32 {
	switch s.logits.from {
	case needLast:
		s.do(context.Background(), job{do: last, row: s.logits.row, runs: s.at(s.states.pos-1, 1)})
		s.logits = source{computed, 0}
		s.remember()
	case needHead:
		s.do(context.Background(), job{do: head, row: s.logits.row, rows: 1})
		s.logits = source{computed, 0}
	case frozen:
		return s.moment.logits
	}
	return s.engine.Logits().Row(s.logits.row, s.vocab)
}

// Decode adds one token and returns the logits of the next. If ctx ends meanwhile the session is as it was. It
// allocates nothing.
func (s *Session) Decode(ctx context.Context, token int32) ([]float32, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	s.one[0] = token
	if err := s.admit(s.one[:]); err != nil {
		return nil, err
	}
	if err := s.add(ctx, decode, s.one[:]); err != nil {
		return nil, err
	}
	return s.answer(), nil
}

// Export copies the shared cache and the states, for comparison with other implementations. In a session that was
// restored, what no later token looks at is zeros: the file does not hold it.
func (s *Session) Export() ([]Tensor, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := s.wake(); err != nil {
		return nil, err
	}
	return s.engine.Export(s.states.pos), nil
}

// Reset forgets all tokens and gives their memory back. That of the states of a fixed size it keeps, unless others have
// it too: the next prompt needs all of it at once, and pages cost more than zeros.
func (s *Session) Reset() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	s.reset()
	return nil
}

// reset is Reset of a session that was entered.
func (s *Session) reset() {
	s.remember()
	r := s.states.region
	if r == nil || r.shared() {
		s.empty()
		return
	}
	r.share()
	s.empty()
	r.zero()
	s.states.region = r // to which the engine is bound
}

// empty forgets all tokens.
func (s *Session) empty() {
	s.move()
	s.states.clear()
	s.ladder.clear()
	s.logits, s.madeUp = source{}, false
}

// Close ends the workers and gives all memory back. Closing twice is no error.
func (s *Session) Close() error {
	if err := s.enter(); err != nil {
		if errors.Is(err, ErrClosed) {
			return nil
		}
		return err
	}
	defer s.leave()
	s.closed = true
	if s.team != nil {
		s.team.stop()
	}
	s.remember()
	s.engine = nil
	s.empty()
	s.memory.Free()
	s.scratch.Free()
	if s.undo != nil {
		s.undo.memory.Free()
	}
	s.model.release()
	return nil
}

// Pos is the number of tokens that the session holds.
func (s *Session) Pos() int { return s.states.pos }

// Options returns the session's options without defaults: ISA is the level that runs.
func (s *Session) Options() Options { return s.options }

// Reserved is the address space of states, arena and scratch, and of the cache of the tokens so far; pages of it
// are committed as they are touched.
func (s *Session) Reserved() int64 {
	n := s.memory.Reserved() + s.scratch.Reserved() + int64(len(s.states.spans)*s.model.info.SpanBytes)
	if r := s.states.region; r != nil {
		n += r.memory.Reserved()
	}
	for _, r := range s.ladder.rungs {
		n += r.region.memory.Reserved()
	}
	return n
}
