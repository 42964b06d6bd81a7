package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A Cache is a folder of compiled packages and packed weights. Its entries are named by the model
// and a hash of all that they are made of, appear whole, and never change unless they are found
// damaged; so any number of processes may share it: at worst two of them do the same work. What has
// not been used for longest goes when room is needed; a process locks what it uses.
type Cache struct {
	dir   string
	limit int64 // bytes of all entries; 0 is the default of a disk
}

// OpenCache returns the cache in the folder that the environment names in YOCOC_CACHE, else the
// user's own. YOCOC_CACHE_SIZE bounds it.
func OpenCache() (*Cache, error) {
	limit, err := cacheLimit(os.Getenv("YOCOC_CACHE_SIZE"))
	if err != nil {
		return nil, err
	}
	dir := os.Getenv("YOCOC_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%w: YOCOC_CACHE may name a folder", err)
		}
		dir = filepath.Join(base, "yococ")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	c := &Cache{dir: dir, limit: limit}
	for _, kind := range []string{binaries, packed, sums, aside} {
		if err := os.MkdirAll(filepath.Join(dir, kind), 0o777); err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
	}
	return c, nil
}

// The folders of a cache.
const (
	binaries = "bin"
	packed   = "weights"
	sums     = "sums" // of the checkpoints that weights were packed from, under the same names
	aside    = "tmp"  // what is being made
)

// A product is an entry that can be made.
type product struct {
	kind, name, model string
	size              int64                   // about
	check             func(path string) error // of what can be seen at a glance
	make              func(path string) error
}

// entry returns the path of a product, which is made if it is not there, and made anew, once, if
// its check fails.
func (c *Cache) entry(p product) (string, error) {
	path, there := c.get(p.kind, p.name)
	if there && p.check(path) == nil {
		return path, nil
	}
	if there {
		c.drop(p.kind, p.name)
	}
	err := c.make(p)
	if err == nil {
		err = p.check(path)
	}
	if there && err != nil {
		return "", fmt.Errorf("%s is damaged, delete it: %w", path, err)
	}
	return path, err
}

func (c *Cache) make(p product) error {
	c.trim(p.size)
	dir, done, err := c.work()
	if err != nil {
		return err
	}
	defer done()
	made := filepath.Join(dir, p.name)
	if err := p.make(made); err != nil {
		return err
	}
	_, err = c.put(made, p.kind, p.name, p.model)
	return err
}

// get returns an entry's path and whether it is there; if so it counts as used now, in a cache
// that is the user's own.
func (c *Cache) get(kind, name string) (path string, ok bool) {
	path = filepath.Join(c.dir, kind, name)
	if _, err := os.Stat(path); err != nil {
		return path, false
	}
	now := time.Now()
	os.Chtimes(path, now, now)
	return path, true
}

// drop removes a damaged entry if that can be done.
func (c *Cache) drop(kind, name string) { os.Remove(filepath.Join(c.dir, kind, name)) }

// work returns a new empty folder for making an entry. done removes it.
func (c *Cache) work() (dir string, done func(), err error) {
	dir, err = os.MkdirTemp(filepath.Join(c.dir, aside), "")
	if err != nil {
		return "", nil, err
	}
	used, err := hold(dir)
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return dir, func() {
		used.Close()
		os.RemoveAll(dir)
	}, nil
}

// put moves what was made, a file in a folder of work, to its place, and drops what the model of
// that name has not used for longest.
func (c *Cache) put(made, kind, name, model string) (path string, err error) {
	path = filepath.Join(c.dir, kind, name)
	if err := os.Rename(made, path); err != nil {
		if _, there := c.get(kind, name); there { // another process was faster, and has it in use
			return path, nil
		}
		return "", err
	}
	c.prune(kind, model)
	return path, nil
}
