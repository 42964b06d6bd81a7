package runtime

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yococ/yococ/runtime/kernel"
)

func startTeam(tb testing.TB, n int) *team {
	m := NewMemory()
	t := newTeam(n, kernel.Portable{}, 10, m)
	tb.Cleanup(func() {
		t.stop()
		m.Free()
	})
	return t
}

// Every worker does every job once, and the jobs in their order, whether it waits awake or parked.
func TestTeam(t *testing.T) {
	for _, n := range []int{1, 2, 7} {
		team := startTeam(t, n)
		sums := make([]int, n)
		other := make([]int, n) // what the next worker had, seen between two meetings
		step := 0
		job := func(w *kernel.Worker) {
			sums[w.ID] += step
			w.Sync()
			other[w.ID] = sums[(w.ID+1)%w.N]
			w.Scratch[0]++
			w.Sync()
		}
		total := 0
		for step = 1; step <= 300; step++ {
			team.run(context.Background(), job)
			total += step
			for id := range n {
				if sums[id] != total || other[id] != total {
					t.Fatalf("%d workers, job %d: worker %d has %d, its neighbour %d, want %d",
						n, step, id, sums[id], other[id], total)
				}
			}
			if step%60 == 0 {
				waitParked(t, team)
			}
		}
		for id := range n {
			if team.workers[id].Scratch[0] != 300 {
				t.Errorf("worker %d wrote %v to its scratch", id, team.workers[id].Scratch)
			}
		}
	}
}

func waitParked(t *testing.T, team *team) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		parked := 0
		for i := range team.seats {
			if team.seats[i].parked.Load() {
				parked++
			}
		}
		if parked == len(team.seats) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d workers parked", parked, len(team.seats))
		}
	}
}

func TestTeamAllocates(t *testing.T) {
	team := startTeam(t, 2)
	var n atomic.Int64
	job := func(w *kernel.Worker) { n.Add(1) }
	if allocs := testing.AllocsPerRun(1000, func() { team.run(context.Background(), job) }); allocs != 0 {
		t.Errorf("%v allocations a job", allocs)
	}
	if n.Load() != 2*1001 {
		t.Errorf("%d parts were done", n.Load())
	}
}

// A worker that panics ends the process and says why, whichever it is; nobody waits for it.
func TestTeamPanic(t *testing.T) {
	if id := os.Getenv("YOCOC_TEST_PANIC"); id != "" {
		team := newTeam(3, kernel.Portable{}, 1, NewMemory())
		defer func() { recover() }() // a caller that recovers must not go on either
		team.run(context.Background(), func(w *kernel.Worker) {
			if fmt.Sprint(w.ID) == id {
				panic("BUG: in worker " + id)
			}
			w.Sync()
		})
		return
	}
	for _, id := range []string{"0", "2"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTeamPanic$", "-test.timeout=20s")
		cmd.Env = append(os.Environ(), "YOCOC_TEST_PANIC="+id)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "BUG: in worker "+id) || !strings.Contains(string(out), "TestTeamPanic.func") {
			t.Errorf("worker %s: %v\n%s", id, err, out)
		}
	}
}

func BenchmarkTeam(b *testing.B) {
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprintf("awake/workers=%d", n), func(b *testing.B) {
			team := startTeam(b, n)
			job := func(w *kernel.Worker) {}
			for b.Loop() {
				team.run(context.Background(), job)
			}
		})
	}
	// What a token of a model of 6 and 6 layers waits where workers have nothing to do: a job and its 63 barriers.
	b.Run("token/workers=2", func(b *testing.B) {
		team := startTeam(b, 2)
		job := func(w *kernel.Worker) {
			for range 63 {
				w.Sync()
			}
		}
		for b.Loop() {
			team.run(context.Background(), job)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "µs/token")
	})
	b.Run("sync/workers=2", func(b *testing.B) {
		team := startTeam(b, 2)
		job := func(w *kernel.Worker) {
			for range 1000 {
				w.Sync()
			}
		}
		for b.Loop() {
			team.run(context.Background(), job)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/sync")
	})
	b.Run("parked/workers=2", func(b *testing.B) {
		team := startTeam(b, 2)
		job := func(w *kernel.Worker) {}
		var spent time.Duration
		for b.Loop() {
			for !team.seats[0].parked.Load() {
				time.Sleep(20 * time.Microsecond)
			}
			start := time.Now()
			team.run(context.Background(), job)
			spent += time.Since(start)
		}
		b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/run")
	})
}
