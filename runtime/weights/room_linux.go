//go:build amd64 || arm64

package weights

import (
	"os"
	"path"
	"strconv"
	"strings"
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
	memory := text("/proc/meminfo")
	total, available := field(memory, "MemTotal:")<<10, field(memory, "MemAvailable:")<<10
	return int64(n) <= available-total/8 && groupsHaveRoom(int64(n))
}

// groupsHaveRoom looks at the limits of the process's control groups, of both versions. Cached files
// count too, but give way.
func groupsHaveRoom(n int64) bool {
	for line := range strings.Lines(text("/proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		root, limit, used := "", "", ""
		switch parts[1] {
		case "":
			root, limit, used = "/sys/fs/cgroup", "memory.max", "anon"
		case "memory":
			root, limit, used = "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "total_rss"
		default:
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			if most, err := strconv.ParseInt(strings.TrimSpace(text(path.Join(root, dir, limit))), 10, 64); err == nil &&
				n > most-most/8-field(text(path.Join(root, dir, "memory.stat")), used) {
				return false
			}
			if dir == "/" {
				break
			}
		}
	}
	return true
}

// text is the content of a file, empty if it cannot be read.
func text(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}

// field is the number after a name at the beginning of a line, 0 if there is none.
func field(text, name string) int64 {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}
