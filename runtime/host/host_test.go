package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/host/probe"
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/weights"
)

const childEnv = "YOCOC_TEST_HOST"

// The test binary is the compiled model too.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		Main(openFake)
		return
	}
	os.Exit(m.Run())
}

const (
	vocab    = 4000
	deadly   = vocab - 1 // the token that the engine panics at
	poisoned = vocab - 2 // the token after which logits are NaN
	slow     = vocab - 3 // the token that takes a while
)

var entries = []weights.Entry{{Name: "salt", DType: "F32", Shape: []int{1}}}

func openFake(path string, opts ...weights.Option) (*rt.Model, error) {
	f, err := weights.Open(path, "print", entries, opts...)
	if err != nil {
		return nil, err
	}
	info := rt.Info{
		Name: "fake", Vocab: vocab, Dim: 8, Context: 300, SelfLayers: 3, CrossLayers: 4, HeadRows: 4,
		RegionBytes: 4, RowFloats: 1, ScratchFloats: func(int) int { return 1 },
		Sets: func(string) kernel.Set { return kernel.Portable{} },
	}
	salt := f.F32("salt")[0]
	return rt.NewModel(info, f, func(c rt.EngineConfig) (rt.Engine, error) {
		return &fake{salt: salt, logits: kernel.Rows{Data: c.Memory.Floats(4 * vocab), Stride: vocab}}, nil
	}), nil
}

// A fake's logits say which token follows: the sum of all so far.
type fake struct {
	salt   float32
	sum    *int32
	sums   []int32
	logits kernel.Rows
}

func (f *fake) Bind(region []byte, _ *kernel.Spans) {
	f.sum = (*int32)(unsafe.Pointer(unsafe.SliceData(region)))
}

func (f *fake) Rewindable(from, to int) bool { return from == to }

func (f *fake) Spoiled(parts []kernel.Part, from, to int) []kernel.Part {
	return append(parts, kernel.Part{From: 0, To: 4})
}

func (f *fake) Row(row int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(&f.sums[row])), 1)
}

func (f *fake) Forget(int)     {}
func (f *fake) Place([]rt.Run) {}

func (f *fake) Prefill(w *kernel.Worker, tokens []int32) {
	if w.ID == 0 {
		f.sums = f.sums[:0]
		for _, t := range tokens {
			switch t {
			case deadly:
				panic("BUG: deadly token")
			case slow:
				time.Sleep(5 * time.Millisecond)
			}
			*f.sum += t
			f.sums = append(f.sums, *f.sum)
			if t == poisoned {
				*f.sum = -1 << 30
			}
		}
	}
	w.Sync()
}

func (f *fake) Score(w *kernel.Worker, tokens []int32) { f.Prefill(w, tokens) }
func (f *fake) Last(w *kernel.Worker, row int)         { f.Head(w, row, 1) }
func (f *fake) Head(w *kernel.Worker, from, rows int) {
	if w.ID == 0 {
		for r := range rows {
			x := f.logits.Row(r, vocab)
			for i := range x {
				x[i] = f.salt
			}
			if s := f.sums[from+r]; s < 0 {
				x[0] = float32(math.NaN())
			} else {
				x[s%30] = 100
			}
		}
	}
	w.Sync()
}
func (f *fake) Logits() kernel.Rows { return f.logits }
func (f *fake) Export(pos int) []rt.Tensor {
	return []rt.Tensor{{Name: "a", Shape: []int{2}, Data: []float32{float32(pos), f.salt}}, {Name: "none", Shape: []int{0}}}
}

func start(t *testing.T) *Client {
	t.Helper()
	t.Setenv(childEnv, "1")
	c, err := Start(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func weightFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w")
	w, err := weights.Create(path, "print", entries)
	must(t, err)
	must(t, w.Write("salt", []byte{0, 0, 0, 0x40}))
	must(t, w.Commit())
	return path
}

func opened(t *testing.T, o Options) *Client {
	t.Helper()
	c := start(t)
	_, err := c.Open(OpenRequest{Weights: weightFile(t), Options: o})
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func likely(x []float32) int { return slices.Index(x, slices.Max(x)) }

func TestHost(t *testing.T) {
	c := start(t)
	if _, err := c.Stats(); err == nil || !strings.Contains(err.Error(), "no model is open") {
		t.Errorf("before Open: %v", err)
	}
	path := weightFile(t)
	for _, threads := range []int{1, 2} { // the second opens another session of the same model
		info, err := c.Open(OpenRequest{Weights: path, Verify: true, Options: Options{Threads: threads, Chunk: 8}})
		must(t, err)
		if info.Name != "fake" || info.SelfLayers != 3 || info.CrossLayers != 4 || info.Context != 300 || info.Vocab != vocab ||
			info.Options.Threads != threads || info.Options.Context != 300 || info.WeightsBytes != 4100 || info.ReservedBytes < 4*vocab*4 {
			t.Errorf("opened %+v", info)
		}
		tokens := make([]int32, 50)
		for i := range tokens {
			tokens[i] = int32(i % 7)
		}
		told := 0
		_, err = c.Prefill(tokens, func(p rt.Progress) {
			if told = p.Done; p.Total != 50 || p.Reused != 0 || !(p.TokensPerSecond > 0) {
				t.Errorf("told %+v", p)
			}
		})
		must(t, err)
		if told != 50 {
			t.Errorf("%d of 50 tokens told", told)
		}
		x, err := c.Logits()
		must(t, err)
		sum := 0
		for _, t := range tokens {
			sum += int(t)
		}
		if len(x) != vocab || likely(x) != sum%30 || x[vocab-1] != 2 {
			t.Errorf("%d follows %d: %v", likely(x), sum, x)
		}
		x, err = c.Decode(5)
		must(t, err)
		if sum += 5; likely(x) != sum%30 {
			t.Errorf("%d follows %d", likely(x), sum)
		}
		must(t, c.DecodeMany([]int32{1, 2, 3}, func(i int, x []float32) error {
			if sum += i + 1; likely(x) != sum%30 {
				t.Errorf("%d follows %d", likely(x), sum)
			}
			return nil
		}))
		next := 0
		must(t, c.ScoreRows(tokens[:20], func(row int, x []float32) error {
			if sum += int(tokens[row]); likely(x) != sum%30 || row != next {
				t.Errorf("row %d: %d follows %d", row, likely(x), sum)
			}
			next++
			return nil
		}))
		must(t, c.Reset())
		nll, err := c.Score([]int32{3, 4}, []int32{3, 8})
		must(t, err)
		if nll[0] > 1e-20 || math.Abs(nll[1]-98) > 1e-9 {
			t.Errorf("losses %v", nll)
		}
		ts, err := c.Export()
		must(t, err)
		if fmt.Sprint(ts) != "[{a [2] [2 2]} {none [0] []}]" {
			t.Errorf("exported %v", ts)
		}
	}
	st, err := c.Stats()
	must(t, err)
	if runtime.GOOS == "linux" && (st.RSS < 1<<20 || st.PeakRSS < st.RSS || st.AnonRSS+st.FileRSS > st.PeakRSS) || st.Mallocs == 0 || st.ReservedBytes == 0 {
		t.Errorf("stats %+v", st)
	}
	must(t, c.Close())
	if _, err := c.Logits(); err == nil {
		t.Error("logits of a closed client")
	}
}

func TestHostGenerate(t *testing.T) {
	c := opened(t, Options{Context: 40})
	var got []int32
	keep := func(tok int32) error { got = append(got, tok); return nil }
	st, err := c.Generate(GenerateRequest{Tokens: []int32{1, 2}, Sampling: rt.Sampling{MaxTokens: 4}}, keep)
	must(t, err)
	if !slices.Equal(got, []int32{3, 6, 12, 24}) || st.Tokens != 4 || st.PromptTokens != 2 || st.Reason != Length ||
		st.PrefillTime <= 0 || st.DecodeTime <= 0 || st.Speculation != (rt.Speculation{Passes: 3}) {
		t.Errorf("%v, %+v", got, st)
	}
	st, err = c.Generate(GenerateRequest{Sampling: rt.Sampling{Stop: []int32{6}}}, keep)
	must(t, err)
	if !slices.Equal(got[4:], []int32{18}) || st.Reason != Stop {
		t.Errorf("%v, %+v", got, st)
	}
	full := &rt.ContextFullError{}
	var mine *UserError
	st, err = c.Generate(GenerateRequest{}, keep)
	if !errors.As(err, &full) || full.Used != 40 || !errors.As(err, &mine) || st.Reason != Full || st.Tokens != 33 {
		t.Errorf("full: %v, %+v", err, st)
	}
	must(t, c.Reset())
	if _, err := c.Generate(GenerateRequest{}, keep); !errors.Is(err, rt.ErrNoTokens) {
		t.Errorf("nothing to continue: %v", err)
	}
	enough := errors.New("enough")
	n := 0
	st, err = c.Generate(GenerateRequest{Tokens: []int32{1}}, func(int32) error {
		if n++; n == 2 {
			return enough
		}
		return nil
	})
	if err != enough || n != 2 || st.Tokens < 2 {
		t.Errorf("stopped: %v after %d, %+v", err, n, st)
	}
}

func TestHostSave(t *testing.T) {
	c, path, file := start(t), weightFile(t), filepath.Join(t.TempDir(), "session")
	if _, err := c.Save(file); err == nil {
		t.Error("saved without a session")
	}
	_, err := c.Open(OpenRequest{Weights: path})
	must(t, err)
	_, err = c.Prefill([]int32{1, 2, 3, 4}, nil)
	must(t, err)
	tokens, err := c.Save(file)
	must(t, err)
	if tokens != 4 {
		t.Errorf("saved %d tokens", tokens)
	}
	for _, c := range []*Client{c, start(t)} { // in place of the session, and in another process
		info, err := c.Open(OpenRequest{Weights: path, Restore: file, Options: Options{Context: 50}})
		must(t, err)
		if info.Pos != 4 || info.RestoreTime <= 0 || info.Options.Context != 50 {
			t.Errorf("restored %+v", info)
		}
		x, err := c.Logits()
		must(t, err)
		if likely(x) != 10 {
			t.Errorf("%d follows 10", likely(x))
		}
	}
	var mine *UserError
	must(t, os.WriteFile(file, []byte("no session"), 0o600))
	if _, err := c.Open(OpenRequest{Weights: path, Restore: file}); !errors.As(err, &mine) || !strings.Contains(err.Error(), file+": byte 0: ") {
		t.Errorf("restored nonsense: %v", err)
	}
	if _, err := c.Save(filepath.Join(file, "x")); err == nil || !strings.Contains(err.Error(), "no model is open") {
		t.Errorf("after it: %v", err)
	}
}

func TestHostCancel(t *testing.T) {
	c := opened(t, Options{Context: 1 << 20, Chunk: 4})
	c.Cancel() // nothing to cancel, and no harm to what comes
	var at int
	many := slices.Repeat([]int32{slow}, 10000)
	_, err := c.Prefill(many, func(p rt.Progress) {
		at = p.Done
		c.Cancel()
	})
	if !errors.Is(err, context.Canceled) || at == 0 || at > 1000 {
		t.Errorf("prefill canceled at %d: %v", at, err)
	}
	n := 0
	st, err := c.Generate(GenerateRequest{}, func(int32) error {
		if n++; n == 3 {
			go c.Cancel()
		}
		return nil
	})
	must(t, err)
	if st.Reason != Canceled || st.Tokens != n || n < 3 {
		t.Errorf("%d tokens, %+v", n, st)
	}
	st, err = c.Generate(GenerateRequest{Tokens: []int32{1}, Sampling: rt.Sampling{MaxTokens: 1}}, func(int32) error { return nil })
	if err != nil || st.Reason != Length {
		t.Errorf("after a cancellation: %v, %+v", err, st)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		must(t, c.Close())
	}()
	if _, err := c.Prefill(many, nil); err == nil {
		t.Error("closed meanwhile, and no error")
	}
}

func TestHostUserErrors(t *testing.T) {
	c := start(t)
	path := weightFile(t)
	damaged := path + ".damaged"
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)-1]++
	must(t, os.WriteFile(damaged, data, 0o644))
	for _, r := range []struct {
		OpenRequest
		want string
	}{
		{OpenRequest{Weights: path + ".none"}, "no such file"},
		{OpenRequest{Weights: damaged, Verify: true}, "tensor salt, byte 4096"},
		{OpenRequest{Weights: path, Options: Options{ISA: "mmx"}}, "mmx"},
		{OpenRequest{Weights: path, Options: Options{Threads: -1}}, "Threads is -1"},
	} {
		_, err := c.Open(r.OpenRequest)
		var mine *UserError
		if !errors.As(err, &mine) || !strings.Contains(err.Error(), r.want) {
			t.Errorf("%+v: %v", r.OpenRequest, err)
		}
	}
	_, err = c.Open(OpenRequest{Weights: path, Options: Options{Context: 8}})
	must(t, err)
	var mine *UserError
	var full *rt.ContextFullError
	if _, err := c.Prefill(make([]int32, 9), nil); !errors.As(err, &mine) || !errors.As(err, &full) || full.Want != 9 {
		t.Errorf("too many tokens: %v", err)
	}
	var tok *rt.TokenError
	if _, err := c.Decode(vocab); !errors.As(err, &mine) || !errors.As(err, &tok) || tok.Token != vocab {
		t.Errorf("no such token: %v", err)
	}
	if _, err := c.Generate(GenerateRequest{Tokens: []int32{1}, Sampling: rt.Sampling{Temperature: -1}}, nil); !errors.As(err, &mine) {
		t.Errorf("temperature -1: %v", err)
	}
	if _, err := c.Generate(GenerateRequest{Tokens: []int32{poisoned, 1}}, nil); !errors.Is(err, rt.ErrLogits) || !strings.Contains(err.Error(), "token 0 is NaN") {
		t.Errorf("NaN: %v", err)
	}
	if _, err := c.Bench(BenchRequest{PP: 9, Reps: 1}); !errors.As(err, &full) {
		t.Errorf("bench of too much: %v", err)
	}
}

func TestHostDies(t *testing.T) {
	for _, threads := range []int{1, 2} {
		c := opened(t, Options{Threads: threads})
		_, err := c.Decode(deadly)
		var mine *UserError
		if err == nil || !strings.Contains(err.Error(), "BUG: deadly token") || errors.As(err, &mine) {
			t.Errorf("%d threads: %v", threads, err)
		}
		if _, err := c.Decode(1); err == nil {
			t.Error("a dead process has decoded")
		}
		c.Cancel()
	}
	if _, err := Start(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("nothing was started")
	}
}

func TestHostBench(t *testing.T) {
	c := opened(t, Options{})
	for _, q := range []BenchRequest{
		{PP: 64, TG: 16, Reps: 3, Arithmetic: []Arithmetic{{Kind: probe.FMA, Part: 0.25}, {Kind: probe.Words, Part: 0.75}}},
		{PP: 20, Depth: 50, Reps: 4},
		{TG: 20, Depth: 50, Reps: 4},
		{TG: 20, Reps: 2, Batch: 3, Arithmetic: []Arithmetic{{Kind: probe.Bytes, Part: 1}}},
	} {
		r, err := c.Bench(q)
		must(t, err)
		for n, reps := range map[int][]BenchRep{q.PP: r.PP, q.TG: r.TG} {
			if n == 0 && reps != nil || n > 0 && len(reps) != q.Reps {
				t.Errorf("%+v: %+v", q, r)
			}
			for _, rep := range reps {
				if decodes := n == q.TG; rep.Time <= 0 || decodes != (rep.Bytes > 0) || (q.Arithmetic != nil && (!decodes || q.Batch > 1)) != (rep.Operations > 0) {
					t.Errorf("%+v: %+v", q, rep)
				}
			}
		}
	}
	if _, err := c.Bench(BenchRequest{TG: 100, Depth: 100, Reps: 2}); !errors.Is(err, rt.ErrContextFull) {
		t.Errorf("bench of more than the context: %v", err)
	}
}

func TestTail(t *testing.T) {
	var l tail
	for range 3000 {
		l.Write(bytes.Repeat([]byte{'x'}, 99))
		l.Write([]byte{'\n'})
	}
	if len(l.text) > tailBytes || len(l.cause()) > causeBytes {
		t.Errorf("%d bytes kept, %d told", len(l.text), len(l.cause()))
	}
	l.Write([]byte("panic: why\ngoroutine 1"))
	if l.cause() != "panic: why\ngoroutine 1" {
		t.Errorf("cause %q", l.cause())
	}
}
