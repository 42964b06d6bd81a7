package host

import (
	"os"
	"strconv"
	"strings"
)

func stats() *Stats {
	s := &Stats{Mallocs: mallocs()}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return s // a system without
	}
	for _, f := range []struct {
		name string
		to   *int64
	}{{"VmRSS", &s.RSS}, {"VmHWM", &s.PeakRSS}, {"RssAnon", &s.AnonRSS}, {"RssFile", &s.FileRSS}} {
		*f.to = kilobytes(string(status), f.name) << 10
	}
	return s
}

// kilobytes finds a line such as "VmRSS:   1234 kB".
func kilobytes(status, name string) int64 {
	_, rest, ok := strings.Cut(status, "\n"+name+":")
	if !ok {
		return 0
	}
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(line, "kB")), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
