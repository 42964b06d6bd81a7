package tests

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// TestCalls makes calls in any order, of several sessions of a model that fork, share beginnings and decode together.
// Whatever came before, a session has the tokens that it should, and the logits of one that did nothing but read them: even if it
// read a token whose embedding is no numbers, and went back over it.
func TestCalls(t *testing.T) {
	for i, name := range stateful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, vocab := openSpoiled(t, name)
			steps := 60
			if race || testing.Short() || m.Info().Dim > 64 {
				steps = 20
			}
			c := &calls{
				T: t, m: m, vocab: vocab, r: rand.New(rand.NewPCG(uint64(i), 10)), base: prompt(mostTokens, vocab), logits: map[string][]uint32{},
				cache: rt.NewPrefixCache(4 << 20), file: filepath.Join(t.TempDir(), "session"),
			}
			defer c.cache.Clear()
			for range steps {
				if n := len(c.all); n == 0 || n < 5 && c.r.IntN(5) == 0 {
					c.all = append(c.all, &called{Session: session(t, m, c.options())})
				}
				one := c.all[c.r.IntN(len(c.all))]
				what := c.call(one)
				c.check(one, what, c.r.IntN(2) == 0)
				if t.Failed() {
					return
				}
			}
			for _, one := range c.all {
				c.check(one, "in the end", true)
				must(t, one.Close())
			}
		})
	}
}

// openSpoiled opens a model after making no numbers of the embedding of its last token, where embeddings are the rows of a
// table. vocab is how many tokens are good.
func openSpoiled(t testing.TB, name string) (m *rt.Model, vocab int) {
	t.Helper()
	path := packed(t, name)
	data, err := os.ReadFile(path)
	must(t, err)
	end := 8 + binary.LittleEndian.Uint64(data)
	var tensors struct {
		Embed struct {
			Shape  []int
			Places [2]int `json:"data_offsets"`
		}
	}
	must(t, json.Unmarshal(data[8:end], &tensors))
	e := &tensors.Embed
	if len(e.Shape) != 2 {
		m = openFile(t, name, path)
		return m, m.Info().Vocab
	}
	last := data[end:][e.Places[0]:e.Places[1]]
	last = last[len(last)/e.Shape[0]*(e.Shape[0]-1):]
	copy(last, bytes.Repeat([]byte{0xff}, len(last))) // no number in any format
	path = filepath.Join(t.TempDir(), "spoiled")
	must(t, os.WriteFile(path, data, 0o666))
	return openFile(t, name, path), e.Shape[0] - 1
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const mostTokens = 1100

// calls are the sessions of a model, and the logits of a session that read some tokens and did nothing else.
type calls struct {
	*testing.T
	m      *rt.Model
	vocab  int // the token that is spoiled, and of all before it prompts are made
	r      *rand.Rand
	base   []int32 // what prompts mostly are a part of
	all    []*called
	logits map[string][]uint32
	cache  *rt.PrefixCache
	file   string
}

// called is a session and the tokens that it should hold, which no other one appends to.
type called struct {
	*rt.Session
	tokens []int32
}

func (c *calls) options() rt.Options {
	o := rt.Options{Context: mostTokens, Threads: 1 + c.r.IntN(2), Chunk: []int{0, 1, 7, 64, 100, 513}[c.r.IntN(6)], Checkpoints: c.r.IntN(4) - 1}
	if c.r.IntN(2) == 0 {
		o.Prefixes = c.cache
	}
	return o
}

// some are at most so many tokens that a session has room for: those of the common text or others.
func (c *calls) some(s *called, most int) []int32 {
	from := len(s.tokens)
	tokens := slices.Clone(c.base[from:min(from+c.r.IntN(most), mostTokens)])
	if c.r.IntN(3) == 0 {
		for i := range tokens {
			tokens[i] = c.r.Int32N(int32(c.vocab))
		}
	}
	return tokens
}

// call does something to a session, and says what.
func (c *calls) call(s *called) string {
	ctx, cancel := context.Background(), func() {}
	if c.r.IntN(2) == 0 {
		ctx, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	switch c.r.IntN(12) {
	case 0, 1:
		tokens := c.some(s, 300)
		must(c, s.Prefill(ctx, tokens))
		s.tokens = append(s.tokens, tokens...)
		return fmt.Sprintf("prefill of %d", len(tokens))
	case 2:
		for _, token := range c.some(s, 4) {
			_, err := s.Decode(ctx, token)
			must(c, err)
			s.tokens = append(s.tokens, token)
		}
		return "decode"
	case 3:
		tokens := c.some(s, 40)
		_, err := s.Score(ctx, tokens, tokens)
		must(c, err)
		s.tokens = append(s.tokens, tokens...)
		return "score"
	case 4:
		f, err := s.Fork()
		must(c, err)
		c.all = append(c.all, &called{f, slices.Clone(s.tokens)})
		return "fork"
	case 5:
		n := len(s.tokens)
		to := max(0, n-c.r.IntN([]int{5, 70, n + 1}[c.r.IntN(3)]))
		must(c, s.Rewind(to))
		s.tokens = s.tokens[:to]
		return fmt.Sprintf("rewind from %d", n)
	case 6:
		must(c, s.Save(c.file))
		must(c, s.Close())
		restored, err := c.m.Restore(c.file, c.options())
		must(c, err)
		s.Session = restored
		return "restore"
	case 7:
		return c.generate(ctx, s)
	case 8:
		return c.batch(ctx)
	case 9:
		must(c, s.Reset())
		s.tokens = nil
		return "reset"
	case 10:
		return c.astray(ctx, s)
	}
	ended, end := context.WithCancel(context.Background())
	go end()
	tokens := c.some(s, 300)
	_ = s.Prefill(ended, tokens) // which may be done, or a part of it
	held := s.Pos() - len(s.tokens)
	if held < 0 || held > len(tokens) {
		c.Fatalf("a canceled prefill of %d: %d tokens more", len(tokens), held)
	}
	s.tokens = append(s.tokens, tokens[:held]...)
	return fmt.Sprintf("a canceled prefill of %d", len(tokens))
}

// astray adds tokens, one of them spoiled, and takes them back from there on, or from before.
func (c *calls) astray(ctx context.Context, s *called) string {
	tokens := c.some(s, 300)
	if len(tokens) == 0 || c.vocab == c.m.Info().Vocab {
		return "nothing"
	}
	at := c.r.IntN(len(tokens))
	held := slices.Concat(s.tokens, tokens[:at])
	tokens[at] = int32(c.vocab)
	must(c, s.Prefill(ctx, tokens))
	to := len(held) - min(c.r.IntN(80), len(held))*c.r.IntN(2)
	must(c, s.Rewind(to))
	s.tokens = held[:to]
	return fmt.Sprintf("rewind to %d of %d tokens that were numbers, of %d", to, len(held), len(held)-at+len(tokens))
}

// generate continues a session by tokens that repeat what stands before, so that drafts are right now and then.
func (c *calls) generate(ctx context.Context, s *called) string {
	const period = 30
	n := min(1+c.r.IntN(20), mostTokens-len(s.tokens))
	if len(s.tokens) < period || n == 0 {
		return "nothing"
	}
	p := rt.Sampling{MaxTokens: n, Speculate: c.r.IntN(8), Choose: func([]float32) int32 {
		if c.r.IntN(6) == 0 {
			return c.r.Int32N(int32(c.vocab))
		}
		return s.tokens[len(s.tokens)-period]
	}}
	stop := c.r.IntN(n + 3)
	for token, err := range s.Generate(ctx, p) {
		must(c, err)
		if s.tokens = append(s.tokens, token); stop == 0 {
			break
		}
		stop--
	}
	return fmt.Sprintf("generate with %d drafted", p.Speculate)
}

// batch adds a token to some of the sessions.
func (c *calls) batch(ctx context.Context) string {
	var sessions []*rt.Session
	var tokens []int32
	for _, i := range c.r.Perm(len(c.all)) {
		if s := c.all[i]; len(s.tokens) < mostTokens && c.r.IntN(3) > 0 {
			sessions, tokens = append(sessions, s.Session), append(tokens, c.r.Int32N(int32(c.vocab)))
			s.tokens = append(s.tokens, tokens[len(tokens)-1])
		}
	}
	must(c, c.m.DecodeBatch(ctx, sessions, tokens, nil))
	return fmt.Sprintf("a batch of %d", len(sessions))
}

// check fails unless a session holds its tokens, and if that is asked for has their logits.
func (c *calls) check(s *called, what string, whole bool) {
	c.Helper()
	if !slices.Equal(s.Tokens(), s.tokens) || s.Pos() != len(s.tokens) {
		c.Fatalf("%s: at %d with other tokens than the %d that there should be", what, s.Pos(), len(s.tokens))
	}
	if !whole || len(s.tokens) == 0 {
		return
	}
	key := fmt.Sprint(s.tokens)
	if c.logits[key] == nil {
		plain := session(c, c.m, rt.Options{Context: mostTokens, Threads: 1})
		prefill(c, plain, s.tokens)
		c.logits[key] = bits(logits(c, plain))
		must(c, plain.Close())
	}
	if !slices.Equal(bits(logits(c, s.Session)), c.logits[key]) {
		c.Fatalf("%s: other logits of %d tokens", what, len(s.tokens))
	}
}
