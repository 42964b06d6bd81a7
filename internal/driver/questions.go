package driver

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// A question is a context and the texts that may continue it, one of which, or several, are right.
type question struct {
	file, task string
	line       int
	choices    []choice
	gold       []int // the right ones, in any order
	inputs     bool  // the contexts are the choices, and all have the same continuation
}

// A choice is a text that is scored behind another one.
type choice struct {
	context, continuation string
	text                  string // whose length normalises the score
}

// Questions are the questions of some files, in their order.
type Questions struct{ list []question }

const (
	maxLine      = 64 << 20 // bytes of a question
	maxQuestions = 1 << 30  // bytes of all that are read
)

// ReadQuestions reads multiple-choice questions, a JSON object a line: of every file the first limit of
// them, or all if limit is 0. An object is either what lm-evaluation-harness writes with --log_samples, of
// which doc, target, arguments and filter are read, and in need filtered_resps and acc; or it is
//
//	{"query": "The sky is", "choices": ["green", "blue"], "gold": 1}
//
// with "target_delimiter", what stands between query and choice, a space by default, and "task", by default
// the name of the file. gold is the number of a choice, from 0, a list of numbers, or the text of a choice.
// Other keys and empty lines are skipped. What is wrong is an error with its place.
func ReadQuestions(files []string, limit int) (*Questions, error) {
	q := new(Questions)
	room := maxQuestions
	for _, file := range files {
		if err := q.read(file, limit, &room); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// read adds a file's questions, of at most room bytes, which it takes from the room.
func (q *Questions) read(file string, limit int, room *int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	from, filter := len(q.list), ""
	for line := 1; limit == 0 || len(q.list)-from < limit; line++ {
		text, err := readLine(in, min(maxLine, *room))
		*room -= len(text)
		switch {
		case err == io.EOF && len(q.list) == from:
			return fmt.Errorf("%s: has no questions", file)
		case err == io.EOF:
			return nil
		case err == errLong && *room <= 0:
			return fmt.Errorf("%s:%d:1: the questions have more than %d bytes in all: want --limit", file, line, maxQuestions)
		case err == errLong:
			return fmt.Errorf("%s:%d:1: the line has more than %d bytes", file, line, maxLine)
		case err != nil:
			return err
		}
		if line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		text = bytes.TrimRight(text, "\r\n") // what is cut off ends in its own line
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		r := questionReader{jsonReader: newJSONReader(file, text)}
		r.above = line - 1
		x, err := r.question()
		if err != nil {
			return err
		}
		if len(q.list) == from {
			filter = r.filter
		}
		if r.filter == filter { // another one's are the same questions: a filter is of answers
			q.list = append(q.list, *x)
		}
	}
	return nil
}

var errLong = errors.New("too long")

// readLine reads a line of at most so many bytes, io.EOF if there is none.
func readLine(in *bufio.Reader, limit int) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if line = append(line, part...); len(line) > limit {
			return line, errLong
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(line) > 0:
			return line, nil
		default:
			return line, err
		}
	}
}

// A questionReader reads one question, key by key.
type questionReader struct {
	*jsonReader
	task, filter, delimiter  string
	query                    *string
	choices                  []string
	doc, gold, target        any
	goldAt, targetAt, argsAt int // bytes of the line
	args                     [][2]string
	resps                    any // of the model that was logged
	acc                      any
}

var logName = regexp.MustCompile(`^samples_(.+)_\d{4}-\d\d-\d\dT[-0-9.]+$`)

func (r *questionReader) question() (*question, error) {
	if at := invalidUTF8(r.bytes); at >= 0 {
		return nil, r.errAt(at, "", "is not UTF-8")
	}
	r.delimiter = " "
	r.task = strings.TrimSuffix(filepath.Base(r.file), filepath.Ext(r.file))
	if m := logName.FindStringSubmatch(r.task); m != nil {
		r.task = m[1]
	}
	start := r.next()
	err := r.object("", "an object", r.key)
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, err
	}
	q := &question{file: r.file, line: r.above + 1, task: r.task}
	switch {
	case r.query == nil && r.args == nil:
		return nil, r.errAt(start, "", "want query, choices and gold, or the arguments and target that lm-evaluation-harness logs")
	case r.query == nil:
		err = r.logged(q)
	case r.choices == nil:
		return nil, r.errAt(start, "", "choices are missing")
	case r.gold == nil:
		return nil, r.errAt(start, "", "gold is missing: want the number or text of the right choice")
	default:
		for _, text := range r.choices {
			q.choices = append(q.choices, choice{*r.query, r.delimiter + text, text})
		}
		if q.gold = right(r.gold, r.choices); q.gold == nil {
			err = r.errAt(r.goldAt, "gold", "got %s, want the number of a choice, 0 to %d, a list of them, or the text of a choice", short(r.gold), len(r.choices)-1)
		}
	}
	return q, err
}

func (r *questionReader) key(key string) (err error) {
	at := r.next()
	switch key {
	case "task":
		r.task, err = r.text(key, "a text")
	case "filter":
		r.filter, err = r.text(key, "a text")
	case "target_delimiter":
		r.delimiter, err = r.text(key, "a text")
	case "query":
		var text string
		text, err = r.text(key, "a text")
		r.query = &text
	case "choices":
		if r.choices, err = r.texts(key, "a list of texts"); err == nil && len(r.choices) < 2 {
			err = r.errAt(at, key, "got %d, want two or more", len(r.choices))
		}
	case "gold":
		r.goldAt = at
		r.gold, err = r.value()
	case "target":
		r.targetAt = at
		r.target, err = r.value()
	case "doc":
		r.doc, err = r.value()
	case "arguments":
		r.argsAt = at
		err = r.arguments()
	case "filtered_resps":
		r.resps, err = r.value()
	case "acc":
		r.acc, err = r.value()
	default:
		err = r.skip()
	}
	return err
}

// arguments reads pairs of a context and a continuation: {"gen_args_0": {"arg_0": …, "arg_1": …}, …} or, as
// older harnesses wrote them, [[…, …], …].
func (r *questionReader) arguments() error {
	const want = "the contexts and continuations of a multiple-choice task"
	r.args = [][2]string{}
	if r.peek() == '[' {
		return r.list("arguments", want, func(at string) error {
			pair, err := r.texts(at, want)
			if err == nil && len(pair) != 2 {
				err = r.errAt(r.argsAt, at, "got %d texts, want a context and a continuation", len(pair))
			}
			if err == nil {
				r.args = append(r.args, [2]string(pair))
			}
			return err
		})
	}
	return r.object("arguments", want, func(key string) error {
		at := "arguments." + key
		if want := fmt.Sprintf("gen_args_%d", len(r.args)); key != want {
			return r.errAt(r.argsAt, at, "want %s", want)
		}
		var pair [2]*string
		start := r.next()
		err := r.object(at, "an object with arg_0 and arg_1", func(key string) error {
			i := strings.Index("01", strings.TrimPrefix(key, "arg_"))
			if len(key) != len("arg_0") || i < 0 {
				return r.skip()
			}
			s, err := r.text(at+"."+key, "a text: this is no multiple-choice task")
			pair[i] = &s
			return err
		})
		if err == nil && (pair[0] == nil || pair[1] == nil) {
			err = r.errAt(start, at, "want arg_0, a context, and arg_1, a continuation: this is no multiple-choice task")
		}
		if err == nil {
			r.args = append(r.args, [2]string{*pair[0], *pair[1]})
		}
		return err
	})
}

// invalidUTF8 is where a text stops to be UTF-8, or -1.
func invalidUTF8(text []byte) int {
	for at := 0; at < len(text); {
		c, n := utf8.DecodeRune(text[at:])
		if c == utf8.RuneError && n == 1 {
			return at
		}
		at += n
	}
	return -1
}
