package runtime_test

import (
	"errors"
	"strings"
	"testing"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/room"
)

// TestRefused: a session whose context cannot find the memory is refused before it computes anything, with both
// numbers; one that can is not.
func TestRefused(t *testing.T) {
	m := newModel(nil)
	o := rt.Options{Context: 1 << 20, Threads: 2}
	rt.InjectMemory(t, nil, nil)
	s, err := m.NewSession(o)
	if err != nil {
		t.Fatal("nothing is known of the memory: ", err)
	}
	need, reserve := s.Promise(), s.Space()
	const spans = (1 << 20) / kernel.SpanTokens
	if low := int64(fakeSpan)*spans + rt.CollectedHeap(spans); need < low || need > 2*low {
		t.Errorf("the promise is %d bytes, its spans' %d", need, low)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	machine := func(free int64) room.Limit { return room.Limit{Name: "the machine", Total: 1 << 40, Free: free} }
	group := func(free int64) room.Limit {
		return room.Limit{Name: "control group /x", Total: 1 << 30, Free: free}
	}
	space := func(free int64) room.Limit {
		return room.Limit{Name: "ulimit -v", Total: 1 << 30, Free: free, Space: true}
	}
	heap := func(free int64) *room.Limit { return &room.Limit{Name: "GOMEMLIMIT", Total: 1 << 30, Free: free} }
	for name, test := range map[string]struct {
		system []room.Limit
		heap   *room.Limit
		by     string // who refuses; "" for nobody
	}{
		"enough":               {[]room.Limit{machine(need), group(need)}, heap(need), ""},
		"the machine":          {[]room.Limit{machine(need - 1), group(need)}, nil, "the machine"},
		"a group":              {[]room.Limit{machine(need), group(need - 1)}, heap(need), "control group /x"},
		"the heap's limit":     {[]room.Limit{machine(need), group(need)}, heap(need - 1), "GOMEMLIMIT"},
		"nothing can be had":   {[]room.Limit{machine(0)}, nil, "the machine"},
		"the heap's alone set": {nil, heap(need - 1), "GOMEMLIMIT"},
		"address space":        {[]room.Limit{machine(need), space(reserve)}, nil, ""},
		"no address space":     {[]room.Limit{machine(need), space(reserve - 1)}, nil, "ulimit -v"},
	} {
		t.Run(name, func(t *testing.T) {
			rt.InjectMemory(t, test.system, test.heap)
			s, err := m.NewSession(o)
			if test.by == "" {
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
				return
			}
			needed := need
			if test.by == "ulimit -v" {
				needed = reserve
			}
			var refused *rt.MemoryError
			if !errors.As(err, &refused) || refused.Limit.Name != test.by || refused.Need != needed || refused.Context != o.Context {
				t.Fatalf("%v, want it refused by %s", err, test.by)
			}
			for _, want := range []string{"a session of 1048576 tokens", room.Size(needed), test.by, room.Size(refused.Limit.Free) + " can be had"} {
				if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "\n") {
					t.Errorf("the error is %q, want it to have %q", text, want)
				}
			}
			over := o
			over.Overcommit = true
			if s, err = m.NewSession(over); err != nil {
				t.Fatal("with Overcommit: ", err)
			}
			s.Close()
			short := o
			if short.Context = 100; test.system != nil && test.system[0].Free > 0 {
				if s, err = m.NewSession(short); err != nil {
					t.Fatal("a short one: ", err)
				}
				s.Close()
			}
		})
	}
	if err := m.Close(); err != nil {
		t.Error("a session that was refused is still open: ", err)
	}
}
