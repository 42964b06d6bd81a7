package runtime

import (
	"encoding/json"
	"fmt"
	"unsafe"

	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/snapshot"
)

// A saved session is a file of package snapshot with these pieces:
//
//	tokens  [tokens] int32
//	logits  [vocabulary] float32, those after the last token; empty if there are none
//	region  the states of a fixed size
//	spans   the caches that grow, one piece for each span of 512 tokens
//
// Before any token all are empty. What no later token looks at is zeros, so that equal states make equal files. Nothing in it depends on the
// session's options.

// saved is what the file says of itself, as JSON.
type saved struct {
	Model    string `json:"model"`
	Formats  string `json:"formats"`
	Identity string `json:"identity"` // these three as in Info
	Weights  string `json:"weights"`  // Sum of the weight file
	Tokens   int    `json:"tokens"`
}

const (
	tokensPiece = iota
	logitsPiece
	regionPiece
	spanPieces // and on
)

// Save writes the session to a file, which Model.Restore makes a session of that goes on bit for bit as this one
// does: with other options, in another process, on another machine. The file gets its name when all of it is on the
// disk; whatever happens, a file of that name is whole. Equal sessions make equal files. Meanwhile it takes memory for a
// second copy of the states of a fixed size and of one span of the caches.
func (s *Session) Save(path string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	at, err := s.freeze()
	if err == nil {
		err = s.model.save(at, path, s.options.Threads)
		at.release()
	}
	if err != nil {
		return fmt.Errorf("save the session: %w", err)
	}
	return nil
}

// save writes a moment to a file. It copies what may hold something that is dead, the region and the span that is not
// full, and makes that zero.
func (m *Model) save(at *moment, path string, threads int) (err error) {
	defer catch(&err)
	description, err := json.Marshal(m.saved(at.pos))
	if err != nil {
		return err
	}
	pieces := make([][]byte, spanPieces)
	pieces[tokensPiece], pieces[logitsPiece] = bytesOf(tokensOf(at.spans, at.pos)), bytesOf(at.logits)
	if at.pos == 0 {
		return snapshot.Write(path, description, pieces, threads)
	}
	memory := NewMemory()
	defer memory.Free()
	region := memory.Bytes(len(at.region.bytes))
	copy(region, at.region.bytes)
	var table kernel.Spans
	for i, span := range at.spans {
		b := span.bytes
		if (i+1)*kernel.SpanTokens > at.pos {
			b = memory.Bytes(len(b))
			copy(b, span.bytes)
		}
		table = append(table, b)
	}
	engine, err := m.newEngine(EngineConfig{Context: 1, Chunk: 1, Threads: 1, Memory: memory})
	if err != nil {
		return err
	}
	engine.Bind(region, &table)
	engine.Forget(at.pos)
	pieces[regionPiece] = region
	return snapshot.Write(path, description, append(pieces, table...), threads)
}

// CanSave returns what keeps Save from writing a file at path, as far as that shows before: for those who compute for long
// what they save. Its error does not name path.
func CanSave(path string) error { return snapshot.Probe(path) }

// saved describes a session of the model.
func (m *Model) saved(tokens int) saved {
	weights := ""
	if m.file != nil {
		weights = m.file.Sum()
	}
	return saved{m.info.Name, m.info.Formats, m.info.Identity, weights, tokens}
}

// Restore opens a session that Session.Save wrote to a file. The file is read and checked whole before anything of it
// is used. It has to be of this model: the same weights, compiled in the same way. The options
// may be others, as long as the context has room for the session's tokens.
func (m *Model) Restore(path string, o Options) (*Session, error) {
	s, err := m.restore(path, o)
	if err != nil {
		return nil, fmt.Errorf("restore a session: %w", err)
	}
	return s, nil
}

func (m *Model) restore(path string, o Options) (*Session, error) {
	o, err := m.complete(o)
	if err != nil {
		return nil, err
	}
	if err := m.hold(); err != nil {
		return nil, err
	}
	defer m.release()
	if m.file != nil {
		defer m.file.Hold()()
	}
	f, err := snapshot.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tokens, err := m.accept(f)
	if err != nil {
		return nil, err
	}
	if tokens > o.Context {
		return nil, fmt.Errorf("%s: %w", path, &ContextFullError{Context: o.Context, Want: tokens})
	}
	s, err := m.NewSession(o) // which says beforehand if there is no memory for it
	if err != nil {
		return nil, err
	}
	at := &moment{pos: tokens}
	at.owners.Store(1)
	if err := m.read(f, at, o.Threads); err != nil {
		at.release()
		s.Close()
		return nil, err
	}
	if at.region != nil {
		at.region.reach, at.region.floor = tokens, tokens // what only earlier tokens look at is not in a file
	}
	s.stand(at)
	if err := s.wake(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// accept returns the number of tokens of a file that is of this model.
func (m *Model) accept(f *snapshot.File) (tokens int, err error) {
	var found saved
	if err := json.Unmarshal(f.Description(), &found); err != nil {
		return 0, f.Bad("the description: %v", err)
	}
	tokens = found.Tokens
	want := m.saved(tokens)
	switch {
	case found.Model != want.Model:
		return 0, f.Bad("the session is of model %s, want %s", found.Model, want.Model)
	case found.Formats != want.Formats:
		return 0, f.Bad("the session is of model %s with %s, want %s", found.Model, found.Formats, want.Formats)
	case found.Identity != want.Identity:
		return 0, f.Bad("the session is of another model %s: its spec differs, or it was compiled in another way", found.Model)
	case found.Weights != want.Weights:
		return 0, f.Bad("the session is of model %s with other weights", found.Model)
	case tokens < 0 || tokens > maxContext:
		return 0, f.Bad("the session has %d tokens", tokens)
	}
	sizes := []int{tokensPiece: 4 * tokens, logitsPiece: 0, regionPiece: 0}
	if tokens > 0 {
		sizes[regionPiece] = m.info.RegionBytes
		for range spansOf(tokens) {
			sizes = append(sizes, m.info.SpanBytes)
		}
	}
	if n := len(f.Sizes()); n != len(sizes) {
		return 0, f.Bad("a session of %d tokens has %d pieces, want %d", tokens, n, len(sizes))
	}
	if tokens > 0 && f.Sizes()[logitsPiece] > 0 {
		sizes[logitsPiece] = 4 * m.info.Vocab
	}
	for i, n := range f.Sizes() {
		if n != int64(sizes[i]) {
			return 0, f.Bad("piece %d of a session of %d tokens has %d bytes, want %d", i, tokens, n, sizes[i])
		}
	}
	return tokens, nil
}

// read fills a moment from a file.
func (m *Model) read(f *snapshot.File, at *moment, threads int) (err error) {
	history := make([]int32, at.pos)
	if n := f.Sizes()[logitsPiece]; n > 0 {
		at.logits = make([]float32, n/4)
	}
	pieces := [][]byte{tokensPiece: bytesOf(history), logitsPiece: bytesOf(at.logits), regionPiece: nil}
	if at.pos > 0 {
		if at.region, err = newRegionIn(newFilledMemory(), m.info.RegionBytes); err != nil {
			return err
		}
		defer at.region.memory.settle()
		pieces[regionPiece] = at.region.bytes
		var settle func()
		if at.spans, settle, err = m.spans.takeFilled(spansOf(at.pos)); err != nil {
			return err
		}
		defer settle()
		for _, span := range at.spans {
			pieces = append(pieces, span.bytes)
		}
	}
	if err := f.Read(pieces, threads); err != nil {
		return err
	}
	for i, t := range history {
		if t < 0 || int(t) >= m.info.Vocab {
			return f.Bad("%v", &TokenError{Token: t, Index: i, Vocab: m.info.Vocab})
		}
		at.spans[i/kernel.SpanTokens].tokens[i%kernel.SpanTokens] = t
	}
	return nil
}

// bytesOf is the memory of numbers, which are little-endian on every machine that opens weights.
func bytesOf[T int32 | float32](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}
