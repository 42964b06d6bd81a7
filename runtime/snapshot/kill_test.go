package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const childEnv = "YOCOC_TEST_SNAPSHOT"

// The test binary is also a process that writes one file after another until it is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		for i := byte(1); ; i = i%250 + 1 {
			if err := Write(path, []byte{i}, generation(i), 2); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			fmt.Println(i)
		}
	}
	os.Exit(m.Run())
}

// generation is what the file number i holds.
func generation(i byte) [][]byte {
	return [][]byte{bytes.Repeat([]byte{i}, 3*block+5), make([]byte, page), bytes.Repeat([]byte{i}, 100)}
}

// TestKill kills a process that writes, at any moment: the file is always whole.
func TestKill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kills := 40
	if testing.Short() {
		kills = 10
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	files := map[string]bool{}
	for n := range kills {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if n%4 > 0 { // else in the first file, or before it
			if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(rand.N(60 * time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait()
		description, pieces, err := load(path, 2)
		if len(files) == 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(description) != 1 || !same(pieces, generation(description[0])) {
			t.Fatalf("the file is no whole one: %q", description)
		}
		files[description] = true
	}
	t.Logf("%d kills, %d different files, %d unfinished ones left", kills, len(files), len(entries(t, dir))-1)
}
