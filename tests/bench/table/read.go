package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// row is a test of a case, with a value for every round that has one.
type row struct {
	name, test  string
	yococ, peer map[int]float64 // tokens a second by round
	limit       []float64       // yococ's share of what the machine could do, where it says so
	reads       []float64       // gigabytes a second
	others      []float64       // share of the machine's processor time that went elsewhere, a run each
	// Bytes of all weights; 0 if not known.
	yococBytes, peerBytes int64
}

type yococOutput struct {
	Results []struct {
		Test          string
		Depth         int
		TokensPerS    float64  `json:"tokens_per_s"`
		LimitFraction *float64 `json:"limit_fraction"`
	}
	WeightsBytes int64 `json:"weights_bytes"`
}

type peerOutput []struct {
	NPrompt   int     `json:"n_prompt"`
	NGen      int     `json:"n_gen"`
	AvgTS     float64 `json:"avg_ts"`
	ModelSize int64   `json:"model_size"`
}

// read collects a folder's files, in the order of their names.
func read(dir fs.FS) ([]*row, error) {
	names, err := fs.Glob(dir, "*.*.*")
	if err != nil {
		return nil, err
	}
	t := &table{rows: map[[2]string]*row{}, reads: map[string][]float64{}, others: map[string][]float64{}}
	for _, file := range names {
		name, rest, _ := strings.Cut(file, ".")
		number, kind, _ := strings.Cut(rest, ".")
		round, err := strconv.Atoi(number)
		add := t.kinds()[kind]
		if err != nil || add == nil {
			continue
		}
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, err
		}
		if err := add(name, round, text); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return t.sorted(), nil
}

type table struct {
	rows          map[[2]string]*row
	reads, others map[string][]float64 // by case
}

func (t *table) kinds() map[string]func(name string, round int, text []byte) error {
	return map[string]func(string, int, []byte) error{
		"yococ.json": t.yococ, "peer.json": t.peer, "read": number(t.reads), "yococ.others": number(t.others), "peer.others": number(t.others),
	}
}

func (t *table) row(name, test string) *row {
	r := t.rows[[2]string{name, test}]
	if r == nil {
		r = &row{name: name, test: test, yococ: map[int]float64{}, peer: map[int]float64{}}
		t.rows[[2]string{name, test}] = r
	}
	return r
}

func (t *table) yococ(name string, round int, text []byte) error {
	var out yococOutput
	if err := json.Unmarshal(text, &out); err != nil {
		return err
	}
	for _, x := range out.Results {
		r := t.row(name, x.Test)
		r.yococ[round], r.yococBytes = x.TokensPerS, out.WeightsBytes
		if x.LimitFraction != nil {
			r.limit = append(r.limit, *x.LimitFraction)
		}
	}
	return nil
}

func (t *table) peer(name string, round int, text []byte) error {
	var out peerOutput
	if err := json.Unmarshal(text, &out); err != nil {
		return err
	}
	for _, x := range out {
		test := fmt.Sprintf("pp%d", x.NPrompt)
		if x.NGen > 0 { // a prompt, if there is one, is the depth and not timed
			test = fmt.Sprintf("tg%d", x.NGen)
		}
		r := t.row(name, test)
		r.peer[round], r.peerBytes = x.AvgTS, x.ModelSize
	}
	return nil
}

// number appends the one number of a file to a case's. A file may be empty: not every system tells.
func number(of map[string][]float64) func(name string, round int, text []byte) error {
	return func(name string, _ int, text []byte) error {
		line := strings.TrimSpace(string(text))
		if line == "" {
			return nil
		}
		v, err := strconv.ParseFloat(line, 64)
		of[name] = append(of[name], v)
		return err
	}
}

// sorted is the rows by case, prompts before tokens, short before long.
func (t *table) sorted() []*row {
	var rows []*row
	for _, r := range t.rows {
		r.reads, r.others = t.reads[r.name], t.others[r.name]
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.test[:2], b.test[:2]),
			cmp.Compare(len(a.test), len(b.test)), cmp.Compare(a.test, b.test))
	})
	return rows
}
