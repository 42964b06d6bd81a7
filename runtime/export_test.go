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
