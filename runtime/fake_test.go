package runtime_test

import (
	"errors"
	"testing"
	"unsafe"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
)

const vocab = 50

// fake is an engine whose logits are a hash of all tokens so far. Worker 0 keeps the state; the
// workers compute logits together, so that what they exchange is seen by the race detector.
type fake struct {
	config  rt.EngineConfig
	runs    []rt.Run
	rows    []uint64 // hashes after each row of the chunk
	kept    *kept
	spans   *kernel.Spans
	lastRun bool
	logits  kernel.Rows
	inHead  func(*kernel.Worker)
}

const headRows = 4

// fakeSpan is the size of the part of a span that a fake keeps its state in, too: what it is after each token.
const fakeSpan = 8 * kernel.SpanTokens

// kept is what a session is, in its region.
type kept struct {
	state uint64
	at    int // position that the next chunk has to begin at
}

func (f *fake) Bind(region []byte, spans *kernel.Spans) {
	f.kept, f.spans = (*kept)(unsafe.Pointer(unsafe.SliceData(region))), spans
}

// Forget clears what the spans say of tokens from pos on.
func (f *fake) Forget(pos int) {
	for i := pos; i/kernel.SpanTokens < len(*f.spans); i++ {
		*f.after(i) = 0
	}
}

// after is where a session's spans say what the state is after the token at a position.
func (f *fake) after(pos int) *uint64 {
	return (*uint64)(unsafe.Pointer(&(*f.spans)[pos/kernel.SpanTokens][pos%kernel.SpanTokens*8]))
}

func (f *fake) Rewindable(from, to int) bool { return from == to }

func (f *fake) Spoiled(parts []kernel.Part, from, to int) []kernel.Part {
	at := kernel.NewParts(parts)
	at.Add(1, int(unsafe.Sizeof(kept{})), f.Rewindable(from, to))
	return at.Spoiled
}

// Row is the hash after the row. Whoever asks for it may be about to write it, and to ask for its logits again.
func (f *fake) Row(row int) []float32 {
	f.rows, f.lastRun = f.rows[:max(len(f.rows), row+1)], false
	return unsafe.Slice((*float32)(unsafe.Pointer(&f.rows[row])), 2)
}

func (f *fake) Place(runs []rt.Run) { f.runs = append(f.runs[:0], runs...) }

func (f *fake) chunk(w *kernel.Worker, tokens []int32) {
	if w.ID == 0 {
		f.rows = f.rows[:0]
		for _, run := range f.runs {
			of := run.Engine.(*fake)
			if run.Pos != of.kept.at || run.Rows == 0 || run.Pos+run.Rows > of.config.Context {
				panic("BUG: wrong run")
			}
			if run.Pos > 0 && *of.after(run.Pos - 1) != of.kept.state {
				panic("BUG: region and spans say different things")
			}
			for i, t := range tokens[len(f.rows):][:run.Rows] {
				of.kept.state = (of.kept.state ^ uint64(t+1)) * 0x9e3779b97f4a7c15
				*of.after(run.Pos + i) = of.kept.state
				f.rows = append(f.rows, of.kept.state)
			}
			of.kept.at += run.Rows
		}
		if len(f.rows) != len(tokens) || len(tokens) > f.config.Chunk || len(tokens) == 0 {
			panic("BUG: wrong chunk")
		}
		f.lastRun = false
	}
	w.Sync()
}

func (f *fake) Prefill(w *kernel.Worker, tokens []int32) { f.chunk(w, tokens) }
func (f *fake) Score(w *kernel.Worker, tokens []int32)   { f.chunk(w, tokens) }

func (f *fake) Last(w *kernel.Worker, row int) {
	if w.ID == 0 {
		if run := f.runs[0]; f.lastRun || row != len(f.rows)-1 && row != 0 || len(f.runs) != 1 || run.Pos+run.Rows != f.kept.at || run.Rows != 1 {
			panic("BUG: wrong last")
		}
		f.lastRun = true
	}
	f.Head(w, row, 1)
}

func (f *fake) Head(w *kernel.Worker, from, rows int) {
	if rows > headRows {
		panic("BUG: too many rows")
	}
	if f.inHead != nil {
		f.inHead(w)
	}
	lo, hi := w.Share(vocab)
	for r := range rows {
		for i := lo; i < hi; i++ {
			f.logits.Row(r, vocab)[i] = fakeLogit(f.rows[from+r], i)
		}
	}
	w.Sync()
}

func fakeLogit(state uint64, i int) float32 {
	h := (state ^ uint64(i)*0xff51afd7ed558ccd) * 0xc4ceb9fe1a85ec53
	return float32(h>>40)/(1<<24)*8 - 4
}

func (f *fake) Logits() kernel.Rows { return f.logits }

func (f *fake) Export(pos int) []rt.Tensor {
	return []rt.Tensor{{Name: "pos", Shape: []int{1}, Data: []float32{float32(pos)}}}
}

// want are the logits that the fake gives after tokens.
func want(tokens ...int32) []float32 {
	var state uint64
	for _, t := range tokens {
		state = (state ^ uint64(t+1)) * 0x9e3779b97f4a7c15
	}
	x := make([]float32, vocab)
	for i := range x {
		x[i] = fakeLogit(state, i)
	}
	return x
}

var errNoEngine = errors.New("no engine today")

// newModel returns a model of fakes; each is shown to made, if that is given.
func newModel(made func(*fake) error) *rt.Model {
	info := rt.Info{
		Name: "fake", Vocab: vocab, Dim: 8, Context: 100, SelfLayers: 1, CrossLayers: 1, HeadRows: headRows, Identity: "fake", Formats: "none",
		RegionBytes: 64, SpanBytes: fakeSpan, RowFloats: 2,
		ScratchFloats: func(chunk int) int { return chunk },
		Sets:          func(string) kernel.Set { return kernel.Portable{} },
	}
	return rt.NewModel(info, nil, func(c rt.EngineConfig) (rt.Engine, error) {
		f := &fake{config: c, rows: make([]uint64, 0, c.Chunk)}
		f.logits = kernel.Rows{Data: c.Memory.Floats(headRows * vocab), Stride: vocab}
		if made != nil {
			if err := made(f); err != nil {
				return nil, err
			}
		}
		return f, nil
	})
}

func newSession(t testing.TB, o rt.Options) *rt.Session {
	t.Helper()
	s, err := newModel(nil).NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// text is n tokens.
func text(n int) []int32 {
	ts := make([]int32, n)
	for i := range ts {
		ts[i] = int32(i * i % vocab)
	}
	return ts
}
