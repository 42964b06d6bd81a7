package driver

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/yococ/yococ/ir"
	"github.com/yococ/yococ/ir/build"
	"github.com/yococ/yococ/models"
)

const sentences = "testdata/sentences.jsonl"

// TestTasks answers questions from the texts that the trained model has read. The scores are those of the
// naive program in float64, token by token, and, bit for bit, those of texts that are scored whole.
func TestTasks(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a model")
	}
	logged := filepath.Join("testdata", "samples_sentences_2026-01-02T03-04-05.678901.jsonl")
	q, err := ReadQuestions([]string{sentences, logged}, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := load(t, models8m, Options{Weights: "f32"})
	text, err := NewText(m.Spec)
	if err != nil {
		t.Fatal(err)
	}
	room, err := q.Context(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := cache(t).Run(context.Background(), m, RunOptions{Context: room}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ref := reference(t, m)
	const n = 12 // questions that differ
	var right [3][n]float64
	for i := range n {
		x := &q.list[i]
		got, err := r.scores(text, x)
		if err != nil {
			t.Fatal(err)
		}
		want := make([][3]float64, len(x.choices)) // by metric
		for j, c := range x.choices {
			before, after := text.continued(c.context, c.continuation)
			whole := slices.Concat(before, after)
			if sum := scoredWhole(t, r, whole, len(before)); got[j] != sum {
				t.Errorf("question %d, choice %d: %v, scored whole %v", i, j, got[j], sum)
			}
			sum := ref(whole, len(before))
			if math.Abs(got[j]-sum) > 1e-4 {
				t.Errorf("question %d, choice %d: %v, in float64 %v", i, j, got[j], sum)
			}
			want[j] = [3]float64{sum, sum / float64(len([]rune(c.text))), sum / float64(len(c.text))}
		}
		for metric := range right {
			best := 0
			for j := range want {
				if want[j][metric] > want[best][metric] {
					best = j
				}
			}
			if slices.Contains(x.gold, best) {
				right[metric][i] = 1
			}
		}
	}
	got, err := r.Tasks(text, q, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The share that is right, and its standard error sqrt(p(1-p)/(n-1)).
	score := func(file, task string, n int, right [3][]float64) TaskScore {
		var p, e [3]float64
		for i, list := range right {
			for _, x := range list {
				p[i] += x
			}
			p[i] /= float64(len(list))
			e[i] = math.Sqrt(p[i] * (1 - p[i]) / float64(n-1))
		}
		return TaskScore{file, task, n, p[0], &e[0], &p[1], &e[1], &p[2], &e[2]}
	}
	var ten, two [3][]float64
	for i := range right {
		ten[i], two[i] = right[i][:10], right[i][10:]
	}
	want := &Tasks{
		Files: []TaskScore{score(sentences, "sentences", 10, ten), score(sentences, "names", 2, two), score(logged, "sentences", 10, ten)},
		Tasks: []TaskScore{score("", "sentences", 20, ten), score("", "names", 2, two)},
	}
	if got, want := rounded(t, got), rounded(t, want); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if right[0] == right[1] {
		t.Errorf("lengths change nothing: %v", right)
	}
}

// rounded is JSON with numbers that a last bit does not change.
func rounded(t *testing.T, v *Tasks) string {
	t.Helper()
	for _, list := range [][]TaskScore{v.Files, v.Tasks} {
		for i := range list {
			for _, x := range []*float64{&list[i].Acc, list[i].AccStderr, list[i].AccNorm, list[i].AccNormStderr, list[i].AccBytes, list[i].AccBytesStderr} {
				*x = math.Round(*x*1e12) / 1e12
			}
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// scoredWhole is the log-likelihood of the tokens of a text from n on, of a session that reads it whole.
func scoredWhole(t *testing.T, r *Runner, tokens []int32, n int) (sum float64) {
	t.Helper()
	last := len(tokens) - 1
	targets := slices.Clone(tokens[1:])
	for i := range n - 1 {
		targets[i] = -1
	}
	if err := r.Reset(); err != nil {
		t.Fatal(err)
	}
	nll, err := r.Score(tokens[:last], targets)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range nll {
		sum -= x
	}
	return sum
}

// reference gives the log-likelihood of the tokens of a text from n on, by the naive program in float64.
func reference(t *testing.T, m *Model) func(tokens []int32, n int) float64 {
	t.Helper()
	p, err := build.Program(m.Spec)
	if err != nil {
		t.Fatal(err)
	}
	machine := ir.NewMachine(p, ir.Packed(func(role string, layer int) ([]float64, error) {
		return m.bound.Weight(models.Role(role), layer).Float64s(), nil
	}))
	return func(tokens []int32, n int) (sum float64) {
		machine.Reset()
		rows, err := machine.Run(p.Entry("score"), tokens[:len(tokens)-1])
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows[n-1:] {
			most := slices.Max(row)
			all := 0.
			for _, x := range row {
				all += math.Exp(x - most)
			}
			sum += row[tokens[n+i]] - most - math.Log(all)
		}
		return sum
	}
}

// TestContinued divides texts as lm-evaluation-harness does.
func TestContinued(t *testing.T) {
	text, err := NewText(load(t, models8m, Options{}).Spec)
	if err != nil {
		t.Fatal(err)
	}
	pieces := func(ids []int32) (list []string) {
		for _, id := range ids {
			list = append(list, string(text.tok.Bytes(id)))
		}
		return list
	}
	for _, c := range []struct {
		context, continuation string
		before, after         []string
	}{
		{"The man", " is", []string{"The", " man"}, []string{" is"}},
		{"The man ", "is", []string{"The", " man"}, []string{" is"}},
		{"The man\n\u00a0\x1f", "is", []string{"The", " man"}, []string{"\n", "\xc2", "\xa0", "\x1f", "is"}},
		{"", "The man", []string{"<|endoftext|>"}, []string{"The", " man"}},
		{"  ", "man", []string{"<|endoftext|>"}, []string{" ", " man"}},
		{"The m", "an", []string{"The", " m"}, nil}, // the whole text has as many tokens
		{"The man", "", []string{"The", " man"}, nil},
		{"The<|endoftext|>", " man", []string{"The", "<|endoftext|>"}, []string{" man"}},
	} {
		before, after := text.continued(c.context, c.continuation)
		if b, a := pieces(before), pieces(after); !slices.Equal(b, c.before) || !slices.Equal(a, c.after) {
			t.Errorf("%q, %q: %q, %q, want %q, %q", c.context, c.continuation, b, a, c.before, c.after)
		}
	}
	q := &question{file: "f.jsonl", line: 7, choices: []choice{{"The man", " is", "is"}, {"The m", "an", "an"}}}
	if _, err := text.question(q); err == nil || err.Error() != "f.jsonl:7:1: choice 1 has no tokens of its own" {
		t.Error(err)
	}
}

// TestTally: equal scores are the first one's, and questions whose contexts are the choices have no lengths.
func TestTally(t *testing.T) {
	var y tally
	y.add(&question{task: "a", gold: []int{0}, choices: []choice{{text: "éé"}, {text: "xxx"}}}, []float64{-6, -6})
	y.add(&question{task: "b", gold: []int{1}, choices: []choice{{text: "éé"}, {text: "xxx"}}}, []float64{-6, -8})
	y.add(&question{task: "b", gold: []int{0}, inputs: true, choices: []choice{{text: "x"}, {text: "x"}}}, []float64{-1, -2})
	text, err := json.Marshal(y.scores().Tasks)
	// -6/2, -6/3 and -6/4, -6/3; then -6/2, -8/3 and -6/4, -8/3.
	want := `[{"task":"a","questions":1,"acc":1,"acc_stderr":null,"acc_norm":0,"acc_norm_stderr":null,"acc_bytes":1,"acc_bytes_stderr":null},` +
		`{"task":"b","questions":2,"acc":0.5,"acc_stderr":0.5,"acc_norm":null,"acc_norm_stderr":null,"acc_bytes":null,"acc_bytes_stderr":null}]`
	if err != nil || string(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}
