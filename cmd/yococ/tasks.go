package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/yococ/yococ/internal/driver"
)

func tasksCommand(s *screen) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tasks SPEC.yaml FILE.jsonl…",
		Short: "Score the answers to multiple-choice questions",
		Long: `Answer multiple-choice questions by the likelihood of each choice behind its context, and say how many answers
are right: acc; acc_norm, with log-likelihoods divided by the choice's length in characters; and acc_bytes, divided by
its length in bytes. These are the metrics of lm-evaluation-harness, which also decides how texts become tokens.

A file has a JSON object a line: what the harness writes with --log_samples, or objects such as
{"query": "The sky is", "choices": ["green", "blue"], "gold": 1}, with "target_delimiter" (a space) and "task" (the
file's name) if need be.`,
	}
	f := addModelFlags(cmd, false)
	e := &evaluation{screen: s, session: addRunFlags(cmd, true)}
	var limit int
	var asJSON bool
	fs := cmd.Flags()
	fs.IntVar(&limit, "limit", 0, "the first `N` questions of every file; 0 for all")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		switch {
		case len(args) < 2:
			return fmt.Errorf("eval tasks: got %d arguments, want SPEC.yaml and one FILE.jsonl or more", len(args))
		case limit < 0:
			return fmt.Errorf("--limit %d: want 1 or more, or 0 for all", limit)
		}
		if err := checkThreads(e.session.Threads); err != nil {
			return err
		}
		e.spec = args[0]
		if e.options, err = f.options(); err != nil {
			return err
		}
		questions, err := driver.ReadQuestions(args[1:], limit)
		if err != nil {
			return err
		}
		t, err := e.tasks(cmd, questions)
		if err != nil {
			return err
		}
		s.clear()
		if asJSON {
			return printJSON(cmd.OutOrStdout(), t)
		}
		printTasks(cmd.OutOrStdout(), t)
		return nil
	}
	return cmd
}

// tasks runs the model, with room for the longest question.
func (e *evaluation) tasks(cmd *cobra.Command, q *driver.Questions) (t *driver.Tasks, err error) {
	m, err := driver.Load(e.spec, e.options, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if e.codec, err = driver.NewText(m.Spec); err != nil {
		return nil, err
	}
	if e.session.Context, err = q.Context(e.codec); err != nil {
		return nil, err
	}
	r, err := e.start(cmd.Context(), m)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Tasks(e.codec, q, e.screen.progress)
}

func printTasks(w io.Writer, t *driver.Tasks) {
	const row = "| %-32s | %9s | %-15s | %-15s | %-15s |\n"
	fmt.Fprintf(w, row, "task", "questions", "acc", "acc_norm", "acc_bytes")
	fmt.Fprintf(w, row, "--------------------------------", "--------:", "---------------", "---------------", "---------------")
	share := func(x, stderr *float64) string {
		switch {
		case x == nil:
			return ""
		case stderr == nil:
			return fmt.Sprintf("%.4f", *x)
		}
		return fmt.Sprintf("%.4f ± %.4f", *x, *stderr)
	}
	line := func(name string, s *driver.TaskScore) {
		fmt.Fprintf(w, row, name, fmt.Sprint(s.Questions), share(&s.Acc, s.AccStderr), share(s.AccNorm, s.AccNormStderr), share(s.AccBytes, s.AccBytesStderr))
	}
	for i := range t.Tasks {
		task := &t.Tasks[i]
		line(task.Task, task)
		for j := range t.Files {
			if f := &t.Files[j]; f.Task == task.Task && f.Questions < task.Questions {
				line("  "+f.File, f)
			}
		}
	}
}
