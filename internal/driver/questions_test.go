package driver

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// questions reads a file with a text, under a name.
func questions(t *testing.T, name, text string, limit int) ([]question, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	q, err := ReadQuestions([]string{path}, limit)
	if err != nil {
		return nil, path, err
	}
	return q.list, path, nil
}

// sample is a line of a log: whose doc, target and arguments are given as JSON.
func sample(doc, target, args string) string {
	return fmt.Sprintf(`{"doc_id": 0, "doc": %s, "target": %s, "arguments": %s, "resps": [[["-1.0", "False"]]], "filter": "none"}`, doc, target, args)
}

// arguments are the logged ones for a context and continuations.
func arguments(context string, continuations ...string) string {
	var parts []string
	for i, c := range continuations {
		c, _ := json.Marshal(c)
		parts = append(parts, fmt.Sprintf(`"gen_args_%d": {"arg_0": %q, "arg_1": %s}`, i, context, c))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// TestQuestions reads every form of a question.
func TestQuestions(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       question
	}{
		{"usual", `{"query": "q", "choices": ["a", "b"], "gold": 1}`, question{
			choices: []choice{{"q", " a", "a"}, {"q", " b", "b"}}, gold: []int{1},
		}},
		{"by text", `{"gold": "2", "target_delimiter": "", "choices": ["3", "2"], "query": "", "task": "sums", "id": {"x": []}}`, question{
			choices: []choice{{"", "3", "3"}, {"", "2", "2"}}, gold: []int{1}, task: "sums",
		}},
		{"several", `{"query": "q", "choices": ["a", "b", "c"], "gold": [2, 0]}`, question{
			choices: []choice{{"q", " a", "a"}, {"q", " b", "b"}, {"q", " c", "c"}}, gold: []int{2, 0},
		}},
		{"log", sample(`{"id": 7}`, `"1"`, arguments("q", " a", " b")), question{
			choices: []choice{{"q", " a", "a"}, {"q", " b", "b"}}, gold: []int{1},
		}},
		{"old log", sample(`{}`, `0`, `[["q", " a"], ["q", " b"]]`), question{
			choices: []choice{{"q", " a", "a"}, {"q", " b", "b"}}, gold: []int{0},
		}},
		{"log, no delimiter", sample(`{}`, `"b"`, arguments("q", "a", "b")), question{
			choices: []choice{{"q", "a", "a"}, {"q", "b", "b"}}, gold: []int{1},
		}},
		{"log, some spaces", sample(`{}`, `"0"`, arguments("q", " a", "b")), question{
			choices: []choice{{"q", " a", " a"}, {"q", "b", "b"}}, gold: []int{0},
		}},
		{"log, texts in the doc", sample(`{"choices": {"label": ["A", "B"], "text": [" a", " b"]}}`, `"0"`, arguments("q", " a", " b")), question{
			choices: []choice{{"q", " a", " a"}, {"q", " b", " b"}}, gold: []int{0},
		}},
		{"log, other texts in the doc", sample(`{"choices": ["x a", "x b"]}`, `"0"`, arguments("q", " the a", " the b")), question{
			choices: []choice{{"q", " the a", "the a"}, {"q", " the b", "the b"}}, gold: []int{0},
		}},
		{"log, several", sample(`{}`, `"[0, 2]"`, arguments("q", " a", " b", " c")), question{
			choices: []choice{{"q", " a", "a"}, {"q", " b", "b"}, {"q", " c", "c"}}, gold: []int{0, 2},
		}},
		{"log, numbers", sample(`{}`, `"5"`, arguments("q", " 5", " 6")), question{
			choices: []choice{{"q", " 5", "5"}, {"q", " 6", "6"}}, gold: []int{0},
		}},
		{"log, unconditional", sample(`{}`, `"0"`, `[["q", " a"], ["q", " b"], ["", " a"], ["", " b"]]`), question{
			choices: []choice{{"q", " a", "a"}, {"q", " b", "b"}}, gold: []int{0},
		}},
		{"log, contexts", `{"acc": 0.0, "filtered_resps": [["-3.5", "False"], ["-2.5", "False"]], ` + sample(`{}`, `"c"`, `[["p", " c"], ["q", " c"]]`)[1:], question{
			choices: []choice{{"p", " c", "c"}, {"q", " c", "c"}}, gold: []int{0}, inputs: true,
		}},
		{"log, contexts, numbers", `{"acc": 1, "filtered_resps": [[-3.5, false], [-2.5, false]], ` + sample(`{}`, `"c"`, `[["p", " c"], ["q", " c"]]`)[1:], question{
			choices: []choice{{"p", " c", "c"}, {"q", " c", "c"}}, gold: []int{1}, inputs: true,
		}},
	} {
		got, path, err := questions(t, "x.jsonl", c.line, 0)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want.task == "" {
			c.want.task = "x"
		}
		c.want.file, c.want.line = path, 1
		if !reflect.DeepEqual(got, []question{c.want}) {
			t.Errorf("%s: %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

// TestQuestionLines: lines end in any way, empty ones count, a mark of the encoding does not, and a filter's
// samples are read once.
func TestQuestionLines(t *testing.T) {
	one := `{"query": "q", "choices": ["a", "b"], "gold": 1}`
	got, path, err := questions(t, "samples_arc_easy_2026-01-02T03-04-05.678901.jsonl", "\ufeff\n"+one+"\r\n \n"+one, 0)
	if err != nil || len(got) != 2 || got[0].line != 2 || got[1].line != 4 || got[0].task != "arc_easy" || got[0].file != path {
		t.Errorf("%+v, %v", got, err)
	}
	log := sample(`{}`, `"1"`, arguments("q", " a", " b"))
	text := strings.Repeat(log+"\n"+strings.Replace(log, `"none"`, `"other"`, 1)+"\n", 3)
	if got, _, err := questions(t, "x", text, 0); err != nil || len(got) != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, _, err := questions(t, "x", text+"{", 2); err != nil || len(got) != 2 { // nothing behind them is read
		t.Errorf("%+v, %v", got, err)
	}
}

// TestQuestionErrors: what is wrong is said with its place and what was wanted.
func TestQuestionErrors(t *testing.T) {
	good := `{"query": "q", "choices": ["a", "b"], "gold": 1}`
	for _, c := range []struct{ text, want string }{
		{"", ": has no questions"},
		{"\n\n", ": has no questions"},
		{good + "\n{", ":2:2: is not JSON: it is cut off"},
		{good + "\n[1]", ":2:1: got a list, want an object"},
		{good + "\n" + good + good, ":2:49: something follows the object"},
		{"{\"query\": \"\xff\"}", ":1:12: is not UTF-8"},
		{`{}`, ":1:1: want query, choices and gold, or the arguments and target that lm-evaluation-harness logs"},
		{` {"query": "q", "gold": 0}`, ":1:2: choices are missing"},
		{`{"query": "q", "choices": ["a", "b"]}`, ":1:1: gold is missing: want the number or text of the right choice"},
		{`{"query": 7}`, ":1:11: query: got 7, want a text"},
		{`{"query": "é", "choices": "ab"}`, `:1:27: choices: got "ab", want a list of texts`},
		{`{"query": "q", "choices": ["a", null]}`, ":1:33: choices[1]: got null, want a text"},
		{`{"query": "q", "choices": ["a"], "gold": 0}`, ":1:27: choices: got 1, want two or more"},
		{`{"query": "q", "choices": ["a", "b"], "gold": 2}`, ":1:47: gold: got 2, want the number of a choice, 0 to 1, a list of them, or the text of a choice"},
		{`{"query": "q", "choices": ["a", "b"], "gold": 0.5}`, ":1:47: gold: got 0.5, want the number"},
		{`{"query": "q", "choices": ["a", "b"], "gold": "c"}`, `:1:47: gold: got "c", want the number`},
		{`{"query": "q", "choices": ["a", "b"], "gold": [0, "a"]}`, `:1:47: gold: got [0,"a"], want the number`},
		{`{"query": "q", "choices": ["a", "b"], "gold": []}`, ":1:47: gold: got [], want the number"},
		{sample(`{}`, `"2"`, arguments("q", " a", " b")), `:1:36: target: got "2", want the number of a choice, 0 to 1`},
		{sample(`{}`, `"1"`, arguments("q", " a")), ":1:54: arguments: got 1, want those of two choices or more"},
		{sample(`{}`, `"1"`, `{"gen_args_0": {"arg_0": "q", "arg_1": {"until": []}}}`), ":1:93: arguments.gen_args_0.arg_1: got an object, want a text: this is no multiple-choice task"},
		{sample(`{}`, `"1"`, `{"gen_args_0": {"arg_0": "q"}}`), ":1:69: arguments.gen_args_0: want arg_0, a context, and arg_1, a continuation: this is no multiple-choice task"},
		{sample(`{}`, `"1"`, `{"gen_args_1": {"arg_0": "q"}}`), ":1:54: arguments.gen_args_1: want gen_args_0"},
		{sample(`{}`, `"1"`, `[["q"]]`), ":1:54: arguments[0]: got 1 texts, want a context and a continuation"},
		{sample(`{}`, `"1"`, `7`), ":1:54: arguments: got 7, want the contexts and continuations of a multiple-choice task"},
		{`{"arguments": [["q", "a"], ["q", "b"]]}`, ":1:15: target is missing: want the number or text of the right choice"},
		{sample(`{}`, `"c"`, `[["p", " c"], ["q", " c"]]`), ":1:54: arguments: all choices have the same continuation, and filtered_resps and acc do not tell which context is right"},
		{`{"acc": 1, "filtered_resps": [["nan", "False"], ["-2.5", "False"]], ` + sample(`{}`, `"c"`, `[["p", " c"], ["q", " c"]]`)[1:], ":1:"},
		{"{\n", ":1:"},
		{"\n{\r\n", ":2:"},
	} {
		_, path, err := questions(t, "x.jsonl", c.text, 0)
		if err == nil || !strings.HasPrefix(err.Error(), path+c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
	long, path, err := questions(t, "x.jsonl", good+"\n"+`{"query": "`+strings.Repeat("x", maxLine), 0)
	if err == nil || err.Error() != fmt.Sprintf("%s:2:1: the line has more than %d bytes", path, maxLine) {
		t.Errorf("%d questions, %v", len(long), err)
	}
	if _, err := ReadQuestions([]string{filepath.Join(t.TempDir(), "none.jsonl")}, 0); !os.IsNotExist(err) {
		t.Error(err)
	}
}
