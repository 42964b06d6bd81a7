package checkpoint

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/yococ/yococ/models"
)

// small is a valid file of three tensors.
func small() []byte {
	return encode([]array{
		{"model.embeddings.weight", "BF16", []int{2, 3}, make([]byte, 12)},
		{"e", "F32", []int{0}, nil},
		{"model.norm.weight", "F32", []int{3}, make([]byte, 12)},
	})
}

// FuzzHeader: no file makes the reader panic, and the tensors that it accepts cover the data.
// Seeds are a valid file, cut off everywhere and with bits flipped.
func FuzzHeader(f *testing.F) {
	file := small()
	for i := range file {
		f.Add(file[:i])
		if i%3 == 0 {
			b := bytes.Clone(file)
			b[i] ^= 1 << (i % 8)
			f.Add(b)
		}
	}
	f.Add(file)
	f.Add([]byte("0\x00\x00\x00\x00\x00\x00\x00{\"000000\":\"000\\n000000000000000000000000000\"0000")) // a line break in a message
	f.Fuzz(func(t *testing.T, data []byte) {
		ts, err := parse("m.safetensors", data)
		if err != nil {
			var fe *FormatError
			if !errors.As(err, &fe) || fe.File == "" || fe.Offset < 0 || fe.Offset > int64(len(data))+8 || strings.ContainsAny(fe.Error(), "\n\x1b") {
				t.Fatalf("not a good error: %#v", err)
			}
			return
		}
		bytes, names := 0, map[string]bool{}
		for _, x := range ts {
			n := x.DType.Size()
			for _, d := range x.Shape {
				n *= d
			}
			if n != len(x.Data) || names[x.Name] {
				t.Fatalf("%s %v %s has %d bytes", x.Name, x.Shape, x.DType, len(x.Data))
			}
			if x.DType.IsWeight() || x.DType == F64 {
				x.Float64s()
			}
			names[x.Name] = true
			bytes += n
		}
		if bytes > len(data) {
			t.Fatalf("%d bytes of tensors in a file of %d", bytes, len(data))
		}
	})
}

// FuzzIndex: no index makes the reader panic or leave its folder.
func FuzzIndex(f *testing.F) {
	index := `{"metadata":{"total_size":12},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"2.safetensors"}}`
	for i := range index {
		f.Add([]byte(index[:i]))
		b := []byte(index)
		b[i] ^= 1 << (i % 7)
		f.Add(b)
	}
	for _, s := range []string{"../x.safetensors", "/x.safetensors", `..\\x.safetensors`, "x\u0000.safetensors", "C:x.safetensors"} {
		f.Add([]byte(`{"weight_map":{"a":"` + s + `"}}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := parseIndex("index.json", text)
		if err != nil {
			return
		}
		for _, r := range rows {
			if r.shard == "" || strings.ContainsAny(r.shard, "/\\") || r.at < 0 || r.at >= int64(len(text)) {
				t.Fatalf("accepted %+v", r)
			}
		}
	})
}

// FuzzConfig: no description makes Import's readers panic, errors have their place, and what is
// accepted is a valid spec that can be written and read.
func FuzzConfig(f *testing.F) {
	for _, name := range []string{"testdata/import_unilm", "testdata/import_fla", "testdata/import_hf"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\n\n") {
			if _, in, ok := strings.Cut(part, "json"); ok {
				_, in, _ = strings.Cut(in, "\n")
				in, _, _ = strings.Cut(in, "\n----")
				f.Add([]byte(in), !strings.Contains(name, "unilm"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, isJSON bool) {
		read := unilmSpec
		if isJSON {
			read = jsonSpec
		}
		s, _, err := parseConfig("c.json", text, read, nil)
		if err != nil {
			var es models.Errors
			if !errors.As(err, &es) || len(es) == 0 || es[0].Line < 1 || es[0].Col < 1 {
				t.Fatalf("not a good error: %#v", err)
			}
			return
		}
		again, err := models.Parse("m.yaml", s.Marshal())
		if err != nil || !s.Equal(again) {
			t.Fatalf("%v\n%s", err, s.Marshal())
		}
	})
}
