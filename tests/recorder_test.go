package tests

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yococ/yococ"
)

// An asking is what the recorder is asked: a prompt, and tokens to decode one by one after it.
type asking struct {
	Model, Weights, ISA string
	Tokens, Greedy      []int32
}

// An answer is the logits of every row of the prompt, those after it, those after each token, and all
// rows that were quantized or rounded on the way, in order.
type answer struct {
	Logits    [][]float32
	Quantized []quantizedRow
}

type quantizedRow struct {
	Q      []int8
	Scale  float32
	Halves []uint16 // bfloat16, in place of Q
}

// recorder is added to every package; it opens a model whose kernels are wrapped.
const recorder = `package %s

import (
	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
	"github.com/yococ/yococ/runtime/weights"
)

func OpenRecorded(path string, wrap func(kernel.Set) kernel.Set) (*rt.Model, error) {
	f, err := weights.Open(path, fingerprint, packed)
	if err != nil {
		return nil, err
	}
	info := runtimeModel(f).Info()
	w := bind(f)
	sets := info.Sets
	info.Sets = func(level string) kernel.Set { return wrap(sets(level)) }
	return rt.NewModel(info, f, func(c rt.EngineConfig) (rt.Engine, error) { return newEngine(w, c), nil }), nil
}
`

// recorderMain answers one asking. The prompt is one chunk and there is one worker: rows are quantized
// in the order in which a machine evaluates them.
const recorderMain = `package main

import (
	"context"
	"encoding/gob"
	"log"
	"os"
	"slices"

	rt "github.com/yococ/yococ/runtime"
	"github.com/yococ/yococ/runtime/kernel"
%s)

var models = map[string]func(string, func(kernel.Set) kernel.Set) (*rt.Model, error){
%s}

type asking struct {
	Model, Weights, ISA string
	Tokens, Greedy      []int32
}

type answer struct {
	Logits    [][]float32
	Quantized []row
}

type row struct {
	Q      []int8
	Scale  float32
	Halves []uint16
}

type set struct {
	kernel.Set
	a *answer
}

func (s set) QuantizeRow(q []int8, sums []int32, x []float32, block, zero int) float32 {
	scale := s.Set.QuantizeRow(q, sums, x, block, zero)
	s.a.Quantized = append(s.a.Quantized, row{Q: slices.Clone(q[:len(x)]), Scale: scale})
	return scale
}

func (s set) RoundRow(dst []uint16, x []float32) {
	s.Set.RoundRow(dst, x)
	s.a.Quantized = append(s.a.Quantized, row{Halves: slices.Clone(dst[:len(x)])})
}

func main() {
	var q asking
	var a answer
	check(gob.NewDecoder(os.Stdin).Decode(&q))
	m, err := models[q.Model](q.Weights, func(s kernel.Set) kernel.Set { return set{s, &a} })
	check(err)
	n := len(q.Tokens)
	s, err := m.NewSession(rt.Options{Context: n + len(q.Greedy), Chunk: n, Threads: 1, ISA: q.ISA})
	check(err)
	ctx := context.Background()
	add := func(logits []float32) { a.Logits = append(a.Logits, slices.Clone(logits)) }
	check(s.ScoreRows(ctx, q.Tokens, func(_ int, logits []float32) error { add(logits); return nil }))
	check(s.Reset())
	check(s.Prefill(ctx, q.Tokens))
	logits, err := s.Logits()
	check(err)
	add(logits)
	for _, t := range q.Greedy {
		logits, err := s.Decode(ctx, t)
		check(err)
		add(logits)
	}
	check(gob.NewEncoder(os.Stdout).Encode(a))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
`

// buildRecorder compiles the packages of all cases into one program.
func buildRecorder(t *testing.T, cases []*quantizedCase) string {
	t.Helper()
	var imports, open strings.Builder
	files := maps.Clone(yococ.RuntimeFiles())
	for _, c := range cases {
		name := c.m.Package.Plan.Package
		for file, text := range c.m.Package.Files {
			files["model/"+name+"/"+file] = text
		}
		files["model/"+name+"/recorder.go"] = fmt.Appendf(nil, recorder, name)
		fmt.Fprintf(&imports, "\t%q\n", module+"/model/"+name)
		fmt.Fprintf(&open, "\t%q: %s.OpenRecorded,\n", name, name)
	}
	files["go.mod"] = []byte("module " + module + "\n\ngo 1.26\n")
	files["main.go"] = fmt.Appendf(nil, recorderMain, &imports, &open)
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "recorder.exe")
	cmd := exec.Command("go", "build", "-mod=mod", "-o", program, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func ask(t *testing.T, program string, q asking) (a answer) {
	t.Helper()
	var in, out, stderr bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(q); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", q.Model, err, &stderr)
	}
	if err := gob.NewDecoder(&out).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a
}
