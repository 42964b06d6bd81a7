package tokenizer

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// byteRanks is a .tiktoken file of the bytes, in order, and of some longer tokens.
func byteRanks(more ...string) []byte {
	var b bytes.Buffer
	for c := range 256 {
		fmt.Fprintln(&b, base64.StdEncoding.EncodeToString([]byte{byte(c)}), c)
	}
	for i, m := range more {
		fmt.Fprintln(&b, base64.StdEncoding.EncodeToString([]byte(m)), 256+i)
	}
	return b.Bytes()
}

// TestTiktoken: the lowest rank is merged first, whatever the halves; a whole piece that is a token is
// that token.
func TestTiktoken(t *testing.T) {
	tok, err := ParseTiktoken("t.tiktoken", byteRanks("ab", "bc", "abc", "bcd", "xyz"), false)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int32{
		"abc": {258}, "abcd": {258, 'd'}, "bcd": {259}, "zbcd": {'z', 259}, "xyz": {260}, "xyzz": {'x', 'y', 'z', 'z'}, "": {},
	} {
		if ids := tok.Encode(text, true); !slices.Equal(ids, want) {
			t.Errorf("%q: %v, want %v", text, ids, want)
		}
	}
	if _, ok := tok.EOS(); ok || tok.Vocab() != 261 {
		t.Errorf("%d tokens, and an end token", tok.Vocab())
	}
}

// TestTiktokenUnilm: microsoft/unilm's ids are four above, and the end token is </s>.
func TestTiktokenUnilm(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "t.tiktoken")
	if err := os.WriteFile(path, byteRanks("ab"), 0o666); err != nil {
		t.Fatal(err)
	}
	tok, err := LoadUnilm(dir)
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode("ab</s>c", true); !slices.Equal(ids, []int32{260, 2, 'c' + 4}) || tok.Decode(ids) != "ab</s>c" {
		t.Errorf("%v, %q", ids, tok.Decode(ids))
	}
	if end, _ := tok.EOS(); end != 2 || tok.Vocab() != 261 {
		t.Errorf("the end is %d of %d", end, tok.Vocab())
	}
	// cl100k_base has 100,256 ranks; these are others.
	more := make([]string, 100000)
	for i := range more {
		more[i] = fmt.Sprintf("~%d~", i)
	}
	if tok, err = ParseTiktoken(path, byteRanks(more...), true); err != nil {
		t.Fatal(err)
	}
	if tok.Vocab() != 100286 { // padded to a multiple of 8 it is 100,288
		t.Errorf("%d tokens", tok.Vocab())
	}
	for text, want := range map[string]int32{
		"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<|endoftext|>": 100261, "<|fim_suffix|>": 100264, "<fim_prefix>": 100268, "<commit_after>": 100285,
		"<|endofprompt|>": 100280, "<jupyter_code>": 100280,
	} {
		if ids := tok.Encode(text, true); !slices.Equal(ids, []int32{want}) {
			t.Errorf("%q: %v, want %d", text, ids, want)
		}
		if ids := tok.Encode(text, false); len(ids) == 1 && text[0] == '<' {
			t.Errorf("%q is %v where special tokens are not wanted", text, ids)
		}
	}
}

func TestTiktokenErrors(t *testing.T) {
	whole := string(byteRanks())
	for text, want := range map[string]string{
		"":                       "there is no token for the byte 0x00, so text would be lost",
		"hello":                  `t.tiktoken:1: "hello": want a token in base64 and its rank`,
		whole + "QUI= x":         `t.tiktoken:257: "QUI= x": want a token in base64 and its rank`,
		whole + "QUI= 5\n":       `t.tiktoken:257: "\x05" and "AB" both have rank 5`,
		whole + "QQ== 256\n":     `t.tiktoken:257: "A" is there twice`,
		whole + "QUI= 4194304\n": "t.tiktoken:257: rank 4194304 is not in 0…4194303",
		whole + " 256\n":         `t.tiktoken:257: " 256": want a token in base64 and its rank`,
		whole + strings.Repeat("QUJD", 200) + " 256": "t.tiktoken:257: the token is longer than 512 bytes",
	} {
		if _, err := ParseTiktoken("t.tiktoken", []byte(text), false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// message writes protobuf fields.
func varintField(n int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(n)<<3), v)
}

func bytesField(n int, parts ...[]byte) []byte {
	data := slices.Concat(parts...)
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(n)<<3|2), uint64(len(data))), data...)
}

func pieceField(text string, score float32, kind uint64) []byte {
	b := append(bytesField(1, []byte(text)), 2<<3|5)
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(score))
	return bytesField(1, b, varintField(3, kind))
}

func TestSentencePieceErrors(t *testing.T) {
	bpe := bytesField(2, varintField(3, 2))
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "this is no SentencePiece model: it has no pieces"},
		{[]byte("hello"), "this is no SentencePiece model: byte "},
		{[]byte{10, 200, 1}, "this is no SentencePiece model: byte 3: 200 bytes are wanted, and 0 are left"},
		{pieceField("a", 0, 1), "there is neither byte_fallback nor an unknown piece"},
		{slices.Concat(pieceField("a", 0, 1), pieceField("a", 0, 1)), `piece 1: "a" is empty or there twice`},
		{slices.Concat(pieceField("a", 0, 2), pieceField("b", 0, 9)), `piece 1: "b" is of kind 9, which is not supported`},
		{slices.Concat(pieceField("a", 0, 2), pieceField("b", 0, 5), bpe), `piece 1: "b" is left out of the vocabulary`},
		{slices.Concat(pieceField("a", 0, 2), pieceField("b", 0, 6), bpe), `piece 1: "b" is no byte`},
		{slices.Concat(pieceField("a", 0, 2), bytesField(2, varintField(3, 3))), "the model is of kind 3: want 1 (unigram) or 2 (BPE)"},
		{slices.Concat(pieceField("a", 0, 2), bytesField(2, varintField(35, 1))), "0 of 256 bytes are pieces: byte_fallback needs all"},
		{slices.Concat(pieceField("a", float32(math.NaN()), 2)), "want at most 512 and a number"},
		{slices.Concat(pieceField("a", 0, 2), bytesField(3, bytesField(2, []byte("abcde")))), "precompiled_charsmap has a trie of"},
	} {
		if _, err := ParseSentencePiece("m.model", c.data); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "m.model: ") {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestPieces: what SentencePiece's tokenizers do at the edges.
func TestPieces(t *testing.T) {
	llama := parsed(t, read(t, "testdata/llama.json"))
	for _, text := range append(slices.Clone(samples), "", " ", "  two", "\xff\xfe", "a\xe4\xbd") {
		ids := llama.Encode(text, false)
		if got := llama.Decode(ids); got != strings.ReplaceAll(text, space1, " ") {
			t.Errorf("%q became %q", text, got)
		}
	}
	if ids := llama.Encode("</s>", true); !slices.Equal(ids, []int32{2}) {
		t.Errorf("</s> is %v", ids)
	}
	if ids := llama.Encode("</s>", false); slices.Contains(ids, 2) {
		t.Errorf("</s> is %v where special tokens are not wanted", ids)
	}
	if end, ok := llama.EOS(); !ok || end != 2 {
		t.Errorf("the end is %d, %v", end, ok)
	}
	if got := string(llama.Bytes(13)); got != "\n" {
		t.Errorf("<0x0A> is %q", got)
	}
	s := llama.NewStream()
	if got := s.Push(llama.Encode("a", false)[0]); got != " a" {
		t.Errorf("a stream gives %q, want the space kept", got)
	}
	for _, file := range []string{"bpe.model", "bpe-user.model", "unigram.model"} {
		tok := vocabularyOf(t, file, "")
		if end, ok := tok.EOS(); !ok || end != 2 {
			t.Errorf("%s: the end is %d, %v", file, end, ok)
		}
		if ids := tok.Encode("ab</s>", true); ids[len(ids)-1] != 2 {
			t.Errorf("%s: </s> is %v", file, ids)
		}
	}
}

// TestUnsupportedPieces: what would change ids is refused by name.
func TestUnsupportedPieces(t *testing.T) {
	for want, change := range map[string]func(file, model object){
		`model.vocab: there is no <0x0A>, which byte_fallback needs`: func(_, m object) { delete(m["vocab"].(object), "<0x0A>") },
		`model: there is neither byte_fallback nor unk_token`:        func(_, m object) { m["byte_fallback"], m["unk_token"] = false, nil },
		`model.unk_token: "<none>" is not in model.vocab`:            func(_, m object) { m["unk_token"] = "<none>" },
		`normalizer[1]: Replace without pattern.String`: func(f, _ object) {
			f["normalizer"].(object)["normalizers"].([]any)[1].(object)["pattern"] = object{"Regex": "x"}
		},
		`decoder[0]: Replace is supported for "▁" by a space alone`: func(f, _ object) {
			f["decoder"].(object)["decoders"].([]any)[0].(object)["content"] = "x"
		},
		`decoder[3]: Strip is supported for one space in front alone`: func(f, _ object) {
			f["decoder"].(object)["decoders"].([]any)[3].(object)["stop"] = 1
		},
		`pre_tokenizer: "Whitespace" is not supported`: func(f, _ object) { f["pre_tokenizer"] = object{"type": "Whitespace"} },
		`pre_tokenizer: Metaspace.prepend_scheme: "odd" is not supported`: func(f, _ object) {
			f["pre_tokenizer"] = object{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "odd"}
		},
	} {
		if _, err := Parse("t.json", llamaEdited(t, change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzTiktoken(f *testing.F) {
	whole := byteRanks("ab", "abc")
	f.Add(whole, true)
	f.Add(whole[:100], false)
	f.Add([]byte("QQ== 0\n"), false)
	f.Fuzz(func(t *testing.T, data []byte, unilm bool) {
		if tok, err := ParseTiktoken("t.tiktoken", data, unilm); err == nil {
			sane(t, tok)
		}
		for i := range 10 { // changes of a file that is whole
			if len(data) > i {
				changed := bytes.Clone(whole)
				changed[(int(data[i])*37+i)%len(changed)] ^= 1 << (i % 8)
				if tok, err := ParseTiktoken("t.tiktoken", changed, unilm); err == nil {
					sane(t, tok)
				}
			}
		}
	})
}

func FuzzSentencePiece(f *testing.F) {
	for _, name := range []string{"bpe-unknown.model", "unigram-unknown.model"} {
		f.Add(read(f, "testdata/"+name))
	}
	small := slices.Concat(pieceField("<unk>", 0, 2), pieceField("a", -1, 1), pieceField("ab", -2, 1), pieceField("▁", -3, 4))
	f.Add(small)
	f.Add(append(small, bytesField(2, varintField(3, 2))...))
	f.Add(append(small, bytesField(3, bytesField(2, []byte("\x04\x00\x00\x00\x00\x04\x00\x00a\x00")))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if tok, err := ParseSentencePiece("m.model", data); err == nil {
			sane(t, tok)
		}
	})
}

// sane demands ids that exist, and that text comes back as UTF-8.
func sane(t *testing.T, tok *Tokenizer) {
	for _, text := range []string{"ab abc  a\xff\n</s><unk>", "", "▁", "日本 é"} {
		for _, special := range []bool{false, true} {
			ids := tok.Encode(text, special)
			for _, id := range ids {
				if id < 0 || int(id) >= tok.Vocab() {
					t.Fatalf("id %d of %d", id, tok.Vocab())
				}
			}
			tok.Decode(ids)
		}
	}
}

func BenchmarkFormats(b *testing.B) {
	text := strings.Repeat(string(read(b, "testdata/heldout.txt")), 10)
	for _, name := range []string{"small.tiktoken", "llama.json", "nfc.json", "bpe.model", "unigram.model"} {
		b.Run(name, func(b *testing.B) {
			tok := vocabularyOf(b, name, "")
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text, true)
			}
		})
	}
}
