package host

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A Client owns a process that runs Main. Its methods are called one at a time; Cancel and Close
// may be called from anywhere.
type Client struct {
	cmd    *exec.Cmd
	stderr tail
	stdin  io.WriteCloser
	dec    *gob.Decoder
	ended  func() error // waits for the process; its exit status

	calls  sync.Mutex // held during a call
	sends  sync.Mutex // protects enc and serial
	enc    *gob.Encoder
	serial uint64
}

// Start starts a program whose main is Main. Its standard error passes through.
func Start(binary string) (*Client, error) {
	c := &Client{cmd: exec.Command(binary)}
	c.cmd.Stderr = io.MultiWriter(os.Stderr, &c.stderr)
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.enc = gob.NewEncoder(c.stdin)
	c.dec = gob.NewDecoder(bufio.NewReaderSize(stdout, 1<<16))
	c.ended = sync.OnceValue(c.cmd.Wait)
	return c, nil
}

// call sends a request, passes its replies to each and returns the last one, which is never nil.
// When each returns an error the rest of the replies is skipped.
func (c *Client) call(r request, each func(*reply) error) (*reply, error) {
	c.calls.Lock()
	defer c.calls.Unlock()
	serial, err := c.send(r)
	if err != nil {
		return &reply{}, c.died(err)
	}
	var stopped error
	for {
		var r reply // a new one: gob leaves alone what is zero
		if err := c.dec.Decode(&r); err != nil {
			return &reply{}, c.died(err)
		}
		switch {
		case r.Last && stopped != nil:
			return &r, stopped
		case r.Last:
			return &r, r.Fail.err()
		case stopped == nil && each != nil:
			if stopped = each(&r); stopped != nil {
				c.cancel(serial)
			}
		}
	}
}

func (c *Client) send(r request) (serial uint64, err error) {
	c.sends.Lock()
	defer c.sends.Unlock()
	c.serial++
	r.Serial = c.serial
	return c.serial, c.enc.Encode(&r)
}

// Cancel ends the call that is under way: Generate returns its statistics, the others
// context.Canceled. Without a call it does nothing.
func (c *Client) Cancel() {
	c.sends.Lock()
	serial := c.serial
	c.sends.Unlock()
	c.cancel(serial)
}

func (c *Client) cancel(serial uint64) {
	c.sends.Lock()
	defer c.sends.Unlock()
	_ = c.enc.Encode(&request{Do: doCancel, Serial: serial}) // the call notices a dead process
}

// patience is how long a process may take to end by itself.
const patience = 5 * time.Second

// Close ends the process, and with it a call that is under way.
func (c *Client) Close() error {
	c.stdin.Close()
	err := c.wait()
	if err != nil {
		return fmt.Errorf("compiled model: %w", err)
	}
	return nil
}

func (c *Client) wait() error {
	kill := time.AfterFunc(patience, func() { c.cmd.Process.Kill() })
	defer kill.Stop()
	return c.ended()
}

// ErrEnded is wrapped where a process does not answer any more.
var ErrEnded = errors.New("the compiled model's process ended")

// died says why there is no answer; err is what was noticed of it.
func (c *Client) died(err error) error {
	c.stdin.Close()
	if status := c.wait(); status != nil {
		err = status
	}
	said := c.stderr.cause()
	if strings.Contains(said, "signal SIGBUS") { // in the middle of a kernel, so that no error could come of it
		return fmt.Errorf("%w: %w: a mapped file, most likely the weights, cannot be read any more: it was cut off, or its disk fails", ErrEnded, err)
	}
	if said != "" {
		return fmt.Errorf("%w: %w\n%s", ErrEnded, err, said)
	}
	return fmt.Errorf("%w: %w", ErrEnded, err)
}

// A tail keeps the last of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const (
	tailBytes  = 64 << 10
	causeBytes = 2 << 10
)

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

// cause is what the process said last: a panic from its beginning, else the end.
func (t *tail) cause() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.TrimSpace(string(t.text))
	for _, mark := range []string{"panic: ", "fatal error: ", "unexpected fault address"} {
		if i := strings.Index(s, mark); i >= 0 {
			s = s[i:]
			return s[:min(len(s), causeBytes)]
		}
	}
	return s[max(0, len(s)-causeBytes):]
}
