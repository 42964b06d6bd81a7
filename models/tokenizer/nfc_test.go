package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestNFC holds every character of Unicode 15, alone and among marks and Hangul letters, by a checksum
// to results that were compared one by one with those of ICU 78 (String.prototype.normalize of
// Node.js). golang.org/x/text v0.31 differs from both: it takes U+10041 before a mark for an A.
func TestNFC(t *testing.T) {
	h := sha256.New()
	for c := rune(1); c <= unicode.MaxRune; c++ {
		if !unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z) {
			continue
		}
		for _, s := range []string{string(c), "a" + string(c) + "\u0301", string(c) + "\u0323\u0307", "\u1100" + string(c) + "\u11a8"} {
			h.Write([]byte(nfc(s)))
			h.Write([]byte{0})
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != "d210986a4a6aa05781e1cbff302fe031cdbf1ed764a7df7a643584a7c8edcee7" {
		t.Errorf("checksum %s", got)
	}
	for s, want := range map[string]string{
		"": "", "plain": "plain", "e\u0301": "é", "\u0301e": "\u0301e", "a\u0323\u0307": "ạ\u0307", "a\u0307\u0323": "ạ\u0307",
		"\u1112\u1161\u11ab\u1100\u1173\u11af": "한글", "\u212b": "Å", "e\xff\u0301\xcc": "e\xff\u0301\xcc", "\u0344": "\u0308\u0301",
		"x\u0327\u0327\u0301\u0301": "x\u0327\u0327\u0301\u0301", "\u0958": "\u0915\u093c", "日本語 e\u0301 か\u3099": "日本語 é が",
	} {
		if got := nfc(s); got != want {
			t.Errorf("%+q becomes %+q, want %+q", s, got, want)
		}
	}
}

func FuzzNFC(f *testing.F) {
	for _, s := range samples {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := nfc(s)
		if twice := nfc(once); twice != once {
			t.Fatalf("%+q becomes %+q, then %+q", s, once, twice)
		}
		if utf8.ValidString(s) && !utf8.ValidString(once) {
			t.Fatalf("%+q becomes %+q", s, once)
		}
	})
}
