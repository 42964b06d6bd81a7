package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// An output is standard output. It remembers the first write that was lost, so that no command
// ends as if all had been said.
type output struct{ err error }

func (o *output) Write(b []byte) (int, error) {
	n, err := os.Stdout.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// A screen shows what takes long, on one line of a terminal that is cleared again. Where standard
// error is no terminal it shows nothing.
type screen struct {
	mu    sync.Mutex
	on    bool
	shown bool
	last  time.Time
	what  string
	since time.Time

	generating atomic.Bool // an interrupt ends the tokens, and what follows is still to be said
}

func newScreen() *screen { return &screen{on: term.IsTerminal(int(os.Stderr.Fd()))} }

// progress is a driver.Progress. Work that is over in a moment is not shown.
func (s *screen) progress(what string, done, total int64) {
	if !s.on {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if what != s.what {
		s.wipe()
		s.what, s.since, s.last = what, now, time.Time{}
	}
	switch {
	case what == "":
		return
	case total == 0:
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s …", what)
		s.shown = true
	case now.Sub(s.since) > 300*time.Millisecond && now.Sub(s.last) > 100*time.Millisecond:
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s: %s of %s, %d %%", what, count(done), count(total), 100*done/total)
		s.shown, s.last = true, now
	}
}

// clear wipes the line, before anything else is printed.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
}

func (s *screen) wipe() {
	if s.shown {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	s.shown, s.what = false, ""
}

// count shortens a large number of bytes or tokens.
func count(n int64) string {
	switch {
	case n >= 10e9:
		return fmt.Sprintf("%.1f G", float64(n)/1e9)
	case n >= 1e9:
		return fmt.Sprintf("%.2f G", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f M", float64(n)/1e6)
	}
	return fmt.Sprint(n)
}

// size is a number of bytes for people: in decimal units, as memory and disks are sold.
func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.3f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2f MB", float64(n)/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// printJSON writes one object.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
