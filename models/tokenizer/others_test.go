package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var textsFile = flag.String("texts", "", "write the texts of TestOthers to `FILE`")

// texts are what was given to other implementations: valid UTF-8, and characters of Unicode 15 alone,
// which all of them know.
func texts(t *testing.T) []string {
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == unicode.ReplacementChar || !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.C) {
				return -1
			}
			return r
		}, s)
	}
	list := []string{
		"", " ", "  ", "\n", "a", " a", "a ", "a  b", "▁", "▁▁ a▁b", "   ", "x   y", "<0x41>", "日本語テスト", "a<sep>b <sep>", "doing ing sing",
		"ﬁne\tＡ①１½ e\u0301\u3000x\u00a0\u200by", "zażółć gęślą jaźń", "Ж", "한국어 日本 한국어", "tokens\r\n\r\n\tof  code() { return 0; }",
	}
	for _, s := range samples {
		list = append(list, clean(s))
	}
	text := clean(mixed(t, 7, 3000))
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		from := r.IntN(len(text) - 2000)
		list = append(list, clean(text[from:from+r.IntN(2000)]))
	}
	return append(list, text)
}

// checksum is that of reference.mjs.
func checksum(ids []int32) string {
	var b []byte
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:16]
}

// TestOthers: the ids are those of tiktoken, of Hugging Face's tokenizers and of SentencePiece, on
// texts of many scripts, code, emoji and control characters. testdata/reference.mjs says how they were
// had. Large vocabularies, which it collects too, are tested if YOCOC_VOCABULARIES names their folder.
func TestOthers(t *testing.T) {
	list := texts(t)
	if *textsFile != "" {
		data, err := json.Marshal(list)
		if err == nil {
			err = os.WriteFile(*textsFile, data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var reference map[string][]string
	if err := json.Unmarshal(read(t, "testdata/reference.json"), &reference); err != nil {
		t.Fatal(err)
	}
	dir := os.Getenv("YOCOC_VOCABULARIES")
	for name, sums := range reference {
		t.Run(name, func(t *testing.T) {
			tok := vocabularyOf(t, name, dir)
			if tok == nil {
				t.Skip("a large vocabulary: want YOCOC_VOCABULARIES to name the folder of it")
			}
			if len(sums) != len(list) {
				t.Fatalf("%d checksums of %d texts", len(sums), len(list))
			}
			for i, text := range list {
				if ids := tok.Encode(text, true); checksum(ids) != sums[i] {
					t.Errorf("text %d, %.60q: %.200s", i, text, strings.Join(shown(tok, ids), "|"))
				}
			}
		})
	}
}

func shown(tok *Tokenizer, ids []int32) []string {
	var list []string
	for _, id := range ids {
		list = append(list, string(tok.Bytes(id)))
	}
	return list
}

// vocabularyOf loads a vocabulary that reference.mjs made, or nil if it is a large one and dir is "".
// Those in JSON are variants of one.
func vocabularyOf(t testing.TB, name, dir string) *Tokenizer {
	path := filepath.Join("testdata", name)
	if variant, ok := llamaVariants[name]; ok {
		return parsed(t, llamaEdited(t, variant))
	}
	if _, err := os.Stat(path); err != nil {
		if path = filepath.Join(dir, name); dir == "" {
			return nil
		}
	}
	tok, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

type object = map[string]any

var llamaVariants = map[string]func(file, model object){
	"metaspace.json": func(file, _ object) {
		file["normalizer"] = nil
		file["pre_tokenizer"] = object{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}
	},
	"split.json": func(file, _ object) {
		file["normalizer"] = nil
		file["pre_tokenizer"] = object{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}
	},
	"unknown.json": func(_, model object) { model["byte_fallback"] = false },
	"nfc.json": func(file, _ object) {
		n := file["normalizer"].(object)
		n["normalizers"] = slices.Insert(n["normalizers"].([]any), 0, any(object{"type": "NFC"}))
	},
}

// llamaEdited is the text of testdata/llama.json after a change.
func llamaEdited(t testing.TB, change func(file, model object)) []byte {
	var f object
	if err := json.Unmarshal(read(t, "testdata/llama.json"), &f); err != nil {
		t.Fatal(err)
	}
	change(f, f["model"].(object))
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
