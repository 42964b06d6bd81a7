package host

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/weights"
)

// An Opener is a generated package's OpenRuntime.
type Opener func(path string, opts ...weights.Option) (*rt.Model, error)

// Main is the main of a program that runs one compiled model: it serves requests until its
// standard input ends. Interrupts are the parent's to handle.
func Main(open Opener) {
	signal.Ignore(os.Interrupt)
	out := os.Stdout
	os.Stdout = os.Stderr // what a stray print writes must not get between the replies
	if err := serve(os.Stdin, out, open); err != nil {
		fmt.Fprintln(os.Stderr, "compiled model:", err)
		os.Exit(1)
	}
}

// A server does one request after another.
type server struct {
	open    Opener
	buf     *bufio.Writer
	enc     *gob.Encoder
	path    string
	huge    weights.Huge
	model   *rt.Model
	session *rt.Session
}

// work is a request and the context that its cancellation ends.
type work struct {
	request
	ctx    context.Context
	cancel context.CancelFunc
}

func serve(in io.Reader, out io.Writer, open Opener) error {
	buf := bufio.NewWriterSize(out, 1<<16)
	s := &server{open: open, buf: buf, enc: gob.NewEncoder(buf)}
	defer s.close()
	todo := make(chan work, 1)
	received := make(chan error, 1)
	go func() { received <- receive(in, todo) }()
	for w := range todo {
		r, err := s.do(&w)
		w.cancel()
		r.Last, r.Fail = true, failed(err)
		if err := s.send(r); err != nil {
			return err // the parent is gone
		}
	}
	return <-received
}

// receive reads requests, which it passes on, and cancellations. It cancels what is under way
// when there is no more to read.
func receive(in io.Reader, todo chan<- work) error {
	defer close(todo)
	dec := gob.NewDecoder(bufio.NewReader(in))
	var now work
	for {
		var r request
		if err := dec.Decode(&r); err != nil {
			if now.cancel != nil {
				now.cancel()
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if r.Do == doCancel {
			if r.Serial == now.Serial && now.cancel != nil {
				now.cancel()
			}
			continue
		}
		now = work{request: r}
		now.ctx, now.cancel = context.WithCancel(context.Background())
		todo <- now
	}
}

func (s *server) send(r *reply) error {
	if err := s.enc.Encode(r); err != nil {
		return err
	}
	return s.buf.Flush()
}

// do performs a request; what it returns becomes the last reply.
func (s *server) do(w *work) (*reply, error) {
	r := &reply{}
	if w.Do == doOpen {
		return r, s.doOpen(w, r)
	}
	if s.session == nil {
		return r, errNotOpen
	}
	var err error
	switch w.Do {
	case doReset:
		err = s.session.Reset()
	case doPrefill:
		r.Elapsed, err = s.prefill(w)
	case doLogits:
		var x []float32
		x, err = s.session.Logits()
		r.Logits = floatBytes(x)
	case doDecode:
		err = s.decode(w)
	case doGenerate:
		r.Generate = &GenerateStats{PromptTokens: len(w.Tokens)}
		err = s.generate(w, r.Generate)
	case doScore:
		r.NLL, err = s.session.Score(w.ctx, w.Tokens, w.Targets)
	case doScoreRows:
		err = s.session.ScoreRows(w.ctx, w.Tokens, func(row int, x []float32) error {
			return s.send(&reply{At: row, Logits: floatBytes(x)})
		})
	case doChoose:
		r.NLL, err = s.choose(w.ctx, w.Choices)
	case doExport:
		err = s.export()
	case doBench:
		r.Bench, err = s.bench(w.ctx, w.Bench)
	case doFollow:
		r.Follow, err = s.follow(w.ctx, w.Follow)
	case doSave:
		r.At, err = s.session.Pos(), s.session.Save(w.Path)
	case doStats:
		r.Stats = stats()
		r.Stats.ReservedBytes = s.session.Reserved()
	default:
		err = fmt.Errorf("request %d is unknown", w.Do)
	}
	return r, err
}

// doOpen opens a session in place of the one before; a model that is open already stays so.
func (s *server) doOpen(w *work, r *reply) error {
	if s.session != nil {
		if err := s.session.Close(); err != nil {
			return err
		}
		s.session = nil
	}
	if s.model == nil || s.path != w.Open.Weights || s.huge != w.Open.HugePages {
		s.close()
		m, err := s.open(w.Open.Weights, weights.HugePages(w.Open.HugePages))
		if err != nil {
			return err
		}
		s.model, s.path, s.huge = m, w.Open.Weights, w.Open.HugePages
	}
	if w.Open.Verify {
		if err := s.model.Verify(w.ctx); err != nil {
			return err
		}
	}
	start := time.Now()
	session, err := s.begin(w.Open)
	if err != nil {
		return err
	}
	s.session = session
	m := s.model.Info()
	r.Info = &Info{
		Name: m.Name, Vocab: m.Vocab, Dim: m.Dim, Context: m.Context,
		SelfLayers: m.SelfLayers, CrossLayers: m.CrossLayers,
		Options: optionsOf(session.Options()), Pos: session.Pos(),
		WeightsBytes:  s.model.WeightsBytes(),
		ReservedBytes: session.Reserved(),
	}
	if w.Open.Restore != "" {
		r.Info.RestoreTime = time.Since(start)
	}
	return nil
}

// begin makes the session that a request asks for.
func (s *server) begin(r OpenRequest) (*rt.Session, error) {
	if r.Restore != "" {
		return s.model.Restore(r.Restore, r.Options.session())
	}
	return s.model.NewSession(r.Options.session())
}

func (s *server) close() {
	if s.session != nil {
		s.session.Close()
	}
	if s.model != nil {
		s.model.Close()
	}
	s.session, s.model = nil, nil
}

// progressEvery is how often a long prefill tells how far it is.
const progressEvery = 100 * time.Millisecond

func (s *server) prefill(w *work) (time.Duration, error) {
	start := time.Now()
	told := start
	var lost error
	err := s.session.PrefillProgress(w.ctx, w.Tokens, func(p rt.Progress) {
		if now := time.Now(); now.Sub(told) >= progressEvery || p.Done == p.Total {
			told = now
			if err := s.send(&reply{Progress: p}); err != nil {
				lost = err
			}
		}
	})
	return time.Since(start), errors.Join(err, lost)
}

func (s *server) decode(w *work) error {
	for i, t := range w.Tokens {
		x, err := s.session.Decode(w.ctx, t)
		if err != nil {
			return err
		}
		if err := s.send(&reply{At: i, Logits: floatBytes(x)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) generate(w *work, g *GenerateStats) error {
	start := time.Now()
	err := s.session.Prefill(w.ctx, w.Tokens)
	if err == nil {
		_, err = s.session.Logits()
	}
	g.PrefillTime = time.Since(start)
	if errors.Is(err, context.Canceled) {
		g.Reason = Canceled
		return nil
	}
	if err != nil {
		return err
	}
	g.Reason = Stop
	defer func() { g.Speculation = s.session.Speculation() }()
	var first time.Time
	for token, err := range s.session.Generate(w.ctx, w.Sampling) {
		switch {
		case errors.Is(err, context.Canceled):
			g.Reason = Canceled
			return nil
		case errors.Is(err, rt.ErrContextFull):
			g.Reason = Full
			return err
		case err != nil:
			g.Reason = ""
			return err
		}
		now := time.Now()
		if g.Tokens == 0 {
			first = now
		}
		g.Tokens++
		g.DecodeTime = now.Sub(first)
		if g.Tokens == w.Sampling.MaxTokens {
			g.Reason = Length
		}
		if err := s.send(&reply{Token: token}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) export() error {
	ts, err := s.session.Export()
	if err != nil {
		return err
	}
	for _, t := range ts {
		if err := s.send(&reply{Tensor: &tensor{t.Name, t.Shape, floatBytes(t.Data)}}); err != nil {
			return err
		}
	}
	return nil
}
