package runtime

import (
	"context"

	"github.com/yococ/yococ/runtime/kernel"
)

// A job is what the workers do next.
type job struct {
	do      stage
	tokens  []int32
	targets []int32 // of rows row..row+rows-1
	nll     []float64
	runs    []Run // nil if the rows are no pass of their own
	row     int
	rows    int

	keep     []*Session // whose states are copied first
	sessions []*Session // of a batch
	logits   [][]float32
}

type stage uint8

const (
	prefill stage = iota
	last
	decode
	score
	verify
	head
	together
)

// work is one worker's part of the job.
func (s *Session) work(w *kernel.Worker) {
	j := &s.job
	saved := false
	for _, k := range j.keep {
		saved = k.undo.save(w, k.states.region.bytes) || saved
	}
	if saved {
		w.Sync() // all is saved, even if the job ends here
	}
	switch j.do {
	case prefill:
		s.engine.Prefill(w, j.tokens)
	case last:
		s.engine.Last(w, j.row)
	case decode:
		s.engine.Prefill(w, j.tokens)
		s.engine.Last(w, 0)
	case score:
		s.engine.Score(w, j.tokens)
	case verify:
		s.engine.Score(w, j.tokens)
		s.engine.Head(w, 0, j.rows)
	case head:
		s.engine.Head(w, j.row, j.rows)
		if j.targets != nil {
			s.losses(w, j)
		}
	case together:
		s.together(w, j)
	}
}

// do runs a job, and returns false if ctx has ended meanwhile: then the workers have given it up.
func (s *Session) do(ctx context.Context, j job) bool {
	if j.runs != nil {
		s.engine.Place(j.runs)
	}
	s.job = j
	done := s.team.run(ctx, s.run)
	s.job = job{}
	return done
}

// at is a run of the session's own rows.
func (s *Session) at(pos, rows int) []Run {
	s.run1[0] = Run{s.engine, pos, rows}
	return s.run1[:]
}

// alone is the session as a list.
func (s *Session) alone() []*Session {
	s.alone1[0] = s
	return s.alone1[:]
}
