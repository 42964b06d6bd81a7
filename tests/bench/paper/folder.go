package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// settings are what all measurements of a folder have in common.
type settings struct {
	Yoco        string `json:"yoco"`
	Transformer string `json:"transformer"`
	Weights     string `json:"weights"`
	Activations string `json:"activations,omitempty"`
	KV          string `json:"kv"`
	Threads     int    `json:"threads,omitempty"`
}

// spec is that of a model.
func (s *settings) spec(model string) string {
	if model == yoco {
		return s.Yoco
	}
	return s.Transformer
}

// models, as files are named.
const (
	yoco        = "yoco"
	transformer = "transformer"
)

// kinds of measurements, as files are named.
const (
	prefill = "prefill" // of so many tokens, and the logits after them
	decode  = "decode"  // of tokens behind so many, made up
)

// A measurement is what yococ bench said of one test.
type measurement struct {
	Model, Kind string
	N           int // tokens of the context
	CPU, ISA    string
	Threads     int
	TokensPerS  float64
	Stddev      float64
	Limit       float64 // share of the machine's limit; 0 if not known
	Peak        int64   // resident bytes
	Promised    int64
}

// seconds is how long the prefill takes, or a token.
func (m *measurement) seconds() float64 {
	if m.Kind == prefill {
		return float64(m.N) / m.TokensPerS
	}
	return 1 / m.TokensPerS
}

// A plan is what yococ inspect says of a model.
type plan struct {
	Params        int64 `json:"params"`
	Weights       int64 `json:"weights_bytes"`
	CachePerToken int64 `json:"cache_bytes_per_token"`
	State         int64 `json:"state_bytes"`
	Contexts      []struct {
		Tokens int   `json:"tokens"`
		Bytes  int64 `json:"total_bytes"`
	} `json:"contexts"`
}

// bytes is what a context takes, 0 if it was not asked for.
func (p *plan) bytes(tokens int) int64 {
	for _, c := range p.Contexts {
		if c.Tokens == tokens {
			return c.Bytes
		}
	}
	return 0
}

// A folder has the measurements so far.
type folder struct {
	dir      string
	settings settings
	plans    map[string]*plan // by model
	done     map[string]*measurement
}

func name(model, kind string, n int) string { return fmt.Sprintf("%s.%s.%d.json", model, kind, n) }

// open reads a folder, or makes one. One of other settings is refused.
func open(dir string, s settings) (*folder, error) {
	f := &folder{dir: dir, settings: s, plans: map[string]*plan{}, done: map[string]*measurement{}}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var there settings
	switch err := readJSON(filepath.Join(dir, "settings.json"), &there); {
	case errors.Is(err, fs.ErrNotExist):
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return nil, err
		}
		if err := f.write("settings.json", append(text, '\n')); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case there != s:
		return nil, fmt.Errorf("%s holds measurements of %+v, and %+v is asked for: want another --out", dir, there, s)
	}
	for _, model := range []string{yoco, transformer} {
		p := new(plan)
		if err := readJSON(filepath.Join(dir, model+".plan.json"), p); err == nil {
			f.plans[model] = p
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.*.*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := f.add(filepath.Base(file), text); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// add takes what yococ bench --json printed for the file of that name.
func (f *folder) add(file string, text []byte) error {
	parts := strings.Split(file, ".")
	n, err := strconv.Atoi(parts[2])
	if err != nil {
		return fmt.Errorf("%s: the name has no number of tokens", file)
	}
	var b struct {
		CPU, ISA string
		Results  []struct {
			Threads    int
			TokensPerS float64  `json:"tokens_per_s"`
			Stddev     float64  `json:"stddev"`
			Limit      *float64 `json:"limit_fraction"`
		}
		Peak     int64 `json:"peak_rss_bytes"`
		Promised int64 `json:"promised_bytes"`
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(b.Results) != 1 || b.Results[0].TokensPerS <= 0 {
		return fmt.Errorf("%s: %d results, want one with tokens_per_s", file, len(b.Results))
	}
	r := b.Results[0]
	m := &measurement{
		Model: parts[0], Kind: parts[1], N: n, CPU: b.CPU, ISA: b.ISA, Threads: r.Threads,
		TokensPerS: r.TokensPerS, Stddev: r.Stddev, Peak: b.Peak, Promised: b.Promised,
	}
	if r.Limit != nil {
		m.Limit = *r.Limit
	}
	f.done[file] = m
	return nil
}

// at is a measurement, nil if there is none.
func (f *folder) at(model, kind string, n int) *measurement { return f.done[name(model, kind, n)] }

// write makes a file, at once or not at all.
func (f *folder) write(file string, text []byte) error {
	path := filepath.Join(f.dir, file)
	if err := os.WriteFile(path+".part", text, 0o666); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err == nil {
		if err = json.Unmarshal(text, v); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	return err
}
