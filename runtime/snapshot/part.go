package snapshot

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// forgotten is how old a part is that nobody writes any more. Between the moment in which a writer makes its part and the
// one in which it holds it there is far less.
const forgotten = time.Minute

// lock holds a part for as long as it is open, so that no other process takes it for one that was left.
func lock(f file) {
	if f, ok := f.(*os.File); ok {
		hold(f)
	}
}

// freshen makes a part as old as this moment: closed, it is held no more until it has its name.
func freshen(f file) {
	if f, ok := f.(*os.File); ok {
		now := time.Now()
		_ = os.Chtimes(f.Name(), now, now)
	}
}

// sweep removes the parts of a name that processes left when they were killed: old ones that nobody holds. What can't be
// told or removed stays.
func sweep(dir, base string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		number, isPart := strings.CutSuffix(e.Name(), ".part")
		number, isOurs := strings.CutPrefix(number, base+".")
		if !isPart || !isOurs || number == "" || strings.Trim(number, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > forgotten {
			removeLeft(filepath.Join(dir, e.Name()))
		}
	}
}

// removeLeft removes a file unless somebody holds it.
func removeLeft(name string) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if hold(f) {
		_ = os.Remove(name)
	}
}
