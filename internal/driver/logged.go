package driver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// logged makes the question of what lm-evaluation-harness logged of one.
func (r *questionReader) logged(q *question) error {
	args := r.args
	if n := len(args) / 2; len(args) == 2*n && unconditional(args[:n], args[n:]) {
		args = args[:n]
	}
	if len(args) < 2 {
		return r.errAt(r.argsAt, "arguments", "got %d, want those of two choices or more", len(args))
	}
	if r.target == nil {
		return r.errAt(r.argsAt, "", "target is missing: want the number or text of the right choice")
	}
	texts := r.chosen(args)
	for i, a := range args {
		q.choices = append(q.choices, choice{a[0], a[1], texts[i]})
	}
	if q.inputs = !slices.ContainsFunc(args, func(a [2]string) bool { return a[1] != args[0][1] }); q.inputs {
		if q.gold = r.answered(len(args)); q.gold == nil { // the target is the continuation
			return r.errAt(r.argsAt, "arguments", "all choices have the same continuation, and filtered_resps and acc do not tell which context is right")
		}
		return nil
	}
	if q.gold = right(unquoted(r.target), texts); q.gold == nil {
		q.gold = right(r.target, texts) // a choice's text that looks like a number
	}
	if q.gold == nil {
		return r.errAt(r.targetAt, "target", "got %s, want the number of a choice, 0 to %d, a list of them, or the text of a choice", short(r.target), len(texts)-1)
	}
	return nil
}

// unconditional reports whether the continuations without a context are those of args once more, as
// acc_mutual_info wants them.
func unconditional(args, without [][2]string) bool {
	for i, a := range without {
		if a != [2]string{"", args[i][1]} {
			return false
		}
	}
	return len(args) > 0
}

// chosen are the choices' own texts, without what stands between the context and them: those of the list in the
// doc that fits, or else without the usual space.
func (r *questionReader) chosen(args [][2]string) []string {
	for _, list := range lists(r.doc) {
		if delimiter, ok := delimited(args, list); ok && strings.TrimSpace(delimiter) == "" {
			return list
		}
	}
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = strings.TrimPrefix(a[1], " ")
		if texts[i] == a[1] || texts[i] == "" { // not between all of them
			for j := range args {
				texts[j] = args[j][1]
			}
			break
		}
	}
	return texts
}

// delimited gives what all continuations have before the texts of a list.
func delimited(args [][2]string, list []string) (delimiter string, ok bool) {
	if len(list) != len(args) {
		return "", false
	}
	for i, a := range args {
		before, found := strings.CutSuffix(a[1], list[i])
		if !found || list[i] == "" || i > 0 && before != delimiter {
			return "", false
		}
		delimiter = before
	}
	return delimiter, true
}

// lists are the lists of texts in a doc, and in what it has.
func lists(doc any) (all [][]string) {
	object, _ := doc.(map[string]any)
	add := func(v any) {
		values, _ := v.([]any)
		var list []string
		for _, v := range values {
			if s, ok := v.(string); ok {
				list = append(list, s)
			}
		}
		if len(list) == len(values) {
			all = append(all, list)
		}
	}
	for _, v := range object {
		add(v)
		if inner, ok := v.(map[string]any); ok {
			for _, v := range inner {
				add(v)
			}
		}
	}
	return all
}

// answered finds what is right from what a model answered and whether that was right.
func (r *questionReader) answered(n int) []int {
	resps, _ := r.resps.([]any)
	acc, err := strconv.ParseFloat(fmt.Sprint(r.acc), 64)
	if len(resps) != n || err != nil {
		return nil
	}
	var scores []float64
	for _, v := range resps {
		pair, _ := v.([]any)
		if len(pair) == 0 {
			return nil
		}
		// A number or the text of one.
		x, err := strconv.ParseFloat(fmt.Sprint(pair[0]), 64)
		if err != nil || math.IsNaN(x) { // not a number is neither larger nor smaller
			return nil
		}
		scores = append(scores, x)
	}
	switch best := top(scores); {
	case acc == 1:
		return []int{best}
	case acc == 0 && n == 2:
		return []int{1 - best}
	}
	return nil
}

// unquoted is a number or a list that has been made text, or the text if it is none.
func unquoted(v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	if _, err := strconv.Atoi(s); err == nil {
		return json.Number(s)
	}
	var list []any
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	if d.Decode(&list) == nil && list != nil && !d.More() {
		return list
	}
	return v
}

// right are the choices that a gold names, nil if it names none.
func right(gold any, choices []string) (list []int) {
	switch gold := gold.(type) {
	case json.Number:
		if i, err := strconv.Atoi(gold.String()); err == nil && i >= 0 && i < len(choices) {
			return []int{i}
		}
	case string:
		if i := slices.Index(choices, gold); i >= 0 {
			return []int{i}
		}
	case []any:
		for _, v := range gold {
			one, ok := v.(json.Number)
			if i := right(one, choices); ok && i != nil {
				list = append(list, i...)
			} else {
				return nil
			}
		}
	}
	return list
}

// short is a value for a message.
func short(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if c := []rune(string(text)); len(c) > 40 {
		return string(c[:40]) + "…"
	}
	return string(text)
}
