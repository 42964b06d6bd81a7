package runtime

import (
	"bytes"
	"testing"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/room"
)

// InjectMemory has sessions that are opened in a test find so much memory: of the system, and of the Go heap if it
// is limited.
func InjectMemory(t testing.TB, system []room.Limit, heap *room.Limit) {
	before := memoryLimits
	t.Cleanup(func() { memoryLimits = before })
	memoryLimits = func() ([]room.Limit, room.Limit, bool) {
		if heap == nil {
			return system, room.Limit{}, false
		}
		return system, *heap, true
	}
}

// Promise is what a session has when its context is full.
func (s *Session) Promise() int64 { return s.promise() }

// Space is the address space that the session may come to reserve beside what it has.
func (s *Session) Space() int64 { return s.space() }

// Slabs is the number of slabs of memory that sessions of the model have, and of spans in use.
func (m *Model) Slabs() (slabs, spans int) {
	m.spans.mu.Lock()
	defer m.spans.mu.Unlock()
	for _, l := range m.spans.slabs {
		spans += l.used
	}
	return len(m.spans.slabs), spans
}

// SessionAt opens a session that goes on from where another one stands, with other options.
func SessionAt(s *Session, o Options) (*Session, error) {
	at, err := s.freeze()
	if err != nil {
		return nil, err
	}
	return s.model.newSessionAt(at, o)
}

// Rungs are the positions of a session's checkpoints.
func (s *Session) Rungs() []int {
	var at []int
	for _, r := range s.ladder.rungs {
		at = append(at, r.pos)
	}
	return at
}

// LadderAt is where a ladder has rungs after so many tokens, which came in chunks of one Prefill, or one by one for 0.
func LadderAt(most, chunk, end int) (at []int) {
	l := ladder{most: most}
	st := states{}
	st.region, _ = newRegion(64)
	defer st.region.release()
	step := max(chunk, 1)
	if chunk > 0 {
		l.goal = end
	}
	for ; st.pos < end; st.pos += step {
		l.climb(&st, st.pos+step, nil)
	}
	for _, r := range l.rungs {
		at = append(at, r.pos)
	}
	l.clear()
	return at
}

// CopyTogether has a team copy a region, and compares.
func CopyTogether(t *testing.T, threads, size int) {
	memory := NewMemory()
	defer memory.Free()
	team := newTeam(threads, kernel.Portable{}, 16, memory)
	defer team.stop()
	r, err := newRegion(size)
	if err != nil {
		t.Fatal(err)
	}
	defer r.release()
	for i := range r.bytes {
		r.bytes[i] = byte(i*7 + i>>8)
	}
	r.reach, r.floor = 7, 5
	c, err := r.copy(team)
	if err != nil {
		t.Fatal(err)
	}
	defer c.release()
	if !bytes.Equal(c.bytes, r.bytes) || c.reach != 7 || c.floor != 5 {
		t.Errorf("%d threads copied %d bytes wrongly", threads, size)
	}
}
