package driver

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodGolden = `{"note": {"x": [1]}, "weights": "F32",
 "prompts": [{"tokens": [1, 2], "greedy": [3], "gaps": [0.5], "f32_reference_max_abs_diff": 1e-5}]}`

// goldenFolder writes a folder whose tensors are described by a safetensors header; all data is 0.
func goldenFolder(t *testing.T, text, header string, bytes int) string {
	t.Helper()
	tensors := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	tensors = append(tensors, make([]byte, bytes)...)
	return folder(t, map[string]string{"golden.json": text, "golden.safetensors": string(tensors)})
}

const lastLogits = `{"p0.logits_last":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`

// TestGoldenText: what is wrong with golden.json is said with its place and what was wanted.
func TestGoldenText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, ":1:1: is not JSON: it is cut off"},
		{`[]`, ":1:1: got a list, want an object"},
		{`{"prompts": [}`, ":1:14: is not JSON: "},
		{"{\n\"prompts\": 7}", ":2:12: prompts: got 7, want a list of prompts"},
		{`{"prompts": [7]}`, ":1:14: prompts[0]: got 7, want an object with tokens and greedy"},
		{`{"prompts": []}`, ": has no prompts for f32 weights"},
		{`{"weights": {"bf16": {}}}`, ": has no prompts for f32 weights"},
		{`{"weights": {"f32": 3}}`, ":1:21: weights.f32: got 3, want an object with prompts"},
		{`{"prompts": [{"greedy": [1]}]}`, ":1:14: prompts[0]: tokens are missing"},
		{`{"prompts": [{"tokens": [1]}]}`, ":1:14: prompts[0]: greedy is missing"},
		{`{"prompts": [{"tokens": [], "greedy": [1]}]}`, ":1:25: prompts[0].tokens: is empty"},
		{`{"prompts": [{"tokens": [1], "greedy": []}]}`, ":1:40: prompts[0].greedy: is empty"},
		{`{"prompts": [{"tokens": [1, "é"], "greedy": [1]}]}`, `:1:29: prompts[0].tokens[1]: got "é", want a token`},
		{`{"prompts": [{"tokens": [1.5], "greedy": [1]}]}`, ":1:26: prompts[0].tokens[0]: got 1.5, want a token"},
		{`{"prompts": [{"tokens": [null], "greedy": [1]}]}`, ":1:26: prompts[0].tokens[0]: got null, want a token"},
		{`{"prompts": [{"tokens": [99999999999], "greedy": [1]}]}`, "tokens[0]: got 99999999999, want a token"},
		{`{"prompts": [{"gaps": [-1], "tokens": [1], "greedy": [1]}]}`, ":1:24: prompts[0].gaps[0]: got -1, want a number from 0"},
		{`{"prompts": [{"f32_reference_max_abs_diff": -1e-5}]}`, ":1:45: prompts[0].f32_reference_max_abs_diff: got -1e-5, want a number from 0, below 1"},
		{`{"prompts": [{"f32_reference_max_abs_diff": 1e999}]}`, "got 1e999, want a number from 0, below 1"},
		{`{"prompts": [{"f32_reference_max_abs_diff": 1}]}`, "got 1, want a number from 0, below 1"},
		{goodGolden + "{}", ":2:100: something follows the object"},
	} {
		dir := goldenFolder(t, c.text, lastLogits, 8)
		_, err := OpenGolden(dir, "f32")
		if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, "golden.json")+":") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "Go ") || strings.Contains(err.Error(), "driver.")) {
			t.Errorf("%s\n%v", c.text, err)
		}
	}
}

// TestGoldenTensors: a folder without the logits of a prompt has nothing to compare with.
func TestGoldenTensors(t *testing.T) {
	for _, c := range []struct {
		header, want string
		bytes        int
	}{
		{`{}`, "tensor p0.logits_last: is missing", 0},
		{`{"p1.logits_last":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, "tensor p0.logits_last: is missing", 8},
		{`{"p0.logits_last":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, "tensor p0.logits_last: is empty, shape [0]", 0},
		{`{"p0.logits_last":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}}`, "tensor p0.logits_last: is of type i32: want f64, ", 8},
	} {
		dir := goldenFolder(t, goodGolden, c.header, c.bytes)
		_, err := OpenGolden(dir, "f32")
		if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, "golden.safetensors")+": ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.header, err, c.want)
		}
	}
	g, err := OpenGolden(goldenFolder(t, goodGolden, lastLogits, 8), "f32")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if got := g.Tolerance(); got != 1e-4 || len(g.Prompts) != 1 || g.Prompts[0].Greedy[0] != 3 || g.Prompts[0].Gaps[0] != 0.5 {
		t.Errorf("tolerance %v, prompts %+v", got, g.Prompts)
	}
	byFormat := `{"weights": {"f32": {"prompts": [{"tokens": [1], "greedy": [3]}]}, "bf16": {"prompts": [{"tokens": [1], "greedy": [4]}]}}}`
	b, err := OpenGolden(goldenFolder(t, byFormat, `{"bf16.p0.logits_last":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), "bf16")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Prompts[0].Greedy[0] != 4 || len(b.Tensor(0, "logits_last")) != 2 || b.Tolerance() != plainTolerance {
		t.Errorf("prompts %+v", b.Prompts)
	}
	if _, err := OpenGolden(filepath.Join(t.TempDir(), "none"), "f32"); !os.IsNotExist(err) {
		t.Error(err)
	}
}
