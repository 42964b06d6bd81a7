//go:build amd64 || arm64

package weights

import (
	"os"
	"strings"

	"github.com/yococ/yococ/runtime/room"
)

// canMove reports whether the system has huge pages to give and n bytes of memory to spare: an
// eighth stays free of what there is, of the machine's and of every control group's that limits it.
func canMove(n int) bool {
	if strings.Contains(text("/sys/kernel/mm/transparent_hugepage/enabled"), "[never]") {
		return false
	}
	if strings.TrimSpace(text("/proc/sys/vm/overcommit_memory")) == "2" {
		return false // the system may refuse memory in the middle of a move
	}
	limits := room.System()
	for _, l := range limits {
		if int64(n) > l.Free-l.Total/8 {
			return false
		}
	}
	return len(limits) > 0
}

// text is the content of a file, empty if it cannot be read.
func text(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}
