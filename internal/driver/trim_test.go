package driver

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTrim: of all models together the least recently used entries go, until what is made has room;
// what is in use or fresh stays.
func TestTrim(t *testing.T) {
	c := cache(t)
	c.limit = 10 << 20
	for _, e := range []struct {
		kind, name string
		size       int64
		age        time.Duration
	}{
		{packed, "a-1", 4 << 20, time.Hour},
		{sums, "a-1", 1, time.Hour},
		{binaries, "a-1", 1 << 20, 2 * time.Hour},
		{packed, "b-1", 4 << 20, 3 * time.Hour},
		{packed, "c-1", 4 << 20, 4 * time.Hour},
		{sums, "c-1", 1, 4 * time.Hour},
		{binaries, "c-1", 1 << 20, 5 * time.Hour},
	} {
		entry(t, c, e.kind, e.name, e.size, e.age)
	}
	check := func(why string, weights, programs, checksums []string) {
		t.Helper()
		for kind, want := range map[string][]string{packed: weights, binaries: programs, sums: checksums} {
			if got := names(t, filepath.Join(c.dir, kind)); !slices.Equal(got, want) {
				t.Errorf("%s: %s has %v, want %v", why, kind, got, want)
			}
		}
	}
	c.trim(0) // 9 MB of the last used, and the small one that was used before all
	check("room for nothing more", []string{"a-1", "b-1"}, []string{"a-1", "c-1"}, []string{"a-1"})

	held, err := hold(filepath.Join(c.dir, packed, "b-1"))
	if err != nil {
		t.Fatal(err)
	}
	c.trim(3 << 20)
	if canLock {
		check("b-1 is in use", []string{"a-1", "b-1"}, []string{"a-1"}, []string{"a-1"})
	}
	held.Close()
	c.trim(3 << 20)
	check("b-1 is not", []string{"a-1"}, []string{"a-1"}, []string{"a-1"})
	entry(t, c, packed, "d-1", 8<<20, time.Minute)
	c.trim(1 << 40)
	check("d-1 was used a minute ago", []string{"d-1"}, nil, nil)
}

// TestDefaultLimit: by default a cache takes at most half of what the disk has without it.
func TestDefaultLimit(t *testing.T) {
	c := cache(t)
	free, ok := diskFree(c.dir)
	if !ok {
		t.Skip("what the disk has is unknown here")
	}
	got := defaultLimit(c.dir, nil)
	if want := min(keepAll, free/2); got < want-want/4 || got > want+want/4 { // others use the disk meanwhile
		t.Errorf("an empty cache may have %d bytes, want about %d", got, want)
	}
	entry(t, c, packed, "a-1", 1<<40, time.Hour) // sparse: it takes nothing
	if got := defaultLimit(c.dir, c.entries("", packed)); got != keepAll {
		t.Errorf("a cache on a large disk may have %d bytes, want %d", got, keepAll)
	}
	if got := defaultLimit(filepath.Join(c.dir, "nowhere"), nil); got != keepAll {
		t.Errorf("on a disk that is unknown it may have %d bytes, want %d", got, keepAll)
	}
}

// TestUse: an entry that goes after it was found is found again.
func TestUse(t *testing.T) {
	c := cache(t)
	tries := 0
	path, held, err := use(func() (string, error) {
		tries++
		if tries == 2 {
			entry(t, c, packed, "a-1", 1, 0)
		}
		return filepath.Join(c.dir, packed, "a-1"), nil
	})
	if err != nil || tries != 2 {
		t.Fatalf("%v after %d tries, want it at the second", err, tries)
	}
	held.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := use(func() (string, error) { return path, nil }); err == nil || !strings.Contains(err.Error(), "comes and goes") {
		t.Errorf("what is never there: %v", err)
	}
}

// TestPruneAside: what a killed process left goes, what a living one makes stays.
func TestPruneAside(t *testing.T) {
	if !canLock {
		t.Skip("no locks here: what is aside goes after a day")
	}
	c := cache(t)
	old := func(dir string) {
		when := time.Now().Add(-time.Hour)
		if err := os.Chtimes(dir, when, when); err != nil {
			t.Fatal(err)
		}
	}
	living, done, err := c.work()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	old(living)
	dead := filepath.Join(c.dir, aside, "dead")
	if err := os.Mkdir(dead, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "x"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	old(dead)
	c.prune(packed, "m")
	if got := names(t, filepath.Join(c.dir, aside)); !slices.Equal(got, []string{filepath.Base(living)}) {
		t.Errorf("left are %v, want %s", got, filepath.Base(living))
	}
}

// TestHeldElsewhere: a lock is another process's business too, and ends with the process.
func TestHeldElsewhere(t *testing.T) {
	flock, err := exec.LookPath("flock")
	if err != nil || !canLock {
		t.Skip("no command that takes a lock here")
	}
	c := cache(t)
	entry(t, c, packed, "a-1", 1, time.Hour)
	path := filepath.Join(c.dir, packed, "a-1")
	cmd := exec.Command(flock, "--shared", path, "sh", "-c", "echo held; read x")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	c.limit = 1
	c.trim(1)
	if _, ok := c.get(packed, "a-1"); !ok {
		t.Error("what another process holds was dropped")
	}
	in.Close()
	_ = cmd.Wait()
	entry(t, c, packed, "a-1", 1, time.Hour)
	if c.trim(1); len(names(t, filepath.Join(c.dir, packed))) > 0 {
		t.Error("what nobody holds any more was kept")
	}
}

func TestCacheLimit(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "1": 1, "500M": 500 << 20, "20G": 20 << 30, "1T": 1 << 40, "3K": 3072} {
		if got, err := cacheLimit(text); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	if n, err := cacheLimit("off"); n < 1<<60 || err != nil {
		t.Errorf("off: %d, %v", n, err)
	}
	for _, text := range []string{"0", "-1", "G", "20 G", "20GB", "x", "9000000T", "1e3"} {
		if _, err := cacheLimit(text); err == nil || !strings.Contains(err.Error(), "YOCOC_CACHE_SIZE") {
			t.Errorf("%q: %v, want an error", text, err)
		}
	}
	t.Setenv("YOCOC_CACHE_SIZE", "much")
	if _, err := OpenCache(); err == nil {
		t.Error("a cache was opened with a size that is none")
	}
}
