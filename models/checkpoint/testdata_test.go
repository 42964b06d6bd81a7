package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/yococ/yococ/models"
)

// TestData runs testdata: headers, indexes, descriptions and misfits as text, and what is said
// about them. "ok" and what was read stand where nothing is wrong.
func TestData(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			dir := t.TempDir()
			var out string
			switch d.Cmd {
			case "header":
				out = runHeader(t, d)
			case "index":
				out = runIndex(t, d, dir)
			case "import":
				out = runImport(t, d, dir)
			case "bind":
				out = runBind(t, d, dir)
			default:
				t.Fatalf("unknown command %q", d.Cmd)
			}
			return strings.ReplaceAll(strings.TrimSuffix(out, "\n"), dir, "DIR") + "\n"
		})
	})
}

// runHeader parses a file with the header given and body=N bytes of data. length=N is written
// as the header's length; cut=N keeps the first N bytes of the file.
func runHeader(t *testing.T, d *datadriven.TestData) string {
	var body, cut int
	length := len(d.Input)
	d.MaybeScanArgs(t, "body", &body)
	d.MaybeScanArgs(t, "length", &length)
	file := binary.LittleEndian.AppendUint64(nil, uint64(length))
	file = append(append(file, d.Input...), make([]byte, body)...)
	if d.MaybeScanArgs(t, "cut", &cut) {
		file = file[:cut]
	}
	ts, err := parse("m.safetensors", file)
	if err != nil {
		return err.Error()
	}
	out := "ok\n"
	for _, x := range ts {
		out += fmt.Sprintln(x.Name, x.DType, x.Shape, len(x.Data))
	}
	return out
}

// runIndex opens a folder with the index given and the shards 1.safetensors, with tensors a and
// b, and 2.safetensors, with c. again=NAME adds a tensor to the second.
func runIndex(t *testing.T, d *datadriven.TestData, dir string) string {
	x := func(name string) array { return array{name, "F32", []int{1}, make([]byte, 4)} }
	second := []array{x("c")}
	var again string
	if d.MaybeScanArgs(t, "again", &again) {
		second = append(second, x(again))
	}
	write(t, dir, "1.safetensors", string(encode([]array{x("a"), x("b")})))
	write(t, dir, "2.safetensors", string(encode(second)))
	write(t, dir, indexFile, d.Input)
	f, err := Open(dir)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	return fmt.Sprintln("ok", f.Names())
}

// runImport imports a folder NAME with the description given as file=params.json or config.json.
// tensors=NAME,… adds tensors of shape [1]; those that start with = differ from the others.
func runImport(t *testing.T, d *datadriven.TestData, dir string) string {
	var file, tensors string
	d.ScanArgs(t, "file", &file)
	d.MaybeScanArgs(t, "tensors", &tensors)
	folder := filepath.Join(dir, "My-Model")
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, folder, file, d.Input)
	write(t, folder, "tokenizer.json", `{"model":{"vocab":{"a":0},"merges":[],"unk_token":"a"}}`)
	var arrays []array
	for _, name := range strings.FieldsFunc(tensors, func(r rune) bool { return r == '+' }) {
		name, differs := strings.CutPrefix(name, "other:")
		arrays = append(arrays, array{name, "F32", []int{1}, []byte{0, 0, 0, map[bool]byte{true: 1}[differs]}})
	}
	if arrays != nil {
		write(t, folder, oneFile, string(encode(arrays)))
	}
	s, notes, err := Import(folder)
	if err != nil {
		return err.Error()
	}
	out := string(s.MarshalFor(filepath.Join(dir, "spec.yaml")))
	for _, n := range notes {
		out += "note: " + n + "\n"
	}
	return out
}

// runBind binds a checkpoint made for bindSpec, after edits,
// one a line: "drop NAME", "rename NAME NAME", "reshape NAME N…", "retype NAME TYPE",
// "add NAME N…", "change NAME" (a byte of it). {0-2} in a name stands for each of the numbers.
// The arguments tie and names=… change the spec.
func runBind(t *testing.T, d *datadriven.TestData, dir string) string {
	text := bindSpec
	names := "fla"
	d.MaybeScanArgs(t, "names", &names)
	text = strings.Replace(text, "names: fla", "names: "+names, 1)
	if d.HasArg("tie") {
		text = strings.Replace(text, "tie_embeddings: false", "tie_embeddings: true", 1)
	}
	s, err := models.Parse("m.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	arrays := arraysOf(s, models.FLA)
	for line := range strings.Lines(d.Input) {
		for _, words := range expand(strings.Fields(line)) {
			arrays = editArrays(t, arrays, words)
		}
	}
	write(t, dir, oneFile, string(encode(arrays)))
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := Bind(s, f)
	if err != nil {
		return err.Error()
	}
	return "ok " + string(b.DType())
}

const bindSpec = `name: m
vocab: 6
dim: 8
tie_embeddings: false
self:
  layers: 3
  mixer: {kind: gated-retention, heads: 2}
  ffn: {hidden: 10}
cache: {kv_heads: 1, bias: true}
cross: {layers: 2, heads: 2, q_norm: true, ffn: {hidden: 10}}
checkpoint: {names: fla}
`

// arraysOf makes a tensor of bf16 for every weight of s, a head included.
func arraysOf(s *models.Spec, d models.Dialect) []array {
	var arrays []array
	for i, w := range s.Weights() {
		data := bytes.Repeat([]byte{byte(i), 1}, int(w.Elems()))
		arrays = append(arrays, array{Name(d, s, w), "BF16", w.Shape, data})
	}
	if s.TieEmbeddings {
		arrays = append(arrays, array{Name(d, s, global("head")), "BF16", arrays[0].shape, bytes.Clone(arrays[0].data)})
	}
	return arrays
}

// expand gives the words once for each number of a range {a-b} in them.
func expand(words []string) [][]string {
	line := strings.Join(words, " ")
	before, rest, found := strings.Cut(line, "{")
	if !found {
		return [][]string{words}
	}
	numbers, after, _ := strings.Cut(rest, "}")
	var from, to int
	fmt.Sscanf(numbers, "%d-%d", &from, &to)
	var all [][]string
	for i := from; i <= to; i++ {
		n := strconv.Itoa(i)
		all = append(all, strings.Fields(before+n+strings.ReplaceAll(after, "{"+numbers+"}", n)))
	}
	return all
}

func editArrays(t *testing.T, arrays []array, words []string) []array {
	var numbers []int
	elems := 1
	for _, w := range words[2:] {
		if n, err := strconv.Atoi(w); err == nil {
			numbers, elems = append(numbers, n), elems*n
		}
	}
	if words[0] == "add" {
		return append(arrays, array{words[1], "F32", numbers, make([]byte, 4*elems)})
	}
	for i := range arrays {
		a := &arrays[i]
		if a.name != words[1] {
			continue
		}
		switch words[0] {
		case "drop":
			return append(arrays[:i], arrays[i+1:]...)
		case "rename":
			a.name = words[2]
		case "reshape":
			a.shape, a.data = numbers, make([]byte, 2*elems)
		case "retype":
			a.dtype = words[2]
			a.data = make([]byte, DType(strings.ToLower(words[2])).Size()*len(a.data)/2)
		case "change":
			a.data[0]++
		}
		return arrays
	}
	t.Fatalf("there is no tensor %s", words[1])
	return nil
}
