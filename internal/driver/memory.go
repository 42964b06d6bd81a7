package driver

import (
	"github.com/yococ/yococ/codegen/pack"
	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/plan"
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
)

// Memory is what a process with one session of a model takes, in bytes: a promise that it stays
// within. It is worked out from the plan with the runtime's own sizes.
type Memory struct {
	Params        int64 // trained parameters
	Weights       int64 // the weight file, which is mapped
	CachePerToken int64 // of the shared cache, and of all layers' own that grow
	OwnCaches     bool  // there are some of those
	State         int64 // what does not grow: retention matrices, window rings, …
	OpenBlock     int64 // what retention keeps of the tokens since the last block of 64 ended
	Fork          int64 // what a session takes that has gone its own way from another's past, beside scratch
	Scratch       int64 // activations, logits, private memory of the workers; at the default context
	Checkpoint    int64 // a state that a session keeps to go back to
	Undo          int64 // in which a session keeps what a pass changes, while its context may end it
	Threads       int   // workers of the session
	Checkpoints   int   // states that it keeps: the command's own sessions none
	span          int64 // what 512 tokens take of all caches that grow
	plan          *plan.Plan
}

// process allows for the program itself: its code, Go's runtime and heap, stacks and the buffers
// of the pipe to it. Some 4 MB were measured.
const process = 8 << 20

// chooser is what the sampler needs for one entry of the vocabulary, beside the logits on both
// ends of the pipe.
const chooser = 16 + 8 + 4*4

// forkHeap is what a session is beside its states: the objects that describe them, and pages begun.
const forkHeap = 48 << 10

// NewMemory works out the memory of a model with sessions of so many threads.
func NewMemory(m *Model, threads int) *Memory {
	p := m.Package.Plan
	mem := &Memory{Params: m.Spec.Params(), Weights: pack.Bytes(p), plan: p, Threads: threads}
	for i := range p.States {
		switch s := &p.States[i]; s.Kind {
		case ir.Shared, ir.Grow:
			mem.OwnCaches = mem.OwnCaches || s.Kind == ir.Grow
			mem.span += int64(max(s.Layers, 1) * cacheSpec(p.Object(s.Object)).Bytes())
		default:
			state, all := stateBytes(p, s)
			mem.State += state
			mem.OpenBlock += all - state
		}
	}
	mem.CachePerToken = mem.span / kernel.SpanTokens
	mem.Undo = pages(mem.State + mem.OpenBlock + 4*int64(p.Slot(p.Residual).Width+p.Vocab))
	mem.Fork = pages(mem.State+mem.OpenBlock) + mem.Undo + mem.span + rt.SpanHeap + mem.logits() + forkHeap
	mem.Scratch = mem.scratch(p.Context)
	mem.Checkpoint = pages(mem.State + mem.OpenBlock)
	return mem
}

// A MemoryPart is a part of a Memory.
type MemoryPart struct {
	Name  string
	Bytes int64
	Once  bool // in a process, whatever sessions there are
}

// Parts are what makes the peak of a session whose context is full.
func (m *Memory) Parts(context int) []MemoryPart {
	spans := (int64(context) + kernel.SpanTokens - 1) / kernel.SpanTokens
	return []MemoryPart{
		{"weights", m.Weights, true},
		{"program, pipe and sampler", process + chooser*int64(m.plan.Vocab), true},
		{"states", int64(1+m.Checkpoints) * m.Checkpoint, false},
		{"undo", m.Undo, false},
		{"caches that grow", wholeHuge(spans * m.span), false},
		{"tokens", rt.CollectedHeap(spans), false},
		{"scratch", m.scratch(context), false},
	}
}

// Total is the peak of a session whose context is full.
func (m *Memory) Total(context int) int64 { return m.Batch(context, 1) }

// Batch is the peak of a process with so many sessions of a context, all full.
func (m *Memory) Batch(context, sessions int) int64 {
	var n int64
	for _, p := range m.Parts(context) {
		if !p.Once {
			p.Bytes *= int64(sessions)
		}
		n += p.Bytes
	}
	return n
}

// MaxContext is the longest context that a session can have, in tokens.
const MaxContext = 1 << 30

// MaxCheckpoints is how many states a session can keep to go back to.
const MaxCheckpoints = 1024

// Report is a Memory as printed: the parts, and the whole for some context lengths.
type Report struct {
	Params        int64   `json:"params"`
	Weights       int64   `json:"weights_bytes"`
	CachePerToken int64   `json:"cache_bytes_per_token"`
	State         int64   `json:"state_bytes"`
	OpenBlock     int64   `json:"open_block_bytes"`
	Fork          int64   `json:"fork_bytes"` // scratch not included
	Undo          int64   `json:"undo_bytes"`
	Scratch       int64   `json:"scratch_bytes"`
	Checkpoint    int64   `json:"checkpoint_bytes"` // of each, where a session keeps some
	Contexts      []Total `json:"contexts"`

	Prefill []PrefillRows `json:"prefill"` // what is computed of a prompt
}

// Total is the peak of a process whose sessions are full.
type Total struct {
	Tokens int   `json:"tokens"` // of each session
	Batch  int   `json:"batch"`  // sessions
	Bytes  int64 `json:"total_bytes"`
}

// Report gives the figures for some context lengths and numbers of sessions.
func (m *Memory) Report(contexts, batch []int, prefill []PrefillRows) Report {
	r := Report{Params: m.Params, Weights: m.Weights, CachePerToken: m.CachePerToken, State: m.State, OpenBlock: m.OpenBlock, Fork: m.Fork, Undo: m.Undo, Scratch: m.Scratch, Checkpoint: m.Checkpoint, Prefill: prefill}
	for _, n := range contexts {
		for _, b := range batch {
			r.Contexts = append(r.Contexts, Total{n, b, m.Batch(n, b)})
		}
	}
	return r
}

// scratch is what a session of a context needs beside its states.
func (m *Memory) scratch(context int) int64 {
	p, chunk := m.plan, min(Chunk, context)
	n := pages(4*int64(p.ArenaFloats())*int64(chunk)) + m.logits()
	worker, partial := kernel.LinearScratch(p.Scratch.Inputs, chunk), 0
	for _, r := range p.Scratch.Objects {
		spec := object(p.Object(string(r)))
		worker = max(worker, spec.(described).Scratch(chunk))
		if a, ok := spec.(*kernel.AttendSpec); ok && a.Window == 0 {
			partial = max(partial, a.Partial(context))
		}
	}
	return n + pages(4*int64(partial)) + int64(m.Threads)*pages(4*int64(worker))
}

// logits is what the logits of a session take.
func (m *Memory) logits() int64 { return pages(4 * plan.HeadRows * int64(m.plan.Vocab)) }

// stateBytes is the memory of all layers of a state that does not grow: of the state as its
// equations have it, and all of it with the open block.
func stateBytes(p *plan.Plan, s *plan.State) (state, all int64) {
	o := p.Object(s.Object)
	layers := int64(max(s.Layers, 1))
	if s.Kind == ir.Carry {
		return layers * 4 * int64(mixerTypes[o.Type].state(o)), layers * int64(kernel.StateBytes(object(o).(carried)))
	}
	n := layers * int64(cacheSpec(o).Bytes())
	return n, n
}

// pages rounds a reservation up to what the system may commit of it.
func pages(n int64) int64 {
	if n >= rt.HugeFrom {
		return wholeHuge(n)
	}
	return roundUp(n, 4096)
}

// wholeHuge rounds up to what the system may commit of memory that asks for huge pages.
func wholeHuge(n int64) int64 { return roundUp(n, rt.HugePage) }

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
