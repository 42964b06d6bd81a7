package driver

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a cache keeps.
const (
	keepEntries  = 3               // of a model, whatever their size
	keepBytes    = 1 << 30         // of a model's weights, in more of them
	keepPrograms = 64 << 20        // of a model's programs, likewise
	keepAll      = 20 << 30        // of all models together, if the disk has twice that
	keepAside    = 24 * time.Hour  // of what a killed process left, where it cannot be told from a living one's
	keepUsed     = 5 * time.Minute // a process may be about to open it
)

// cacheLimit reads YOCOC_CACHE_SIZE: a number of bytes, or of K, M, G or T of them, or off. "" is 0.
func cacheLimit(text string) (int64, error) {
	switch text {
	case "":
		return 0, nil
	case "off":
		return math.MaxInt64, nil
	}
	digits, shift := text, 0
	if i := strings.Index("KMGT", text[len(text)-1:]); i >= 0 {
		digits, shift = text[:len(text)-1], 10*(i+1)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("YOCOC_CACHE_SIZE is %q: want a size such as 500M or 20G, or off", text)
	}
	return n << shift, nil
}

// A kept is an entry, or what was left aside.
type kept struct {
	kind string
	fs.FileInfo
}

// prune removes a model's least recently used entries of a kind, and what killed processes left.
func (c *Cache) prune(kind, model string) {
	most := int64(keepBytes)
	if kind == binaries {
		most = keepPrograms
	}
	var size int64
	for i, e := range c.entries(model, kind) {
		size += e.Size()
		if i >= keepEntries && size > most {
			c.dropUnused(e, keepUsed)
		}
	}
	for _, e := range c.entries("", aside) {
		if canLock {
			c.dropUnused(e, keepUsed)
		} else {
			c.dropUnused(e, keepAside)
		}
	}
}

// trim makes room for so many bytes more: it removes the least recently used entries of all models.
func (c *Cache) trim(room int64) {
	all := c.entries("", binaries, packed)
	limit := c.limit
	if limit == 0 {
		limit = defaultLimit(c.dir, all)
	}
	for _, e := range all {
		if room+e.Size() <= limit || !c.dropUnused(e, keepUsed) {
			room += e.Size()
		}
	}
}

// defaultLimit is keepAll, or half of what the disk would have without the cache.
func defaultLimit(dir string, all []kept) int64 {
	free, ok := diskFree(dir)
	if !ok {
		return keepAll
	}
	for _, e := range all {
		free += e.Size()
	}
	return min(keepAll, free/2)
}

// dropUnused removes an entry that nobody uses or has used for a while, and reports whether it did.
func (c *Cache) dropUnused(e kept, while time.Duration) bool {
	path := filepath.Join(c.dir, e.kind, e.Name())
	free, ok := alone(path)
	if !ok {
		return false
	}
	defer free()
	info, err := os.Lstat(path) // again: it may have been used meanwhile
	if err != nil || time.Since(info.ModTime()) <= while {
		return false
	}
	if os.RemoveAll(path) != nil {
		return false
	}
	if e.kind == packed {
		c.drop(sums, e.Name())
	}
	return true
}

// entries lists a model's entries of some kinds, the most recently used first; those of all models
// for "".
func (c *Cache) entries(model string, kinds ...string) []kept {
	var found []kept
	for _, kind := range kinds {
		list, _ := os.ReadDir(filepath.Join(c.dir, kind))
		for _, f := range list {
			if model != "" && !strings.HasPrefix(f.Name(), model+"-") {
				continue
			}
			if info, err := f.Info(); err == nil {
				found = append(found, kept{kind, info})
			}
		}
	}
	slices.SortFunc(found, func(a, b kept) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	return found
}

// use finds an entry and holds it: it is not dropped to make room until the file is closed.
func use(find func() (string, error)) (path string, held *os.File, err error) {
	for range 3 { // it may go between the two, if it was there before
		if path, err = find(); err != nil {
			return "", nil, err
		}
		if held, err = hold(path); err != nil {
			continue
		}
		now, err := os.Stat(path)
		if then, serr := held.Stat(); err == nil && serr == nil && os.SameFile(now, then) {
			return path, held, nil
		}
		held.Close()
	}
	return "", nil, fmt.Errorf("%s comes and goes: is something else clearing the cache?", path)
}
