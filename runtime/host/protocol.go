package host

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/host/probe"
	"github.com/yococ/yococ/runtime/weights"
)

// OpenRequest says what to run.
type OpenRequest struct {
	Weights   string // path of the packed weights
	Verify    bool   // check their payload too
	HugePages weights.Huge
	Options   Options
	Restore   string // path of a saved session to go on with; "" begins an empty one
}

// Options are rt.Options, but for what means nothing in another process.
type Options struct {
	Context, Threads, Chunk int
	ISA                     string
	Checkpoints             int
	Overcommit              bool
}

func optionsOf(o rt.Options) Options {
	return Options{Context: o.Context, Threads: o.Threads, Chunk: o.Chunk, ISA: o.ISA, Checkpoints: o.Checkpoints, Overcommit: o.Overcommit}
}

// session are the options of a session in this process.
func (o Options) session() rt.Options {
	return rt.Options{Context: o.Context, Threads: o.Threads, Chunk: o.Chunk, ISA: o.ISA, Checkpoints: o.Checkpoints, Overcommit: o.Overcommit}
}

// Info is what was opened.
type Info struct {
	Name        string
	Vocab       int
	Dim         int
	Context     int // the model's default
	SelfLayers  int
	CrossLayers int
	Options     Options // as they are after defaults

	Pos         int           // tokens that the session holds
	RestoreTime time.Duration // until a saved session was read and checked; 0 without one

	WeightsBytes  int64 // the file
	ReservedBytes int64 // states, cache, arena and scratch of the session, committed or not
}

// GenerateRequest adds Tokens, which may be none, and continues.
type GenerateRequest struct {
	Tokens   []int32
	Sampling rt.Sampling
}

// GenerateStats tells what Generate did.
type GenerateStats struct {
	PromptTokens int
	Tokens       int           // yielded
	PrefillTime  time.Duration // until the first logits were there
	DecodeTime   time.Duration // from the first token yielded to the last: Tokens-1 steps
	Reason       Reason
	Speculation  rt.Speculation // of the tokens yielded
}

// A Reason is why Generate ended.
type Reason string

const (
	Stop     Reason = "stop"     // a token of Sampling.Stop came
	Length   Reason = "length"   // Sampling.MaxTokens were yielded
	Full     Reason = "context"  // the context is full: Generate returns the ContextFullError too
	Canceled Reason = "canceled" // by Cancel
)

// A Choice is tokens that may follow others.
type Choice struct {
	Context, Tokens []int32 // neither is empty
}

// BenchRequest asks for the time of PP tokens of prefill and the logits after them, and of TG
// single decodes; 0 is not measured. Each is repeated Reps times after a warm-up, when the weights have
// settled. With a Batch of more than one, so many sessions decode together: TG tokens each.
//
// At depth 0 every repetition begins with an empty session. At another depth the session is
// filled once, by prefill or, if Synthetic is set, as Session.Synthesize does, and the repetitions follow one another: the i-th is at about
// Depth + i*PP or Depth + i*TG tokens, and the context has to have room for all of them.
type BenchRequest struct {
	PP, TG, Depth, Reps, Batch int
	Synthetic                  bool
	Arithmetic                 []Arithmetic // of the matrices
}

// Arithmetic is the part of all operations that are of a kind.
type Arithmetic struct {
	Kind probe.Kind
	Part float64
}

// BenchResult holds what was measured in each repetition.
type BenchResult struct {
	PP, TG    []BenchRep
	Mallocs   uint64 // heap allocations of the whole process while the clock ran
	HugeBytes int64  // of the weights, in huge pages
}

// A BenchRep is a repetition: how long it took, and what probes at its side would have done in that time
// with as many threads: operations of the arithmetic, for prefill and batches, and bytes read from the
// weights' own pages, for decodes. What was not probed is 0.
type BenchRep struct {
	Time              time.Duration
	Operations, Bytes float64
}

// Stats is the process's memory, in bytes, 0 where the system does not tell.
type Stats struct {
	RSS, PeakRSS     int64
	AnonRSS, FileRSS int64  // parts of RSS
	Mallocs          uint64 // heap allocations since the start
	ReservedBytes    int64  // as in Info
}

// A UserError is a mistake of the user and not of the program: weights that don't fit, a context
// that is full, an instruction set that the machine has not. It wraps the rt errors that have a
// type.
type UserError struct{ Err error }

func (e *UserError) Error() string { return e.Err.Error() }
func (e *UserError) Unwrap() error { return e.Err }

type command uint8

const (
	doOpen command = iota + 1
	doReset
	doPrefill
	doLogits
	doDecode
	doGenerate
	doScore
	doScoreRows
	doChoose
	doExport
	doBench
	doStats
	doSave
	doFollow
	doCancel // the request of that serial, if it is under way; has no reply
)

type request struct {
	Serial   uint64
	Do       command
	Open     OpenRequest
	Path     string
	Tokens   []int32
	Targets  []int32
	Sampling rt.Sampling
	Bench    BenchRequest
	Choices  []Choice
	Follow   FollowRequest
}

// A request is answered by any number of replies, the last of which has Last set.
type reply struct {
	Last     bool
	Fail     *failure
	At       int // index of the row
	Progress rt.Progress
	Token    int32 // yielded
	Logits   []byte
	NLL      []float64
	Tensor   *tensor
	Elapsed  time.Duration
	Info     *Info
	Generate *GenerateStats
	Bench    *BenchResult
	Follow   *FollowResult
	Stats    *Stats
}

type tensor struct {
	Name  string
	Shape []int
	Data  []byte
}

// floatBytes is the memory of x: parent and child are the same kind of machine.
func floatBytes(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

func floats(b []byte) []float32 {
	x := make([]float32, len(b)/4)
	copy(floatBytes(x), b)
	return x
}

// A failure is an error on its way to the client.
type failure struct {
	Message string
	Kind    kind
	Context *rt.ContextFullError
	Token   *rt.TokenError
}

type kind uint8

const (
	user kind = iota
	canceled
	noTokens
	logits
	misuse // of the protocol
)

var errNotOpen = errors.New("no model is open")

func failed(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Message: err.Error()}
	errors.As(err, &f.Context)
	errors.As(err, &f.Token)
	switch {
	case errors.Is(err, context.Canceled):
		f.Kind = canceled
	case errors.Is(err, rt.ErrNoTokens):
		f.Kind = noTokens
	case errors.Is(err, rt.ErrLogits):
		f.Kind = logits
	case errors.Is(err, rt.ErrBusy), errors.Is(err, rt.ErrClosed), errors.Is(err, errNotOpen):
		f.Kind = misuse
	}
	return f
}

// err is the error again, with the types that callers look for.
func (f *failure) err() error {
	if f == nil {
		return nil
	}
	switch {
	case f.Kind == canceled:
		return context.Canceled
	case f.Kind == misuse:
		return fmt.Errorf("compiled model: %s", f.Message)
	case f.Kind == noTokens:
		return &UserError{rt.ErrNoTokens}
	case f.Kind == logits:
		return &UserError{&wrapped{f.Message, rt.ErrLogits}}
	case f.Context != nil:
		return &UserError{&wrapped{f.Message, f.Context}}
	case f.Token != nil:
		return &UserError{&wrapped{f.Message, f.Token}}
	}
	return &UserError{errors.New(f.Message)}
}

// wrapped is an error as it was before it was sent, with the one inside that has a type.
type wrapped struct {
	message string
	err     error
}

func (w *wrapped) Error() string { return w.message }
func (w *wrapped) Unwrap() error { return w.err }
