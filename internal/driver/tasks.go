package driver

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/host"
)

// Tasks is how many multiple-choice questions a model answers right.
type Tasks struct {
	Files []TaskScore `json:"files"` // a file's questions of a task, in their order
	Tasks []TaskScore `json:"tasks"` // all questions of a task
}

// TaskScore is the share of some questions for which a right choice has the largest score: the
// log-likelihood of its tokens, in acc_norm divided by its characters, in acc_bytes by its bytes. These are
// lm-evaluation-harness's metrics of those names; of equal scores the first counts. The standard errors are
// those of the mean, nil for one question. Where the contexts are the choices there are no lengths.
type TaskScore struct {
	File           string   `json:"file,omitempty"`
	Task           string   `json:"task"`
	Questions      int      `json:"questions"`
	Acc            float64  `json:"acc"`
	AccStderr      *float64 `json:"acc_stderr"`
	AccNorm        *float64 `json:"acc_norm"`
	AccNormStderr  *float64 `json:"acc_norm_stderr"`
	AccBytes       *float64 `json:"acc_bytes"`
	AccBytesStderr *float64 `json:"acc_bytes_stderr"`
}

// Context is what a session needs for the longest question.
func (q *Questions) Context(t *Text) (int, error) {
	if t.tok == nil {
		return 0, errors.New("answering questions needs a tokenizer, and the spec names none")
	}
	longest := 1
	for i := range q.list {
		tokens, err := t.question(&q.list[i])
		if err != nil {
			return 0, err
		}
		for _, c := range tokens {
			longest = max(longest, len(c.Context)+len(c.Tokens))
		}
	}
	return longest, nil
}

// Tasks answers questions. The session needs q.Context tokens.
func (r *Runner) Tasks(t *Text, q *Questions, p Progress) (*Tasks, error) {
	var marks tally
	for i := range q.list {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		x := &q.list[i]
		p.tell("questions", int64(i), int64(len(q.list)))
		scores, err := r.scores(t, x)
		if err != nil {
			return nil, unusable(err)
		}
		marks.add(x, scores)
	}
	return marks.scores(), nil
}

// scores are the log-likelihoods of a question's choices.
func (r *Runner) scores(t *Text, q *question) ([]float64, error) {
	tokens, err := t.question(q)
	if err != nil {
		return nil, err
	}
	scores, err := r.Choose(tokens)
	if err != nil {
		return nil, err
	}
	for i, x := range scores {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("%s:%d: choice %d: %w: not a number", q.file, q.line, i, rt.ErrLogits)
		}
	}
	return scores, nil
}

// question gives the tokens of all choices.
func (t *Text) question(q *question) ([]host.Choice, error) {
	list := make([]host.Choice, len(q.choices))
	for i, c := range q.choices {
		context, continuation := t.continued(c.context, c.continuation)
		if len(context) == 0 {
			return nil, fmt.Errorf("%s:%d:1: choice %d has no context, and the tokenizer no token to begin with", q.file, q.line, i)
		}
		if len(continuation) == 0 {
			return nil, fmt.Errorf("%s:%d:1: choice %d has no tokens of its own", q.file, q.line, i)
		}
		list[i] = host.Choice{Context: context, Tokens: continuation}
	}
	return list, nil
}

// continued gives the tokens of a context and of what continues it, as lm-evaluation-harness divides them:
// spaces that end the context go to the continuation, and its tokens are those of the whole text that are
// behind as many as the context has by itself. An empty context is the token that a text begins with, or
// else the one that ends it.
func (t *Text) continued(context, continuation string) (before, after []int32) {
	kept := strings.TrimRightFunc(context, isSpace)
	continuation = context[len(kept):] + continuation
	if kept == "" {
		whole := t.tok.Prompt(continuation, true)
		n := len(t.tok.Prompt("", true))
		if end, ok := t.tok.EOS(); n == 0 && ok {
			return []int32{end}, whole
		}
		return whole[:n], whole[n:]
	}
	before = t.tok.Prompt(kept, true)
	whole := t.tok.Prompt(kept+continuation, true)
	return before, whole[min(len(before), len(whole)):]
}

// isSpace is Python's str.isspace, which the harness strips by.
func isSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

// A tally collects what was right, by file and task and by task.
type tally struct{ files, tasks []*marks }

// marks are those of some questions: 1 for a right answer, 0 for a wrong one.
type marks struct {
	file, task       string
	acc, norm, bytes []float64
	inputs           bool // of some question
}

func (y *tally) add(q *question, scores []float64) {
	norm, bytes := slices.Clone(scores), slices.Clone(scores)
	for i, c := range q.choices {
		norm[i] /= float64(utf8.RuneCountInString(c.text))
		bytes[i] /= float64(len(c.text))
	}
	mark := func(scores []float64) float64 {
		if slices.Contains(q.gold, top(scores)) {
			return 1
		}
		return 0
	}
	for _, m := range []*marks{row(&y.files, q.file, q.task), row(&y.tasks, "", q.task)} {
		m.acc = append(m.acc, mark(scores))
		m.norm = append(m.norm, mark(norm))
		m.bytes = append(m.bytes, mark(bytes))
		m.inputs = m.inputs || q.inputs
	}
}

func row(list *[]*marks, file, task string) *marks {
	for _, m := range *list {
		if m.file == file && m.task == task {
			return m
		}
	}
	m := &marks{file: file, task: task}
	*list = append(*list, m)
	return m
}

func (y *tally) scores() *Tasks {
	t := new(Tasks)
	for _, m := range y.files {
		t.Files = append(t.Files, m.score())
	}
	for _, m := range y.tasks {
		t.Tasks = append(t.Tasks, m.score())
	}
	return t
}

func (m *marks) score() TaskScore {
	s := TaskScore{File: m.file, Task: m.task, Questions: len(m.acc)}
	s.Acc, s.AccStderr = meanStderr(m.acc)
	if !m.inputs {
		norm, e := meanStderr(m.norm)
		s.AccNorm, s.AccNormStderr = &norm, e
		bytes, e := meanStderr(m.bytes)
		s.AccBytes, s.AccBytesStderr = &bytes, e
	}
	return s
}

// meanStderr is the mean of some numbers and its standard error, nil of a single one.
func meanStderr(xs []float64) (mean float64, stderr *float64) {
	n := float64(len(xs))
	for _, x := range xs {
		mean += x
	}
	mean /= n
	if n < 2 {
		return mean, nil
	}
	_, stddev := spread(xs)
	e := stddev / math.Sqrt(n)
	return mean, &e
}
