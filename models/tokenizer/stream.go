package tokenizer

import "unicode/utf8"

// A Stream decodes token by token into text that is always valid UTF-8: what a token holds of an
// unfinished character waits for the next. Bytes that can't become a character are shown as
// U+FFFD, one for each longest part of one.
type Stream struct {
	t    *Tokenizer
	wait []byte // the start of a character, or empty
}

// NewStream begins a text.
func (t *Tokenizer) NewStream() *Stream { return &Stream{t: t} }

// Push gives the text that is certain once id has come; it may be empty.
func (s *Stream) Push(id int32) string {
	b := append(s.wait, s.t.Bytes(id)...)
	var text []byte
	for len(b) > 0 && utf8.FullRune(b) {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			for n < len(b) && !utf8.FullRune(b[:n+1]) {
				n++
			}
			text = utf8.AppendRune(text, utf8.RuneError)
		} else {
			text = append(text, b[:n]...)
		}
		b = b[n:]
	}
	s.wait = append(s.wait[:0], b...)
	return string(text)
}

// Flush ends the text: an unfinished character becomes U+FFFD. The stream may be used again.
func (s *Stream) Flush() string {
	if len(s.wait) == 0 {
		return ""
	}
	s.wait = s.wait[:0]
	return string(utf8.RuneError)
}
