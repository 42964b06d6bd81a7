package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yococ/yococ/models"
)

// goldens is a folder of reference checkpoints, which lies beside this repository if at all.
const goldens = "../../../shared/goldens"

func goldenDirs(t *testing.T) []string {
	dirs, _ := filepath.Glob(filepath.Join(goldens, "*"))
	var with []string
	for _, d := range dirs {
		if isFile(filepath.Join(d, oneFile)) {
			with = append(with, d)
		}
	}
	if len(with) == 0 {
		t.Skip("there are no reference checkpoints in ", goldens)
	}
	return with
}

// TestGoldens imports, writes, reads and binds every reference checkpoint, whole and in shards.
func TestGoldens(t *testing.T) {
	for _, dir := range goldenDirs(t) {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			s, notes, err := Import(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(notes)
			file := filepath.Join(t.TempDir(), "spec.yaml")
			again, err := models.Parse(file, s.MarshalFor(file))
			if err != nil {
				t.Fatal(err)
			}
			if a, b := absolute(s.Checkpoint.Path), again.Checkpoint.Path; a != b {
				t.Errorf("checkpoint %s became %s", a, b)
			}
			again.Checkpoint.Path = s.Checkpoint.Path
			if !s.Equal(again) {
				t.Errorf("became\n%s", again.Marshal())
			}
			f, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			checkBound(t, again, f)
			if want := strings.Contains(name, "tied") || strings.HasPrefix(name, "sambay_"); s.TieEmbeddings != want {
				t.Errorf("tied is %v", s.TieEmbeddings)
			}

			sharded := t.TempDir()
			shard(t, f, sharded, 3)
			g, err := Open(sharded)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			checkBound(t, again, g)
			for _, n := range f.Names() {
				a, _ := f.Tensor(n)
				if b, ok := g.Tensor(n); !ok || !Same(a, b) {
					t.Errorf("%s differs between one file and shards", n)
				}
			}
		})
	}
}

// checkBound binds f and compares the number of elements with the spec's count.
func checkBound(t *testing.T, s *models.Spec, f *Files) int64 {
	t.Helper()
	b, err := Bind(s, f)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, w := range s.Weights() {
		x := b.Weight(w.Role, w.Layer)
		n += int64(x.Elems())
		if int64(x.Elems()) != w.Elems() {
			t.Errorf("%s has %d elements, want %d", x.Name, x.Elems(), w.Elems())
		}
	}
	if n != s.Params() {
		t.Errorf("%d elements, want %d", n, s.Params())
	}
	if s.TieEmbeddings && !Same(b.Weight("head", -1), b.Weight("embed", -1)) {
		t.Error("the head of a tied model is not its embedding")
	}
	first, _ := f.Tensor(Name(s.Checkpoint.Names, s, global("embed")))
	if b.DType() != first.DType {
		t.Errorf("type is %s, want %s", b.DType(), first.DType)
	}
	return n
}

// TestTrained imports and binds the trained model of this repository.
func TestTrained(t *testing.T) {
	s, _, err := Import("../yoco-8m")
	if err != nil {
		t.Fatal(err)
	}
	want, err := models.Load("../yoco-8m.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !s.Equal(want) {
		t.Errorf("import gives\n%swant\n%s", s.Marshal(), want.Marshal())
	}
	f, err := Open(want.Checkpoint.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := checkBound(t, want, f); n != 7_938_560 {
		t.Errorf("%d parameters, want 7938560", n)
	}
	if b, _ := Bind(want, f); b.DType() != BF16 {
		t.Errorf("type is %s", b.DType())
	}
}

// TestNoWeights: a folder with a description alone imports, with a note, and does not open.
func TestNoWeights(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "params.json", `{"dim": 64, "n_layers": 5, "hidden_dim": 160, "n_self_heads": 2, "n_attn_heads": 4, "n_attn_kv_heads": 2, "vocab_size": 256}`)
	s, notes, err := Import(dir)
	if err != nil || s.Self.Len() != 2 || len(notes) != 3 {
		t.Fatal(s, notes, err)
	}
	if _, err := Open(dir); !errors.Is(err, errNoTensors) {
		t.Error(err)
	}
}

// array is a tensor for a test to write.
type array struct {
	name, dtype string
	shape       []int
	data        []byte
}

// encode gives the bytes of a safetensors file.
func encode(arrays []array) []byte {
	var h strings.Builder
	h.WriteString("{")
	var body []byte
	for i, a := range arrays {
		if i > 0 {
			h.WriteString(",")
		}
		name, _ := json.Marshal(a.name)
		shape, _ := json.Marshal(a.shape)
		fmt.Fprintf(&h, `%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, a.dtype, shape, len(body), len(body)+len(a.data))
		body = append(body, a.data...)
	}
	h.WriteString("}")
	file := binary.LittleEndian.AppendUint64(nil, uint64(h.Len()))
	return append(append(file, h.String()...), body...)
}

// shard writes the tensors of f into n files with an index.
func shard(t *testing.T, f *Files, dir string, n int) {
	t.Helper()
	parts := make([][]array, n)
	where := map[string]string{}
	for i, name := range f.Names() {
		x, _ := f.Tensor(name)
		parts[i%n] = append(parts[i%n], array{x.Name, strings.ToUpper(string(x.DType)), x.Shape, x.Data})
		where[name] = fmt.Sprintf("model-%05d-of-%05d.safetensors", i%n+1, n)
	}
	for i, p := range parts {
		write(t, dir, fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, n), string(encode(p)))
	}
	index, _ := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": where})
	write(t, dir, indexFile, string(index))
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestWiden compares every float16 and bfloat16 with what its bits mean.
func TestWiden(t *testing.T) {
	data := make([]byte, 2<<16)
	for i := range 1 << 16 {
		binary.LittleEndian.PutUint16(data[2*i:], uint16(i))
	}
	half, brain := make([]float32, 1<<16), make([]float32, 1<<16)
	Tensor{DType: F16, Data: data}.Float32s(half, 0, 1<<16)
	Tensor{DType: BF16, Data: data}.Float32s(brain, 0, 1<<16)
	for i := range 1 << 16 {
		for _, c := range []struct {
			got       float32
			exp, frac int // bits
		}{{half[i], 5, 10}, {brain[i], 8, 7}} {
			if want := meaning(i, c.exp, c.frac); float64(c.got) != want && !(math.IsNaN(want) && c.got != c.got) ||
				math.Signbit(float64(c.got)) != (i>>15 == 1) {
				t.Fatalf("%#04x is %v, want %v", i, c.got, want)
			}
		}
	}
	all := Tensor{DType: F16, Data: data}.Float64s()
	var one [1]float32
	for i := 0; i < len(all); i += 997 {
		Tensor{DType: F16, Data: data}.Float32s(one[:], i, 1)
		if float64(one[0]) != all[i] && one[0] == one[0] {
			t.Fatalf("element %d: %v and %v", i, one[0], all[i])
		}
	}
	if got := (Tensor{DType: F64, Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.Pi))}).Float64s()[0]; got != math.Pi {
		t.Error(got)
	}
}

// meaning is the number that 16 bits stand for, by the definition of IEEE 754.
func meaning(bits, expBits, fracBits int) float64 {
	e, f := bits>>fracBits&(1<<expBits-1), bits&(1<<fracBits-1)
	bias := 1<<(expBits-1) - 1
	v := math.Ldexp(float64(f), 1-bias-fracBits)
	switch {
	case e == 1<<expBits-1 && f == 0:
		v = math.Inf(1)
	case e == 1<<expBits-1:
		return math.NaN()
	case e > 0:
		v = math.Ldexp(float64(1<<fracBits+f), e-bias-fracBits)
	}
	if bits>>15 == 1 {
		v = -v
	}
	return v
}
