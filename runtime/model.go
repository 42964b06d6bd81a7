package runtime

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/weights"
)

// Info is what a generated package says about its model.
type Info struct {
	Name        string
	Vocab       int // token ids are 0..Vocab-1
	Dim         int // width of the residual stream
	Context     int // default context length of a session; not a limit
	SelfLayers  int
	CrossLayers int
	HeadRows    int // rows of logits that one Engine.Head computes

	// Identity is a hash of all that states depend on but the weights' values; Formats are those of weights and
	// cache, for people.
	Identity, Formats string

	RegionBytes int // memory of a session's states of a fixed size
	SpanBytes   int // of its caches that grow, for each span of kernel.SpanTokens tokens
	RowFloats   int // length of an Engine's Row

	// ScratchFloats is the private memory of one worker, in float32, for chunks of that length.
	ScratchFloats func(chunk int) int
	// Sets gives the kernels of a level, nil if the package has none for it.
	Sets func(level string) kernel.Set
}

// An Engine is the generated half of a session: the model's stages over one arena, and the states that are
// bound to it. All workers of a team run each method together with the same arguments, Bind, Rewindable, Forget,
// Place, Logits and Export excepted, and the methods end synchronised.
type Engine interface {
	// Bind says where the states are: those of a fixed size in Info.RegionBytes of region, caches that grow in
	// the spans, Info.SpanBytes each, of all tokens before the next pass and in it. Zeros are the states before
	// any token. It allocates nothing.
	Bind(region []byte, spans *kernel.Spans)
	// Rewindable reports whether the states after from tokens serve as those after the first to of them, to <= from,
	// if nothing is changed.
	Rewindable(from, to int) bool
	// Forget makes zero what the states hold and no token from position pos on looks at, so that states after the
	// same tokens are equal bytes.
	Forget(pos int)
	// Place says what the rows of the next pass are: of Prefill and a Last after it for the same
	// row, of Score, or of a Last alone.
	Place(runs []Run)
	// Prefill runs every stage that needs all rows: embedding, self-decoder, shared cache. There
	// are at most EngineConfig.Chunk tokens.
	Prefill(w *kernel.Worker, tokens []int32)
	// Last runs the remaining stages for one row of the chunk just prefilled, which is the one that
	// was placed, and leaves its logits in row 0. It is run once for a chunk.
	Last(w *kernel.Worker, row int)
	// Score runs every stage but the head for every row.
	Score(w *kernel.Worker, tokens []int32)
	// Head leaves the logits of chunk rows from..from+rows-1 in rows 0..rows-1, after Score.
	Head(w *kernel.Worker, from, rows int)
	// Row is all that Last and Head read of a row of the chunk, beside states and positions. It is the engine's
	// own memory: what is written there before them is the row.
	Row(row int) []float32
	// Spoiled appends the parts of the region that positions alone don't take back: after a pass that has gone to
	// position from, or part of the way, they say something else than the states at position to, from which it began.
	Spoiled(parts []kernel.Part, from, to int) []kernel.Part
	// Logits are the engine's own memory: [HeadRows][Vocab].
	Logits() kernel.Rows
	// Export copies the shared cache and the states as they are after pos tokens.
	Export(pos int) []Tensor
}

// A Run is rows of a pass that are tokens of one session, one after the other. The engine that runs
// the pass lends the memory for the rows; the states are those of the run's engine, of the same
// package. No two runs of a pass are of one engine.
type Run struct {
	Engine Engine
	Pos    int // of the first token
	Rows   int
}

// EngineConfig is what a session asks of its engine. All memory of its own that grows with Context or Chunk
// is taken from Memory, which is zeroed and committed page by page as it is touched. What tokens change is bound
// to it.
type EngineConfig struct {
	Context, Chunk, Threads int
	Memory                  *Memory
}

// A Tensor is a named array of numbers, as exported for comparison.
type Tensor = kernel.Tensor

// Options of a session; the zero value of a field means its default.
type Options struct {
	Context int    // tokens that the session can hold; default: the model's
	Threads int    // workers; default: GOMAXPROCS, at most 16
	Chunk   int    // tokens that go through the model together in Prefill; default: 256
	ISA     string // highest instruction-set level: avx512, avx2, portable; default: the best

	// Checkpoints is how many earlier states Rewind may go back to: each takes Info.RegionBytes, and they are taken as
	// tokens come. Default: 4; -1 for none.
	Checkpoints int

	// Prefixes, if it is not nil, has the session begin with what other sessions have computed of tokens like its own, and
	// keep what it computes for others. Results are the same.
	Prefixes *PrefixCache

	Overcommit bool // open the session even if a full context may not find the memory
}

const (
	defaultThreads = 16 // more cores than this share the memory bus that decoding waits for
	maxThreads     = 1024
	defaultChunk   = 256
	maxChunk       = 4096
	maxContext     = 1 << 30

	defaultCheckpoints = 4
	maxCheckpoints     = 1024
)

// A Model is an opened model: weights that any number of sessions share. Its methods may be
// called from any goroutine.
type Model struct {
	info      Info
	file      *weights.File
	newEngine func(EngineConfig) (Engine, error)
	spans     *spanPool

	mu       sync.Mutex
	sessions int
	closed   bool
}

// NewModel is called by a generated Open. The model owns file, which may be nil.
func NewModel(info Info, file *weights.File, newEngine func(EngineConfig) (Engine, error)) *Model {
	if info.HeadRows < 1 || info.Vocab < 1 || info.Context < 1 {
		panic(fmt.Sprintf("BUG: model %s: %d rows of %d logits, context %d",
			info.Name, info.HeadRows, info.Vocab, info.Context))
	}
	if file != nil {
		file.Settle()
	}
	return &Model{info: info, file: file, newEngine: newEngine, spans: &spanPool{size: info.SpanBytes}}
}

// Info returns what the package says about the model.
func (m *Model) Info() Info { return m.info }

// Weights is the weight file as it is in memory, for measurements: it is read-only, and gone when the
// model is closed.
func (m *Model) Weights() []byte {
	if m.file == nil {
		return nil
	}
	return m.file.Bytes()
}

// WeightsBytes is the size of the weight file.
func (m *Model) WeightsBytes() int64 {
	if m.file == nil {
		return 0
	}
	return int64(len(m.file.Bytes()))
}

// Settled waits until the weights are in the pages where they stay, or for the end of ctx. Nothing
// needs it but measurements: they are in use before.
func (m *Model) Settled(ctx context.Context) error {
	if ctx == nil {
		return ErrNoContext
	}
	if err := m.hold(); err != nil {
		return err
	}
	defer m.release()
	if m.file == nil {
		return nil
	}
	return m.file.Settled(ctx)
}

// HugeBytes is how much of the weights has been moved to huge pages so far.
func (m *Model) HugeBytes() int64 {
	if m.file == nil {
		return 0
	}
	return m.file.HugeBytes()
}

// Verify reads all weights and compares them with the checksums in their file.
func (m *Model) Verify(ctx context.Context) error {
	if ctx == nil {
		return ErrNoContext
	}
	if err := m.hold(); err != nil {
		return err
	}
	defer m.release()
	if m.file == nil {
		return nil
	}
	return m.file.Verify(ctx)
}

// Close unmaps the weights. It is refused while a session is open; closing twice is no error.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil
	case m.sessions > 0:
		return fmt.Errorf("model %s: %d sessions are open", m.info.Name, m.sessions)
	}
	m.closed = true
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}

// hold keeps the weights mapped until release.
func (m *Model) hold() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("model %s: %w", m.info.Name, ErrClosed)
	}
	m.sessions++
	return nil
}

func (m *Model) release() {
	m.mu.Lock()
	m.sessions--
	m.mu.Unlock()
}

// complete replaces zeros by defaults and ISA by the level that will run.
func (m *Model) complete(o Options) (Options, error) {
	bad := func(name string, value, limit int) error {
		return fmt.Errorf("options of a session: %s is %d, want 1 to %d", name, value, limit)
	}
	if o.Context == 0 {
		o.Context = m.info.Context
	}
	if o.Threads == 0 {
		o.Threads = min(runtime.GOMAXPROCS(0), defaultThreads)
	}
	if o.Chunk == 0 {
		o.Chunk = defaultChunk
	}
	if o.Checkpoints == 0 {
		o.Checkpoints = defaultCheckpoints
	}
	switch {
	case o.Context < 0 || o.Context > maxContext:
		return o, bad("Context", o.Context, maxContext)
	case o.Threads < 0 || o.Threads > maxThreads:
		return o, bad("Threads", o.Threads, maxThreads)
	case o.Chunk < 0 || o.Chunk > maxChunk:
		return o, bad("Chunk", o.Chunk, maxChunk)
	case o.Checkpoints < -1 || o.Checkpoints > maxCheckpoints:
		return o, bad("Checkpoints", o.Checkpoints, maxCheckpoints)
	}
	o.Chunk = min(o.Chunk, o.Context)
	level, err := kernel.Cap(o.ISA)
	if err != nil {
		return o, fmt.Errorf("options of a session: %w", err)
	}
	o.ISA = level
	return o, nil
}
