package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var errDisk = errors.New("the disk says no")

// testDisk is a disk in memory, of one folder. Its call number fail returns an error: with half
// of what it should write done, if it writes. From call number crash on nothing is done any more.
type testDisk struct {
	mu          sync.Mutex
	files       map[string]*testFile
	calls       int
	fail, crash int // -1: never
	log         []string
}

// testFile is what a file holds, and what it surely holds after a loss of power: what was synced.
type testFile struct {
	disk   *testDisk
	name   string
	data   []byte
	synced []byte
}

func (d *testDisk) call(what string) error {
	d.calls++
	d.log = append(d.log, what)
	if d.calls-1 == d.fail || d.crash >= 0 && d.calls-1 >= d.crash {
		return errDisk
	}
	return nil
}

func (d *testDisk) create(_, pattern string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &testFile{disk: d, name: strings.Replace(pattern, "*", "1", 1)}
	if err := d.call("create"); err != nil {
		return nil, err
	}
	d.files[f.name] = f
	return f, nil
}

func (f *testFile) Name() string { return f.name }

func (f *testFile) WriteAt(b []byte, at int64) (int, error) {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.call("write")
	if err != nil {
		if b = b[:len(b)/2]; d.calls-1 > d.crash && d.crash >= 0 {
			return 0, err
		}
	}
	if n := int(at) + len(b); n > len(f.data) {
		f.data = append(f.data, make([]byte, n-len(f.data))...)
	}
	return copy(f.data[at:], b), err
}

func (f *testFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.call("sync"); err != nil {
		return err
	}
	f.synced = bytes.Clone(f.data)
	return nil
}

func (f *testFile) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.disk.call("close")
}

func (d *testDisk) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("rename"); err != nil {
		return err
	}
	d.files[filepath.Base(to)] = d.files[from]
	delete(d.files, from)
	return nil
}

func (d *testDisk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("remove"); err != nil {
		return err
	}
	delete(d.files, name)
	return nil
}

func (d *testDisk) sync(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.call("sync folder")
}

// TestEveryCallFails makes each call of the file system fail, and the process end at it: the file
// is the one before or the new one, also if all that was not synced is lost; and after an error nothing else
// is left.
func TestEveryCallFails(t *testing.T) {
	before := [][]byte{{1, 2, 3}}
	after := [][]byte{bytes.Repeat([]byte{4}, 2*block+100), {5}, make([]byte, 3*page), bytes.Repeat([]byte{6}, page-1)}
	fresh := func(fail, crash int) *testDisk {
		d := &testDisk{files: map[string]*testFile{}, fail: -1, crash: -1}
		if err := write(d, "x", nil, before, 1); err != nil {
			t.Fatal(err)
		}
		d.calls, d.log, d.fail, d.crash = 0, nil, fail, crash
		return d
	}
	whole := fresh(-1, -1)
	if err := write(whole, "x", nil, after, 1); err != nil {
		t.Fatal(err)
	}
	t.Logf("calls: %s", strings.Join(whole.log, ", "))
	for i := range whole.calls {
		for _, threads := range []int{1, 3} {
			for _, crash := range []bool{false, true} {
				what := fmt.Sprintf("call %d, %s, fails", i, whole.log[i])
				d := fresh(i, -1)
				if crash {
					what = fmt.Sprintf("the process ends in call %d, %s", i, whole.log[i])
					d = fresh(-1, i)
				}
				if err := write(d, "x", nil, after, threads); !errors.Is(err, errDisk) {
					t.Errorf("%s: %v", what, err)
				}
				if !crash && len(d.files) != 1 {
					t.Errorf("%s: %d files are left", what, len(d.files))
				}
				f := d.files["x"]
				for state, data := range map[string][]byte{"": f.data, " and power is lost": f.synced} {
					_, got, err := memory(data)
					switch {
					case err != nil:
						t.Errorf("%s%s: %v", what, state, err)
					case !same(got, before) && !same(got, after):
						t.Errorf("%s%s: the file is neither the old nor the new one", what, state)
					}
				}
			}
		}
	}
}
