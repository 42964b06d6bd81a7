package room

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// A Limit bounds the process's memory, alone or with others.
type Limit struct {
	Name  string // who sets it: "the machine", "control group /x", "GOMEMLIMIT"
	Total int64  // bytes
	Free  int64  // what can still be had of them; memory that holds clean pages of files counts as free
	Space bool   // of address space: what is reserved counts, whether or not it is ever touched
}

// System returns the limits that the operating system has for the process; none where it does not say,
// as on anything but linux.
func System() []Limit { return system(os.DirFS("/")) }

// Go returns the limit of GOMEMLIMIT, or of debug.SetMemoryLimit, if there is one. What the Go heap takes
// is not free.
func Go() (Limit, bool) {
	most := debug.SetMemoryLimit(-1)
	if most == math.MaxInt64 {
		return Limit{}, false
	}
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	used := s[0].Value.Uint64() - s[1].Value.Uint64()
	return Limit{Name: "GOMEMLIMIT", Total: most, Free: max(0, most-int64(used))}, true
}

// system reads the limits from a tree of files that begins at the root.
func system(files fs.FS) []Limit {
	var limits []Limit
	memory := text(files, "proc/meminfo")
	if available, ok := field(memory, "MemAvailable:"); ok {
		total, _ := field(memory, "MemTotal:")
		limits = append(limits, Limit{Name: "the machine", Total: total << 10, Free: available << 10})
	}
	for line := range strings.Lines(text(files, "proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		var v version
		switch parts[1] {
		case "":
			v = version2
		case "memory":
			v = version1
		default:
			continue
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) { // each limits those below
			if l, ok := v.limit(files, group); ok {
				limits = append(limits, l)
			}
			if group == "/" {
				break
			}
		}
	}
	return append(limits, spaces(files)...)
}

// spaces are the limits of address space that setrlimit has set: ulimit -v of all, ulimit -d of what is private and writable.
func spaces(files fs.FS) (limits []Limit) {
	set, status := text(files, "proc/self/limits"), text(files, "proc/self/status")
	for _, l := range []struct{ name, row, used string }{
		{"ulimit -v", "Max address space", "VmSize:"}, {"ulimit -d", "Max data size", "VmData:"},
	} {
		for line := range strings.Lines(set) {
			row, ok := strings.CutPrefix(line, l.row)
			if !ok {
				continue
			}
			if most, ok := number(strings.Fields(row + " unlimited")[0]); ok {
				used, _ := field(status, l.used)
				limits = append(limits, Limit{Name: l.name, Total: most, Free: max(0, most-used<<10), Space: true})
			}
		}
	}
	return limits
}

// A version of control groups: where they are, and the files in a group.
type version struct {
	root, most, used string
	cached           []string // of memory.stat: clean pages of files, which give way
}

var (
	version1 = version{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", []string{"total_active_file", "total_inactive_file"}}
	version2 = version{"sys/fs/cgroup", "memory.max", "memory.current", []string{"active_file", "inactive_file"}}
)

// limit is that of one group, if it has one.
func (v version) limit(files fs.FS, group string) (Limit, bool) {
	dir := path.Join(v.root, group)
	most, ok := number(text(files, path.Join(dir, v.most)))
	if !ok || most >= 1<<60 { // version 1 has a large number for no limit
		return Limit{}, false
	}
	used, _ := number(text(files, path.Join(dir, v.used)))
	stat := text(files, path.Join(dir, "memory.stat"))
	for _, name := range v.cached {
		n, _ := field(stat, name)
		used -= n
	}
	return Limit{Name: "control group " + group, Total: most, Free: max(0, most-max(0, used))}, true
}

// text is the content of a file, empty if it cannot be read.
func text(files fs.FS, name string) string {
	b, _ := fs.ReadFile(files, name)
	return string(b)
}

func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n, err == nil
}

// field is the number after a name at the beginning of a line.
func field(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			return number(f[1])
		}
	}
	return 0, false
}

// Size prints a number of bytes: 409.6 GB, 21.5 MB.
func Size(n int64) string {
	for _, u := range []struct {
		bytes float64
		name  string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if float64(n) >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
