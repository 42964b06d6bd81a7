package tests

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	rt "github.com/yococ/yococ/runtime"
)

// way is a way to put a prompt through a model. All of them have to give the same bits.
type way struct {
	rt.Options
	turns int  // calls of Prefill that the prompt is divided over, 1 if 0
	steps bool // token by token, each as in decoding
}

func (w way) String() string {
	how := fmt.Sprintf("%s, %d threads, chunks of %d", w.ISA, w.Threads, w.Chunk)
	switch {
	case w.steps:
		return how + ", token by token"
	case w.turns > 1:
		return fmt.Sprintf("%s, %d turns", how, w.turns)
	}
	return how
}

// whole is a chunk that no prompt here fills.
const whole = 2048

// ways are the ways at one level, the plainest first.
func ways(level string) []way {
	of := func(threads, chunk int) way {
		return way{Options: rt.Options{ISA: level, Threads: threads, Chunk: chunk}}
	}
	list := []way{of(1, whole)}
	for _, chunk := range []int{1, 3, 64, 256} {
		list = append(list, of(2, chunk))
	}
	for _, threads := range []int{2, 3, 7} {
		list = append(list, of(threads, whole))
	}
	list = append(list, of(1, 3), of(3, 64), of(7, 256))
	turns, three, steps := of(1, 64), of(2, 256), of(1, whole)
	turns.turns, three.turns, steps.steps = 2, 3, true
	return append(list, turns, three, steps)
}

// outcome is everything that a session has to tell, as bits.
type outcome struct {
	names []string
	data  [][]uint32
}

func (o *outcome) add(name string, x []float32) {
	bits := make([]uint32, len(x))
	for i, v := range x {
		bits[i] = math.Float32bits(v)
	}
	o.names, o.data = append(o.names, name), append(o.data, bits)
}

// run puts tokens through a model, and then eight more: the last of the prompt again, and what is
// most probable after that.
func run(t testing.TB, m *rt.Model, w way, tokens []int32) *outcome {
	const steps = 8
	w.Context = len(tokens) + steps
	s := session(t, m, w.Options)
	defer s.Close()
	o := &outcome{}
	if w.steps {
		for _, token := range tokens {
			decode(t, s, token)
		}
	} else {
		turns := max(w.turns, 1)
		for i := range turns {
			prefill(t, s, tokens[i*len(tokens)/turns:(i+1)*len(tokens)/turns])
		}
	}
	o.add("logits", logits(t, s))
	o.export(t, s, "after the prompt")
	next := tokens[len(tokens)-1]
	for i := range steps {
		l := decode(t, s, next)
		o.add(fmt.Sprintf("logits of step %d", i), l)
		next = argmax(l)
	}
	o.export(t, s, "after eight steps")
	return o
}

func (o *outcome) export(t testing.TB, s *rt.Session, when string) {
	tensors, err := s.Export()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range tensors {
		o.add(x.Name+" "+when, x.Data)
	}
}

// difference is the first of all bits that differ between two outcomes, "" if none do.
func (o *outcome) difference(other *outcome) string {
	if !slices.Equal(o.names, other.names) {
		return fmt.Sprintf("%s against %s", strings.Join(o.names, ", "), strings.Join(other.names, ", "))
	}
	for i, name := range o.names {
		a, b := o.data[i], other.data[i]
		if len(a) != len(b) {
			return fmt.Sprintf("%s has %d elements against %d", name, len(a), len(b))
		}
		for j := range a {
			if a[j] != b[j] {
				return fmt.Sprintf("%s differs first in element %d: %v against %v", name, j, math.Float32frombits(a[j]), math.Float32frombits(b[j]))
			}
		}
	}
	return ""
}

// prompt is n tokens of a vocabulary.
func prompt(n, vocab int) []int32 {
	tokens := make([]int32, n)
	x := uint32(1)
	for i := range tokens {
		x = x*1664525 + 1013904223
		tokens[i] = int32(x>>8) % int32(vocab)
	}
	return tokens
}

// TestExact computes the same tokens in many ways and demands the same bits of logits, states and
// shared cache: whatever the number of threads, however the prompt was cut into chunks or turns,
// by prefill or by decoding, at every instruction-set level.
func TestExact(t *testing.T) {
	for _, name := range []string{"yoco8m", "flabiasqknorm", "flaswa", "flagdn", "sambay", "yoco8mq4", "flaswaq8", "flagdnq8", "sambayq8", "plaintiny", "plaintinyq8", "mixedtiny", "deltatiny"} {
		m := open(t, name)
		for _, n := range lengths(m) {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				t.Parallel()
				exact(t, m, prompt(n, m.Info().Vocab))
			})
		}
	}
}

// lengths are the prompts' numbers of tokens: around a block of 64, and beyond one and two segments
// of 512.
func lengths(m *rt.Model) []int {
	large := m.Info().Dim > 64
	switch {
	case race && large:
		return []int{1, 65}
	case race:
		return []int{65, 640}
	case testing.Short():
		return []int{1, 64, 130}
	case large:
		return []int{1, 63, 64, 65, 130, 300, 640}
	}
	return []int{1, 63, 64, 65, 130, 300, 640, 1100}
}

func exact(t *testing.T, m *rt.Model, tokens []int32) {
	var want *outcome
	for _, level := range levels(t) {
		for i, w := range ways(level) {
			if race && w.Threads > 3 && w.Chunk < whole {
				continue
			}
			if level == "portable" && !affordable(m, len(tokens), i) {
				continue
			}
			got := run(t, m, w, tokens)
			if want == nil {
				want = got
			}
			if diff := got.difference(want); diff != "" {
				t.Errorf("%v: %s", w, diff)
			}
		}
	}
}

// affordable chooses what portable kernels, some fifty times slower, have the time for: long
// prompts and the large model one way only.
func affordable(m *rt.Model, tokens, way int) bool {
	large := m.Info().Dim > 64
	switch {
	case race || testing.Short():
		return !large && tokens <= 65 && way < 2
	case large:
		return tokens <= 65 && way == 0
	default:
		return tokens <= 65 || way == 0
	}
}
