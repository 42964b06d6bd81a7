package runtime

import (
	"testing"

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
