package driver

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// trainedCopy is a folder with the trained model's checkpoint, and the file in it.
func trainedCopy(t *testing.T) (dir, file string, data []byte) {
	t.Helper()
	data, err := os.ReadFile("../../models/yoco-8m/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	dir = folder(t, map[string]string{"model.safetensors": string(data)})
	return dir, filepath.Join(dir, "model.safetensors"), data
}

// exchange replaces the payload's end by other numbers; size and time stay.
func exchange(t *testing.T, file string, data []byte) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(data)
	clear(other[len(other)-4096:])
	if err := os.WriteFile(file, other, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

type findWeights func(context.Context, *Model, Progress) (string, error)

// find returns a checkpoint's packed weights and whether they had to be packed.
func find(t *testing.T, find findWeights, checkpoint string) (path string, made bool) {
	t.Helper()
	m := load(t, models8m, Options{Checkpoint: checkpoint})
	path, err := find(context.Background(), m, func(what string, _, _ int64) {
		made = made || strings.HasPrefix(what, "packing")
	})
	if err != nil {
		t.Fatal(err)
	}
	return path, made
}

// TestExchangedCheckpoint: other weights of the same size and time are packed anew.
func TestExchangedCheckpoint(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("no time of change that programs cannot set")
	}
	c := cache(t)
	dir, file, data := trainedCopy(t)
	path, made := find(t, c.Weights, dir)
	if again, anew := find(t, c.Weights, dir); !made || anew || again != path {
		t.Errorf("packed %v, then %v: %s, then %s", made, anew, path, again)
	}
	exchange(t, file, data)
	if again, anew := find(t, c.Weights, dir); !anew || again == path {
		t.Error("weights of before are taken for those of now")
	}
}

// TestVerifiedWeights: weights are compared with the checkpoint that is there, whatever its stamps
// say, and with their own checksums; where they differ they are packed anew.
func TestVerifiedWeights(t *testing.T) {
	c := cache(t)
	dir, file, data := trainedCopy(t)
	old, _ := find(t, c.VerifiedWeights, dir)
	if _, made := find(t, c.VerifiedWeights, dir); made {
		t.Error("packed twice")
	}
	before, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	oldSums, err := os.ReadFile(filepath.Join(c.dir, sums, filepath.Base(old)))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, file, data)
	path, _ := find(t, c.Weights, dir)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newSums, err := os.ReadFile(filepath.Join(c.dir, sums, filepath.Base(path)))
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(want)
	damaged[len(damaged)-1]++
	for _, now := range []struct {
		what         string
		packed, sums []byte
	}{
		{"other weights, as if the exchange had not been noticed", before, oldSums},
		{"damaged weights", damaged, newSums},
	} {
		write(t, path, now.packed)
		write(t, filepath.Join(c.dir, sums, filepath.Base(path)), now.sums)
		again, made := find(t, c.VerifiedWeights, dir)
		if got, err := os.ReadFile(again); err != nil || !made || !bytes.Equal(got, want) {
			t.Errorf("%s: packed anew %v, equal %v, %v", now.what, made, bytes.Equal(got, want), err)
		}
	}
}

// TestDamagedHeader: weights that cannot be opened are packed anew.
func TestDamagedHeader(t *testing.T) {
	c := cache(t)
	dir, _, _ := trainedCopy(t)
	path, _ := find(t, c.Weights, dir)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, now := range [][]byte{nil, want[:100], want[:len(want)-1], bytes.Repeat([]byte{'x'}, len(want))} {
		write(t, path, now)
		if _, made := find(t, c.Weights, dir); !made {
			t.Errorf("%d bytes: not packed anew", len(now))
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: what is there now is not what was packed first", len(now))
		}
	}
	// What cannot be replaced is named.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o777); err != nil {
		t.Fatal(err)
	}
	m := load(t, models8m, Options{Checkpoint: dir})
	if _, err := c.Weights(context.Background(), m, nil); err == nil || !strings.Contains(err.Error(), path+" is damaged, delete it") {
		t.Errorf("a folder in its place: error %v", err)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestRunVerifies: what Run is asked to verify is verified, and put right.
func TestRunVerifies(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a model")
	}
	c := cache(t)
	m := load(t, models8m, Options{})
	path, err := c.Weights(context.Background(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(want)
	damaged[len(damaged)-1]++
	write(t, path, damaged)
	for _, verify := range []bool{false, true} {
		r, err := c.Run(context.Background(), m, RunOptions{Context: 8, Threads: 1, Verify: verify}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if got, _ := os.ReadFile(path); bytes.Equal(got, want) != verify {
			t.Errorf("asked to verify %v: the weights are right: %v", verify, !verify)
		}
	}
}

// TestNotNumbers: of a checkpoint with an infinite element the tensor and the element are named, and
// nothing is left of the weights.
func TestNotNumbers(t *testing.T) {
	dir, file, data := trainedCopy(t)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
		Shape   []int
	}
	start := 8 + int(binary.LittleEndian.Uint64(data))
	if err := json.Unmarshal(data[8:start], &header); err != nil {
		t.Fatal(err)
	}
	const name = "self_decoder.layers.2.ffn.fc2.weight"
	tensor, ok := header[name]
	if !ok || len(tensor.Shape) != 2 {
		t.Fatalf("no matrix %s", name)
	}
	at := start + tensor.Offsets[0] + 2*(3*tensor.Shape[1]+5)
	binary.LittleEndian.PutUint16(data[at:], 0xff80) // -Inf in bfloat16
	if err := os.WriteFile(file, data, 0o666); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	m := load(t, models8m, Options{Checkpoint: dir, Weights: "q4"})
	want := file + ": tensor " + name + ": element [3 5] is -Inf: only numbers below 2^127 can be quantized"
	if _, err := m.Build(context.Background(), out, nil); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error is %v, want %s", err, want)
	}
	if left, _ := os.ReadDir(out); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}
