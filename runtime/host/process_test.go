package host

import (
	"errors"
	"io"
	"testing"
)

// TestDied: why a process has ended is what it said, and of a file that was cut off what that means.
func TestDied(t *testing.T) {
	for said, want := range map[string]string{
		"":                    "the compiled model's process ended: exit status 2",
		"hello\npanic: why\n": "the compiled model's process ended: exit status 2\npanic: why",
		"unexpected fault address 0x7f\nfatal error: fault\n[signal SIGBUS: bus error code=0x2]\n\ngoroutine 1": "the compiled model's process ended: exit status 2: " +
			"a mapped file, most likely the weights, cannot be read any more: it was cut off, or its disk fails",
	} {
		_, in := io.Pipe()
		c := &Client{stdin: in, ended: func() error { return errors.New("exit status 2") }}
		c.stderr.Write([]byte(said))
		if err := c.died(io.EOF); err.Error() != want || !errors.Is(err, ErrEnded) {
			t.Errorf("%q: error %q, want %q", said, err, want)
		}
	}
}
