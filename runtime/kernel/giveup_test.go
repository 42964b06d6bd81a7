package kernel

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// endsAt is a context that has ended from the n-th question on.
type endsAt struct {
	context.Context
	left atomic.Int64
}

func newEndsAt(n int) *endsAt {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := &endsAt{Context: ctx}
	c.left.Store(int64(n))
	return c
}

func (c *endsAt) Err() error {
	if c.left.Add(-1) >= 0 {
		return nil
	}
	return c.Context.Err()
}

// TestGiveUp ends a job at every question that its workers ask. After a meeting all of them go on or none does,
// an idle worker gets no work, and every worker is through; the next job is done whole.
func TestGiveUp(t *testing.T) {
	const steps, units = 12, 9
	for _, n := range teams {
		var b Barrier
		workers := make([]*Worker, n)
		for id := range workers {
			workers[id] = NewWorker(id, n, Portable{}, nil, &b)
		}
		run := func(ctx context.Context) (complete bool) {
			var met, did [steps]atomic.Int32
			var all sync.WaitGroup
			b.Until(ctx)
			for _, w := range workers {
				all.Go(func() {
					w.Begin()
					for s := range steps {
						lo, hi := w.Share(units)
						for range hi - lo {
							did[s].Add(1)
						}
						for range w.Every(units, 1+s%2*sharedRows) {
							did[s].Add(1)
						}
						for range w.Turns(units) {
							did[s].Add(1)
						}
						w.Sync()
						if !w.Idle() {
							met[s].Add(1)
						}
					}
				})
			}
			all.Wait()
			for s := range steps {
				if m := int(met[s].Load()); m != 0 && m != n {
					t.Fatalf("%d workers, step %d: %d go on", n, s, m)
				}
				if did := did[s].Load(); met[s].Load() > 0 && did != 3*units || s > 0 && met[s-1].Load() == 0 && did > 0 {
					t.Fatalf("%d workers, step %d: %d units are done, %d workers go on", n, s, did, met[s].Load())
				}
			}
			return !workers[0].Idle()
		}
		asked := 0
		for ; !run(newEndsAt(asked)); asked++ {
			if !run(context.Background()) {
				t.Fatalf("%d workers: a job without an end was given up", n)
			}
		}
		if asked < steps {
			t.Errorf("%d workers: %d questions in %d steps", n, asked, steps)
		}
	}
}
