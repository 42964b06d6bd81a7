package tests

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// depths are the numbers of tokens that the sessions of a batch hold at first: none, around blocks of
// 64, segments of 512 and the window of 16, and whatever lies between.
var depths = []int{65, 0, 1, 14, 15, 16, 17, 62, 63, 64, 127, 200, 510, 511, 512, 513, 576}

// batches are numbers of sessions: around the rows that a head computes at once, and all there are.
var batches = []int{1, 2, 3, 5, 8, 9, 17}

// alone has the logits, as bits, that each session gets by itself, and its states in the end. Session
// i begins with prompt[i:i+depths[i]] and goes on with what follows.
type alone struct {
	prompt []int32
	steps  int
	logits [][][]uint32 // [session][step][vocabulary]
	states []*outcome
}

func newAlone(t testing.TB, m *rt.Model, steps int) *alone {
	a := &alone{prompt: prompt(1024, m.Info().Vocab), steps: steps}
	for i := range depths {
		s := a.session(t, m, i, rt.Options{Threads: 1})
		var rows [][]uint32
		for n := range steps {
			rows = append(rows, bits(decode(t, s, a.token(i, n))))
		}
		o := &outcome{}
		o.export(t, s, "alone")
		a.logits, a.states = append(a.logits, rows), append(a.states, o)
		s.Close()
	}
	return a
}

// session opens session i at its first depth. Each has a context and chunks of its own.
func (a *alone) session(t testing.TB, m *rt.Model, i int, o rt.Options) *rt.Session {
	o.Context = depths[i] + a.steps + 40*i
	s := session(t, m, o)
	prefill(t, s, a.prompt[i:i+depths[i]])
	return s
}

// token is what session i decodes in a step.
func (a *alone) token(i, step int) int32 { return a.prompt[i+depths[i]+step] }

// next decodes the next token of some sessions together and compares.
func (a *alone) next(t testing.TB, m *rt.Model, all []*rt.Session, which []int) {
	t.Helper()
	var sessions []*rt.Session
	var tokens []int32
	for _, i := range which {
		s := all[i]
		sessions, tokens = append(sessions, s), append(tokens, a.token(i, s.Pos()-depths[i]))
	}
	rows := make([][]float32, len(which))
	if err := m.DecodeBatch(context.Background(), sessions, tokens, rows); err != nil {
		t.Error(err)
		return
	}
	for n, i := range which {
		step := all[i].Pos() - depths[i] - 1
		own, err := all[i].Logits()
		if err != nil {
			t.Error(err)
			return
		}
		for j, want := range a.logits[i][step] {
			if got := math.Float32bits(rows[n][j]); got != want || math.Float32bits(own[j]) != want {
				t.Errorf("session %d of %v at position %d: logit %d is %v, and %v of its own, want %v",
					i, which, depths[i]+step, j, rows[n][j], own[j], math.Float32frombits(want))
				break
			}
		}
	}
}

func bits(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i, v := range x {
		b[i] = math.Float32bits(v)
	}
	return b
}

// TestBatch decodes for many sessions in one pass and demands of each the bits that it has alone,
// whoever leads: at every level, with any number of workers, with chunks smaller than the batch.
func TestBatch(t *testing.T) {
	for _, name := range []string{"yoco8m", "flabiasqknorm", "flaswa", "flagdn", "sambay", "flaallrows", "yoco8mq4", "flaswaq8", "flagdnq8", "sambayq8", "plaintiny", "plaintinyq8", "mixedtiny", "deltatiny"} {
		m := open(t, name)
		const steps = 8
		a := newAlone(t, m, steps)
		for _, level := range levels(t) {
			for _, leader := range []rt.Options{{Threads: 1}, {Threads: 2}, {Threads: 3}, {Threads: 2, Chunk: 3}} {
				leader.ISA = level
				sizes := batches
				if level == "portable" && (m.Info().Dim > 64 || testing.Short()) {
					if leader.Threads != 2 {
						continue
					}
					sizes = []int{3}
				}
				t.Run(fmt.Sprintf("%s/%s/%dthreads/chunk%d", name, level, leader.Threads, leader.Chunk), func(t *testing.T) {
					t.Parallel()
					a.run(t, m, leader, sizes)
				})
			}
		}
	}
}

// run decodes in batches of some sizes that the first session leads, with the rest in turn.
func (a *alone) run(t *testing.T, m *rt.Model, leader rt.Options, sizes []int) {
	sessions := []*rt.Session{a.session(t, m, 0, leader)}
	for i := 1; i < len(depths); i++ {
		sessions = append(sessions, a.session(t, m, i, rt.Options{Threads: 1, Chunk: 100 + i}))
	}
	at := 1
	for _, n := range sizes {
		which := []int{0}
		for len(which) < n {
			which = append(which, at)
			if at++; at == len(depths) {
				at = 1
			}
		}
		a.next(t, m, sessions, which)
	}
	// By themselves again, the sessions go on as if they had never been together.
	for i, s := range sessions {
		for s.Pos() < depths[i]+a.steps {
			a.next(t, m, sessions, []int{i})
			if s.Pos() == depths[i]+a.steps {
				break
			}
			step := s.Pos() - depths[i]
			got := bits(decode(t, s, a.token(i, step)))
			for j, want := range a.logits[i][step] {
				if got[j] != want {
					t.Errorf("session %d alone after batches: other logits at step %d", i, step)
					break
				}
			}
		}
		o := &outcome{}
		o.export(t, s, "alone")
		if diff := o.difference(a.states[i]); diff != "" {
			t.Errorf("session %d: %s", i, diff)
		}
		s.Close()
	}
}

// TestBatchesAtOnce runs two batches of different sessions of one model at the same time.
func TestBatchesAtOnce(t *testing.T) {
	for _, name := range []string{"yoco8m", "flaswa"} {
		m := open(t, name)
		const steps = 6
		a := newAlone(t, m, steps)
		var all []*rt.Session
		for i := range depths {
			all = append(all, a.session(t, m, i, rt.Options{Threads: 1 + i%2}))
		}
		var both sync.WaitGroup
		for _, which := range [][]int{{0, 3, 5, 7, 13, 15}, {1, 2, 8, 9, 12, 14, 16, 10, 11}} {
			both.Go(func() {
				for range steps {
					a.next(t, m, all, which)
				}
			})
		}
		both.Wait()
	}
}

// TestBatchAllocates nothing for a token once a batch of its size has been.
func TestBatchAllocates(t *testing.T) {
	if race {
		t.Skip("the race detector allocates")
	}
	m := open(t, "yoco8m")
	for _, threads := range []int{1, 2} {
		var sessions []*rt.Session
		for i := range 9 {
			s := session(t, m, rt.Options{Context: 256, Threads: threads})
			prefill(t, s, prompt(56+i, m.Info().Vocab)) // blocks of states end on the way
			sessions = append(sessions, s)
		}
		ctx, tokens, rows := context.Background(), prompt(9, m.Info().Vocab), make([][]float32, 9)
		allocs := testing.AllocsPerRun(100, func() {
			if err := m.DecodeBatch(ctx, sessions, tokens, rows); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%d threads: a batch allocates %v times", threads, allocs)
		}
	}
}
