package room

import (
	"math"
	"reflect"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

const meminfo = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    9000 kB\n"

func files(list map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range list {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestSystem(t *testing.T) {
	machine := Limit{Name: "the machine", Total: 16000 << 10, Free: 9000 << 10}
	for name, test := range map[string]struct {
		files map[string]string
		want  []Limit
	}{
		"nothing known": {nil, nil},
		"no groups":     {map[string]string{"proc/meminfo": meminfo}, []Limit{machine}},
		"version 2, a limit above": {map[string]string{
			"proc/meminfo":                    meminfo,
			"proc/self/cgroup":                "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max":    "max\n",
			"sys/fs/cgroup/a/memory.max":      "1000\n",
			"sys/fs/cgroup/a/memory.current":  "700\n",
			"sys/fs/cgroup/a/memory.stat":     "anon 300\nfile 400\nactive_file 100\ninactive_file 200\n",
			"sys/fs/cgroup/memory.max":        "5000",
			"sys/fs/cgroup/memory.current":    "9000",
			"sys/fs/cgroup/other/memory.max":  "1",
			"sys/fs/cgroup/a/b/memory.events": "",
		}, []Limit{machine, {Name: "control group /a", Total: 1000, Free: 600}, {Name: "control group /", Total: 5000, Free: 0}}},
		"version 1": {map[string]string{
			"proc/self/cgroup": "9:name=systemd:/\n4:cpu,cpuacct:/y\n3:memory:/x\nbroken\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "4096\n",
			"sys/fs/cgroup/memory/x/memory.usage_in_bytes": "3000\n",
			"sys/fs/cgroup/memory/x/memory.stat":           "active_file 1\ntotal_active_file 500\ntotal_inactive_file 4000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
		}, []Limit{{Name: "control group /x", Total: 4096, Free: 4096}}},
		"address space": {map[string]string{
			"proc/self/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
				"Max data size             5000                 unlimited            bytes     \n" +
				"Max address space         1000000              2000000              bytes     \n",
			"proc/self/status": "Name:\tx\nVmPeak:\t   1 kB\nVmSize:\t     900 kB\nVmData:\t 12 kB\n",
		}, []Limit{{Name: "ulimit -v", Total: 1000000, Free: 1000000 - 900<<10, Space: true}, {Name: "ulimit -d", Total: 5000, Space: true}}},
		"no limits of it": {map[string]string{
			"proc/self/limits": "Max data size             unlimited            unlimited            bytes     \nMax address space\n",
		}, nil},
		"a path that leads upwards": {map[string]string{
			"proc/self/cgroup":         "0::/../../x\n",
			"sys/fs/cgroup/memory.max": "77",
		}, []Limit{{Name: "control group /", Total: 77, Free: 77}}},
	} {
		if got := system(files(test.files)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// TestHere: on linux the machine says what it has.
func TestHere(t *testing.T) {
	limits := System()
	if runtime.GOOS == "linux" && len(limits) == 0 {
		t.Error("nothing is known")
	}
	for _, l := range limits {
		if l.Total <= 0 || l.Free < 0 || l.Free > l.Total {
			t.Errorf("%+v", l)
		}
	}
}

func TestGo(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	if l, ok := Go(); ok {
		t.Errorf("no limit is set, and it is %+v", l)
	}
	debug.SetMemoryLimit(1 << 40)
	if l, ok := Go(); !ok || l.Total != 1<<40 || l.Free >= 1<<40 || l.Free < 1<<40-1<<33 {
		t.Errorf("%+v, %v", l, ok)
	}
	debug.SetMemoryLimit(1)
	if l, ok := Go(); !ok || l.Free != 0 {
		t.Errorf("%+v, %v", l, ok)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 20_447_232: "20.4 MB", 409_600_000_000: "409.6 GB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
