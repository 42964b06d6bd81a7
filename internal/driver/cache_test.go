package driver

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func cache(t *testing.T) *Cache {
	t.Helper()
	t.Setenv("YOCOC_CACHE", filepath.Join(t.TempDir(), "cache"))
	c, err := OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// entry makes an entry of a size that was used some time ago.
func entry(t *testing.T, c *Cache, kind, name string, size int64, age time.Duration) {
	t.Helper()
	path := filepath.Join(c.dir, kind, name)
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil { // sparse: no bytes are stored
		t.Skip("no sparse files: ", err)
	}
	when := time.Now().Add(-age)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

// TestPrune: of a model the three last used entries stay, others if they are small or fresh.
func TestPrune(t *testing.T) {
	c := cache(t)
	for _, e := range []struct {
		name string
		size int64
		age  time.Duration
	}{
		{"m-1", 1 << 29, time.Hour},
		{"m-2", 1 << 29, 2 * time.Hour},
		{"m-3", 1 << 29, 3 * time.Hour},
		{"m-4", 1 << 29, 4 * time.Hour},
		{"other-1", 1 << 31, 100 * time.Hour},
	} {
		entry(t, c, packed, e.name, e.size, e.age)
	}
	c.prune(packed, "m")
	if got := names(t, filepath.Join(c.dir, packed)); !slices.Equal(got, []string{"m-1", "m-2", "m-3", "other-1"}) {
		t.Errorf("left are %v", got)
	}
	entry(t, c, packed, "m-5", 1<<29, time.Minute)
	entry(t, c, packed, "m-6", 1<<29, 2*time.Minute)
	entry(t, c, packed, "m-7", 1<<29, 3*time.Minute)
	if _, ok := c.get(packed, "m-3"); !ok {
		t.Fatal("m-3 is gone")
	}
	c.prune(packed, "m")
	if got := names(t, filepath.Join(c.dir, packed)); !slices.Equal(got, []string{"m-3", "m-5", "m-6", "m-7", "other-1"}) {
		t.Errorf("left are %v", got)
	}
}

// TestPut: an entry that another process has made meanwhile is as good.
func TestPut(t *testing.T) {
	c := cache(t)
	for range 2 {
		dir, done, err := c.work()
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		made := filepath.Join(dir, "x")
		if err := os.WriteFile(made, []byte("x"), 0o777); err != nil {
			t.Fatal(err)
		}
		path, err := c.put(made, binaries, "m-1", "m")
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := c.get(binaries, "m-1"); got != path || !ok {
			t.Errorf("get gives %s, %v, put %s", got, ok, path)
		}
	}
	if _, ok := c.get(binaries, "m-2"); ok {
		t.Error("an entry is there that nobody made")
	}
}

// TestForeignEntry: an entry whose time cannot be set, as it is another user's, is there.
func TestForeignEntry(t *testing.T) {
	const foreign = "/proc/self/ns/net" // whose times nobody may set
	now := time.Now()
	if _, err := os.Stat(foreign); err != nil || os.Chtimes(foreign, now, now) == nil {
		t.Skip("no file here whose time cannot be set")
	}
	c := cache(t)
	if err := os.Symlink(foreign, filepath.Join(c.dir, binaries, "m-1")); err != nil {
		t.Skip(err)
	}
	if _, ok := c.get(binaries, "m-1"); !ok {
		t.Error("it is not there")
	}
}
