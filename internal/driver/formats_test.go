package driver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yococ/yococ/models/checkpoint"
	"github.com/yococ/yococ/models/checkpoint/pthtest"
)

// TestPackedFromPyTorch: packed weights are the same bytes whichever format the checkpoint has.
func TestPackedFromPyTorch(t *testing.T) {
	const goldens = "../../generated/testdata/"
	for spec, golden := range map[string]string{"flaswa": "fla_swa", "flatied": "fla_gret_tied_defaults"} {
		path := goldens + "specs/" + spec + ".yaml"
		dir := goldens + "goldens/" + golden
		tensors := tensorsOf(t, dir)
		turned := slices.Clone(tensors)
		for i, x := range turned {
			if len(x.Shape) == 2 {
				turned[i] = transposed(x)
			}
		}
		shards := map[string]string{"pytorch_model.bin.index.json": index(tensors, 3)}
		for i := range 3 {
			var part []pthtest.Tensor
			for j := i; j < len(tensors); j += 3 {
				part = append(part, tensors[j])
			}
			shards[shardName(i, 3)] = string(pthtest.Save(t, part, pthtest.Writing{}))
		}
		pth := func(x []pthtest.Tensor, w pthtest.Writing) map[string]string {
			return map[string]string{"checkpoint.pth": string(pthtest.Save(t, x, w))}
		}
		want := packedBytes(t, path, dir, "")
		for name, files := range map[string]map[string]string{
			"one file":   pth(tensors, pthtest.Writing{}),
			"training":   pth(tensors, pthtest.Writing{Under: "model", Prefix: "decoder.model."}),
			"old":        pth(tensors, pthtest.Writing{Legacy: true}),
			"big endian": pth(tensors, pthtest.Writing{ByteOrder: "big"}),
			"turned":     pth(turned, pthtest.Writing{}),
			"shards":     shards,
		} {
			if got := packedBytes(t, path, folder(t, files), ""); !bytes.Equal(got, want) {
				t.Errorf("%s, %s: other packed weights than from safetensors", spec, name)
			}
		}
	}
}

// TestHalfPrecision: a checkpoint in float16 is packed as float32, exactly, and as bfloat16 if asked to.
func TestHalfPrecision(t *testing.T) {
	const goldens = "../../generated/testdata/"
	path, dir := goldens+"specs/flaswa.yaml", goldens+"goldens/fla_swa"
	halves, widened := tensorsOf(t, dir), tensorsOf(t, dir)
	for i := range halves {
		halves[i].DType, widened[i].DType = "F16", "F32"
		halves[i].Data, widened[i].Data = nil, nil
		n := 1
		for _, d := range halves[i].Shape {
			n *= d
		}
		for e := range n { // 0x3a00 is 0.75, and 0x3f400000 in float32
			sign := byte(e%3) << 7
			halves[i].Data = append(halves[i].Data, 0x00, 0x3a|sign)
			widened[i].Data = append(widened[i].Data, 0, 0, 0x40, 0x3f|sign)
		}
	}
	save := func(x []pthtest.Tensor) string {
		return folder(t, map[string]string{"c.pt": string(pthtest.Save(t, x, pthtest.Writing{}))})
	}
	from, to := save(halves), save(widened)
	for _, format := range []string{"", "f32", "bf16", "q8"} {
		if !bytes.Equal(packedBytes(t, path, from, format), packedBytes(t, path, to, format)) {
			t.Errorf("format %q: float16 is packed otherwise than the same numbers in float32", format)
		}
	}
	if m := load(t, path, Options{Checkpoint: from}); m.DType() != "f16" || m.formats.Weights.String() != "f32" {
		t.Errorf("type %s is packed as %v", m.DType(), m.formats.Weights)
	}
}

// tensorsOf are those of a checkpoint.
func tensorsOf(t *testing.T, dir string) (list []pthtest.Tensor) {
	t.Helper()
	f, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range f.Names() {
		x, _ := f.Tensor(name)
		list = append(list, pthtest.Tensor{Name: x.Name, DType: strings.ToUpper(string(x.DType)), Shape: x.Shape, Data: bytes.Clone(x.Data)})
	}
	return list
}

// transposed is the same matrix, stored column by column.
func transposed(x pthtest.Tensor) pthtest.Tensor {
	rows, cols := x.Shape[0], x.Shape[1]
	size := len(x.Data) / (rows * cols)
	data := make([]byte, 0, len(x.Data))
	for c := range cols {
		for r := range rows {
			data = append(data, x.Data[(r*cols+c)*size:(r*cols+c+1)*size]...)
		}
	}
	x.Data, x.Strides = data, []int{1, rows}
	return x
}

func shardName(i, n int) string { return fmt.Sprintf("pytorch_model-%05d-of-%05d.bin", i+1, n) }

// index names the shard of every tensor, dealt out one by one.
func index(tensors []pthtest.Tensor, n int) string {
	var rows []string
	for i, x := range tensors {
		rows = append(rows, fmt.Sprintf("%q:%q", x.Name, shardName(i%n, n)))
	}
	return `{"weight_map":{` + strings.Join(rows, ",") + `}}`
}

func packedBytes(t *testing.T, spec, checkpoint, format string) []byte {
	t.Helper()
	m := load(t, spec, Options{Checkpoint: checkpoint, Weights: format})
	path := filepath.Join(t.TempDir(), "packed")
	if err := m.Pack(context.Background(), path, nil); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
