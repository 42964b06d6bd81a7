//go:build amd64 || arm64

package weights

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// large is the path of a file of one tensor of so many bytes, and the bytes.
func large(t *testing.T, n int) (path string, data []byte) {
	t.Helper()
	data = make([]byte, n)
	for i := range data {
		data[i] = byte(i*i>>9 ^ i>>13)
	}
	path = filepath.Join(t.TempDir(), "w")
	w, err := Create(path, "f", []Entry{{"a", "U8", []int{n}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("a", data); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return path, data
}

// TestMove: whole huge pages are moved, are huge pages, and hold the same as the file; the rest
// stays mapped.
func TestMove(t *testing.T) {
	const size = 9<<20 + 12345
	if !canMove(size) {
		t.Skip("the system has no huge pages or not enough memory")
	}
	path, data := large(t, size)
	for _, test := range []struct {
		huge Huge
		want int64
	}{{AtOnce, 8 << 20}, {InBackground, 0}, {Never, 0}} {
		f, err := Open(path, "f", nil, HugePages(test.huge), VerifyPayload())
		if err != nil {
			t.Fatal(err)
		}
		before := f.Data("a")
		f.Settle()
		if err := f.Settled(ctx); err != nil {
			t.Fatal(err)
		}
		if got := f.HugeBytes(); got != test.want {
			t.Errorf("option %d: %d bytes moved, want %d", test.huge, got, test.want)
		}
		if got := hugeIn(t, f.Bytes()); got > test.want || got < test.want/2 { // fragmented memory has fewer
			t.Errorf("option %d: %d bytes are in huge pages, want %d", test.huge, got, test.want)
		}
		if !bytes.Equal(before, data) {
			t.Errorf("option %d: the content is another", test.huge)
		}
		if err := f.Verify(ctx); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// hugeIn is how many bytes of what lies at b are anonymous huge pages.
func hugeIn(t *testing.T, b []byte) (huge int64) {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	in := false
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		if from, to, ok := strings.Cut(fields[0], "-"); ok {
			lo, err1 := strconv.ParseUint(from, 16, 64)
			hi, err2 := strconv.ParseUint(to, 16, 64)
			if err1 == nil && err2 == nil {
				in = uintptr(lo) >= address(b) && uintptr(hi) <= address(b)+uintptr(len(b))
			}
		}
		if in && fields[0] == "AnonHugePages:" {
			kb, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			huge += int64(kb) << 10
		}
	}
	return huge
}

// TestMoveWhileRead reads a file all the time while it is moved, and closes it in the middle.
func TestMoveWhileRead(t *testing.T) {
	const size = smallFile + 5<<20
	if !canMove(size) {
		t.Skip("the system has no huge pages or not enough memory")
	}
	path, data := large(t, size)
	f, err := Open(path, "f", nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				if !bytes.Equal(f.Data("a"), data) {
					t.Error("the content is another")
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	f.Settle()
	if err := f.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	close(stop)
	readers.Wait()
	if got, want := f.HugeBytes(), int64(len(f.Bytes()))&^(hugePage-1); got != want {
		t.Errorf("%d bytes moved, want %d", got, want)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for range 20 {
		f, err := Open(path, "f", nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Settle()
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMoveCutFile moves a file that has become shorter: what it still has stays readable.
func TestMoveCutFile(t *testing.T) {
	const size = 9 << 20
	if !canMove(size) {
		t.Skip("the system has no huge pages or not enough memory")
	}
	path, data := large(t, size)
	f, err := Open(path, "f", nil, HugePages(AtOnce))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 5<<20); err != nil {
		t.Fatal(err)
	}
	f.Settle()
	if got := f.HugeBytes(); got != 4<<20 {
		t.Errorf("%d bytes moved, want %d", got, 4<<20)
	}
	if n := 4 << 20; !bytes.Equal(f.Data("a")[:n], data[:n]) {
		t.Error("the content is another")
	}
}

// TestVerifyCutFile: a file that has become shorter is an error of the tensor that cannot be read.
func TestVerifyCutFile(t *testing.T) {
	path, _ := large(t, 1<<20)
	f, err := Open(path, "f", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Verify(ctx); err != nil {
		t.Error(err)
	}
	if err := os.Truncate(path, 1<<19); err != nil {
		t.Fatal(err)
	}
	var typed *Error
	if err := f.Verify(ctx); !errors.As(err, &typed) || typed.Tensor != "a" {
		t.Errorf("error %v", err)
	}
}
