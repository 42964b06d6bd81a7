package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// checkStream decodes ids one by one and compares with the text at once.
func checkStream(t *testing.T, tok *Tokenizer, ids []int32, text string) {
	t.Helper()
	s := tok.NewStream()
	var b strings.Builder
	for _, id := range ids {
		part := s.Push(id)
		if !utf8.ValidString(part) {
			t.Fatalf("Push gave %q", part)
		}
		b.WriteString(part)
		if got := b.String(); utf8.ValidString(text) && !strings.HasPrefix(text, got) {
			t.Fatalf("%q is not how %q begins", got, text)
		}
	}
	b.WriteString(s.Flush())
	got := b.String()
	if utf8.ValidString(text) && got != text || !utf8.ValidString(got) || s.Flush() != "" {
		t.Fatalf("streamed %q, want %q", got, text)
	}
}

// Half a character waits; what can't become one is shown as soon as that is certain, one U+FFFD
// for the longest part of a character (as the Unicode standard recommends).
func TestStream(t *testing.T) {
	tok := trained(t)
	cases := []struct{ bytes, want string }{ // a | follows every token
		{"a", "a|"},
		{"\xe4\xbd\xa0", "||你|"},
		{"\xf0\x9f\x98\x80", "|||😀|"},
		{"\xf0\x9f\x98", "|||\ufffd"},
		{"\xe4\xbda", "||\ufffda|"},
		{"\xe4a", "|\ufffda|"},
		{"\xff\xfea", "\ufffd|\ufffd|a|"},
		{"\x80b", "\ufffd|b|"},
		{"\xe4\xe4\xbd\xa0", "|\ufffd||你|"},
		{"\xed\xa0\x80", "|\ufffd\ufffd|\ufffd|"}, // a surrogate is no character
		{"\xf5\x80", "\ufffd|\ufffd|"},
		{"\xf0\x9f\x98\xf0\x9f\x98\x80", "|||\ufffd|||😀|"},
		{"\ufffd", "||\ufffd|"}, // the character itself
	}
	s := tok.NewStream()
	for _, c := range cases {
		var got strings.Builder
		for _, b := range []byte(c.bytes) {
			got.WriteString(s.Push(tok.model.(*bpe).bytes[b]) + "|")
		}
		got.WriteString(s.Flush())
		if got.String() != c.want {
			t.Errorf("% x: %q, want %q", c.bytes, got.String(), c.want)
		}
	}
	for _, text := range append(samples, mixed(t, 5, 300)) {
		checkStream(t, tok, tok.Encode(text, true), text)
	}
}
