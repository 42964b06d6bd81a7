package runtime

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Sampling says how Generate chooses tokens, in the order and with the meaning that llama.cpp
// gives these names: the TopK largest logits; of these the smallest set of the most probable
// whose probability reaches TopP; of these the ones at least MinP times as probable as the most
// probable; then one at random, in proportion to exp(logit/Temperature).
//
// The same logits and the same Sampling give the same tokens on every machine.
type Sampling struct {
	Temperature float32 // 0: always the largest logit, the lowest token of equal ones
	TopK        int     // 0 or less: off
	TopP        float32 // 0, or 1 and more: off
	MinP        float32 // 0 or less: off
	Seed        uint64  // of the random numbers of one Generate
	MaxTokens   int     // 0 or less: until a token of Stop, or the context is full
	Stop        []int32 // tokens that end the text; they are not part of it

	// Choose, if it is not nil, is a sampler of one's own, in place of all numbers above: it returns the token that
	// follows. The logits are the session's, neither to be kept nor changed.
	Choose func(logits []float32) int32

	// Speculate is how many tokens are drafted at most, by looking up where the text's last tokens stood before,
	// and verified in one pass; more than Info.HeadRows-1 count as so many. What is generated does not depend on
	// it: every token is chosen from the same logits. 0 is off.
	Speculate int
}

// Defaults returns what llama.cpp users expect where nothing is said.
func Defaults() Sampling {
	return Sampling{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}
}

func (p *Sampling) check() error {
	for _, f := range []struct {
		name  string
		value float32
	}{{"Temperature", p.Temperature}, {"TopP", p.TopP}, {"MinP", p.MinP}} {
		if x := float64(f.value); math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
			return fmt.Errorf("sampling: %s is %v, want 0 or more", f.name, f.value)
		}
	}
	if p.MinP > 1 {
		return fmt.Errorf("sampling: MinP is %v, want at most 1", p.MinP)
	}
	if p.Speculate < 0 {
		return fmt.Errorf("sampling: Speculate is %d, want 0 or more", p.Speculate)
	}
	return nil
}

// A sampler chooses tokens; apart from start it allocates nothing.
type sampler struct {
	Sampling
	random rand.PCG
	found  []candidate // room for the whole vocabulary
	weight []float64   // of what is left of found
}

type candidate struct {
	logit float32
	token int32
}

// before orders candidates: larger logits first, lower tokens first where they are equal.
func (c candidate) before(d candidate) bool {
	return c.logit > d.logit || c.logit == d.logit && c.token < d.token
}

// start begins a new sequence of random numbers.
func (s *sampler) start(p Sampling, vocab int) error {
	if err := p.check(); err != nil {
		return err
	}
	s.Sampling = p
	s.random.Seed(p.Seed, 0x9e3779b97f4a7c15)
	if p.Temperature > 0 && cap(s.found) < vocab {
		s.found = make([]candidate, 0, vocab)
		s.weight = make([]float64, 0, vocab)
	}
	return nil
}

// choose returns one token.
func (s *sampler) choose(logits []float32) (int32, error) {
	if s.Choose != nil {
		token := s.Choose(logits)
		if token < 0 || int(token) >= len(logits) {
			return 0, fmt.Errorf("sampling: Choose returned token %d of a vocabulary of %d", token, len(logits))
		}
		return token, nil
	}
	top, err := largest(logits)
	if err != nil || s.Temperature == 0 {
		return top, err
	}
	s.collect(logits)
	peak := float64(logits[top])
	left := s.found
	if s.TopP > 0 && s.TopP < 1 {
		left = s.mostProbable(peak)
	}

	total, n := 0.0, 0
	s.weight = s.weight[:0]
	for _, c := range left {
		if below := float64(c.logit) - peak; s.MinP <= 0 || exp(below) >= float64(s.MinP) {
			p := exp(below / float64(s.Temperature))
			total += p
			s.weight = append(s.weight, p)
			left[n] = c
			n++
		}
	}
	at := float64(s.random.Uint64()>>11) / (1 << 53) * total
	chosen := top
	for i, p := range s.weight {
		if p > 0 {
			chosen = left[i].token
			if at -= p; at < 0 {
				break
			}
		}
	}
	return chosen, nil
}

// largest returns the token with the largest logit, if all logits are fit to be compared.
func largest(logits []float32) (int32, error) {
	top := 0
	for i, x := range logits {
		if x != x || x > math.MaxFloat32 {
			return 0, fmt.Errorf("%w: that of token %d is %v", ErrLogits, i, x)
		}
		if x > logits[top] {
			top = i
		}
	}
	if logits[top] < -math.MaxFloat32 {
		return 0, fmt.Errorf("%w: all are %v", ErrLogits, logits[top])
	}
	return int32(top), nil
}

// collect sets found to the TopK largest logits, in no particular but in a defined order.
func (s *sampler) collect(logits []float32) {
	k := s.TopK
	if k <= 0 || k > len(logits) {
		k = len(logits)
	}
	f := s.found[:0]
	for i, x := range logits[:k] {
		f = append(f, candidate{x, int32(i)})
	}
	if k < len(logits) { // f becomes a heap whose root is the last of them
		last := func(a, b candidate) bool { return b.before(a) }
		heapify(f, last)
		for i, x := range logits[k:] {
			if x > f[0].logit { // equal: the lower token is in f already
				f[0] = candidate{x, int32(k + i)}
				sink(f, 0, last)
			}
		}
	}
	s.found = f
}

// mostProbable returns the smallest set of the most probable candidates whose probability among
// all found reaches TopP.
func (s *sampler) mostProbable(peak float64) []candidate {
	total := 0.0
	for _, c := range s.found {
		total += exp(float64(c.logit) - peak)
	}
	heapify(s.found, candidate.before)
	sum, n := 0.0, len(s.found)
	for n > 0 { // found[:n] is a heap, found[n:] the ones taken from it
		sum += exp(float64(s.found[0].logit) - peak)
		n--
		s.found[0], s.found[n] = s.found[n], s.found[0]
		sink(s.found[:n], 0, candidate.before)
		if sum >= float64(s.TopP)*total {
			break
		}
	}
	return s.found[n:]
}

func heapify(h []candidate, before func(a, b candidate) bool) {
	for i := len(h)/2 - 1; i >= 0; i-- {
		sink(h, i, before)
	}
}

// sink moves h[i] down until nothing below it is before it.
func sink(h []candidate, i int, before func(a, b candidate) bool) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && before(h[child+1], h[child]) {
			child++
		}
		if !before(h[child], h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// exp is e to the x, x <= 0, of operations that every machine rounds alike, to within two units
// in the last place; below -700 it is 0. The conversions keep the compiler from fusing.
func exp(x float64) float64 {
	const (
		ln2Hi = 6.93147180369123816490e-01
		ln2Lo = 1.90821492927058770002e-10
	)
	if !(x >= -700) {
		if x != x {
			return x
		}
		return 0
	}
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	r := float64(x-float64(k*ln2Hi)) - float64(k*ln2Lo)
	p := 1.0 / 6227020800
	for _, c := range inverseFactorials {
		p = float64(p*r) + c
	}
	return p * math.Float64frombits(uint64(1023+int(k))<<52)
}

// inverseFactorials of 12 down to 0 are the Taylor series of exp.
var inverseFactorials = [...]float64{
	1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
	1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1,
}
