package tokenizer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func read(t testing.TB, file string) []byte {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// trained is a tokenizer of 4,096 tokens with a GPT-2 pattern.
func trained(t testing.TB) *Tokenizer {
	tok, err := Load("testdata/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// edited is the text of the trained tokenizer after a change.
func edited(t testing.TB, change func(file, model map[string]any)) []byte {
	var f map[string]any
	if err := json.Unmarshal(read(t, "testdata/tokenizer.json"), &f); err != nil {
		t.Fatal(err)
	}
	change(f, f["model"].(map[string]any))
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parsed(t testing.TB, data []byte) *Tokenizer {
	tok, err := Parse("t.json", data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// splitBy is a change: the pattern in front of ByteLevel.
func splitBy(pattern string) func(file, model map[string]any) {
	return func(file, _ map[string]any) {
		file["pre_tokenizer"] = map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "pattern": map[string]any{"Regex": pattern}, "behavior": "Isolated", "invert": false},
			map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
		}}
	}
}

// The vectors are what the tokenizers library gives.
func TestVectors(t *testing.T) {
	tok := trained(t)
	var vectors []struct {
		Text string
		IDs  []int32
	}
	if err := json.Unmarshal(read(t, "testdata/vectors.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if ids := tok.Encode(v.Text, true); !slices.Equal(ids, v.IDs) {
			t.Errorf("%q: %v, want %v", v.Text, ids, v.IDs)
		}
		if text := tok.Decode(v.IDs); text != v.Text {
			t.Errorf("decoded %q, want %q", text, v.Text)
		}
	}
	text := string(read(t, "testdata/heldout.txt"))
	ids := tok.Encode(text, false)
	if len(ids) != 13344 || tok.Decode(ids) != text {
		t.Errorf("heldout.txt: %d tokens, want 13344; the same text: %v", len(ids), tok.Decode(ids) == text)
	}
	if tok.Vocab() != 4096 {
		t.Errorf("Vocab is %d, want 4096", tok.Vocab())
	}
}

var samples = []string{
	"It's HE'S they'll THEY'LL I'd we'Ve 'ſ ſ's x'y '' 'r 'l '\u017fab x'\u017fab 's't'res",
	"  a\n\n\"b\" \n \n\tc\r\n\r\n d  \u00a0\u2003e\u0085\u2028f   \n", "\t\t{\n\t\treturn x[i] += 0x1F; // ok\n\t}\n",
	"1 22 333 4444 55555 3.14159 １２３ ⅷ ½ ²³ १२३४", "func (m *matcher) parts(s string) iter.Seq2[string, int32] {}",
	"Ünïcödé naïve ﬁ ǅungla ǅ ʰʷ İstanbul ΣΊΣΥΦΟΣ Привет МИР ёлка", "שָׁלוֹם עולם مرحبا بالعالم", "नमस्ते दुनिया ก็ทำได้",
	"你好，世界。これはテストです 한국어 조선말 字ABC字abcDEF", "😀👩‍👩‍👧‍👦🇩🇪 e\u0301\u0301X \u0301a \u0301A ☃️", "a\x00b\x01\x7f\u200b\u200d\ufeffc",
	"camelCaseHTTPServer XMLHttp aB Ab AB aBC iPhone's IPHONE'S", "https://a.b/c?d=e&f=%20#g//h/\n/i", "\xff\xfe a\xc3 \xe4\xbdz \xf0\x9f\x98", "'''' ''s --- ... !!! ???\n\n\n!",
}

// mixed is a text of the samples, of prose and of random characters, n pieces of them.
func mixed(t testing.TB, seed uint64, n int) string {
	prose := string(read(t, "testdata/heldout.txt"))
	r := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	for range n {
		switch r.IntN(4) {
		case 0:
			s := samples[r.IntN(len(samples))]
			i := r.IntN(len(s))
			b.WriteString(s[i : i+r.IntN(len(s)-i)+1])
		case 1:
			i := r.IntN(len(prose) - 200)
			b.WriteString(prose[i : i+r.IntN(200)])
		case 2:
			for range r.IntN(12) {
				b.WriteByte(" \n\r\t'sSlLdaB1/.,!"[r.IntN(17)])
			}
		default:
			for range r.IntN(6) {
				b.WriteRune(rune(r.IntN(0x3000)) << r.IntN(4))
			}
		}
	}
	return b.String()
}

// Our own against the plain definition: every pattern, several scripts, code, emoji, control
// characters, invalid bytes; whole, and in small parts, where the ends of a text fall elsewhere.
func TestReference(t *testing.T) {
	for pattern, p := range patterns {
		data := edited(t, splitBy(pattern))
		tok, ref := parsed(t, data), newReference(t, data, pattern)
		if tok.split != p {
			t.Fatalf("pattern %d was read as %d", p, tok.split)
		}
		text := mixed(t, 1, 3000)
		for _, part := range append(slices.Clone(samples), text) {
			compare(t, tok, ref, part)
		}
		r := rand.New(rand.NewPCG(2, uint64(p)))
		for range 3000 {
			i := r.IntN(len(text) - 40)
			compare(t, tok, ref, text[i:i+r.IntN(40)])
		}
	}
	data := edited(t, func(file, _ map[string]any) { file["pre_tokenizer"].(map[string]any)["add_prefix_space"] = true })
	for pattern, p := range patterns {
		if p == gpt2 {
			for _, s := range samples {
				compare(t, parsed(t, data), newReference(t, data, pattern), s)
			}
		}
	}
}

func compare(t *testing.T, tok *Tokenizer, ref *reference, text string) {
	t.Helper()
	var pieces []string
	for s := text; s != ""; {
		n := tok.split.next(s)
		pieces, s = append(pieces, s[:n]), s[n:]
	}
	if want := ref.pieces(text); !slices.Equal(pieces, want) {
		for i := range min(len(pieces), len(want)) {
			if pieces[i] != want[i] {
				t.Fatalf("pattern %d, piece %d: %q, want %q", tok.split, i, pieces[i], want[i])
			}
		}
		t.Fatalf("pattern %d: %d pieces of %q, want %d", tok.split, len(pieces), text, len(want))
	}
	ids := tok.Encode(text, false)
	if want := ref.encode(text); !slices.Equal(ids, want) {
		t.Fatalf("pattern %d, %.200q: other ids than the reference", tok.split, text)
	}
	if got := tok.Decode(ids); got != text && !tok.prefix {
		t.Fatalf("pattern %d, %.200q: decoded %.200q", tok.split, text, got)
	}
}

// BPE alone, on long pieces, where the order of merges matters most.
func TestReferenceLongPieces(t *testing.T) {
	data := edited(t, func(file, _ map[string]any) { file["pre_tokenizer"].(map[string]any)["use_regex"] = false })
	tok := parsed(t, data)
	for seed := range uint64(5) {
		compare(t, tok, newReference(t, data, `[\s\S]+`), mixed(t, seed, 12))
	}
	for _, s := range []string{"aaaaaaaaaaaaaaaaa", "ababababab", strings.Repeat("nana", 50)} {
		compare(t, tok, newReference(t, data, `[\s\S]+`), s)
	}
}

// Merges as pairs and whole pieces looked up first.
func TestModelForms(t *testing.T) {
	text := mixed(t, 3, 500)
	pairs := edited(t, func(_, model map[string]any) {
		var list []any
		for _, m := range model["merges"].([]any) {
			a, b, _ := strings.Cut(m.(string), " ")
			list = append(list, []any{a, b})
		}
		model["merges"] = list
	})
	if !slices.Equal(parsed(t, pairs).Encode(text, true), trained(t).Encode(text, true)) {
		t.Error("merges as pairs give other ids")
	}

	// Without merges a piece is its bytes, unless it may be a token as a whole.
	bare := parsed(t, edited(t, func(file, model map[string]any) {
		file["pre_tokenizer"].(map[string]any)["use_regex"] = false
		model["merges"], model["ignore_merges"] = []any{}, true
	}))
	for text, want := range map[string]string{
		" the":          "[ the]",
		"zq":            "[z q]",
		"<|endoftext|>": "[< | e n d o f t e x t | >]",
	} {
		if got := show(bare, bare.Encode(text, false)); got != want {
			t.Errorf("ignore_merges, %q: %s, want %s", text, got, want)
		}
	}
}

// show prints the texts of tokens.
func show(tok *Tokenizer, ids []int32) string {
	var texts []string
	for _, id := range ids {
		texts = append(texts, string(tok.Bytes(id)))
	}
	return fmt.Sprint(texts)
}

// A word of a megabyte takes a moment, not hours; nor do other texts that a careless splitter
// looks at again and again.
func TestLong(t *testing.T) {
	for pattern := range patterns {
		tok := parsed(t, edited(t, splitBy(pattern)))
		for _, unit := range []string{"a", "etaoin", " ", "\n ", "'", "字A", "A", "\u0301", "<|endoftext|", "1", "\xf0\x9f"} {
			text := strings.Repeat(unit, 1<<17/len(unit))
			if tok.Decode(tok.Encode(text, true)) != text {
				t.Errorf("%q, again and again: another text came back", unit)
			}
		}
	}
}

func TestConcurrent(t *testing.T) {
	tok, text := trained(t), mixed(t, 4, 200)
	want := tok.Encode(text, true)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				if !slices.Equal(tok.Encode(text, true), want) {
					t.Error("other ids")
				}
			}
		})
	}
	all.Wait()
}

// An unknown id is no text, and can't hurt.
func TestUnknownIDs(t *testing.T) {
	tok := trained(t)
	if s := tok.Decode([]int32{-1, 4096, 1 << 30, 34}); s != "B" {
		t.Errorf("%q, want %q", s, "B")
	}
}

func BenchmarkEncode(b *testing.B) {
	prose := string(read(b, "testdata/heldout.txt"))
	for name, text := range map[string]string{
		"prose": strings.Repeat(prose, 20), "prompt": prose[:500], "mixed": mixed(b, 1, 10000), "word": strings.Repeat("etaoin", 1<<20/6),
	} {
		b.Run(name, func(b *testing.B) {
			tok := trained(b)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text, true)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		trained(b)
	}
}
