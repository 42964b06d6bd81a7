package driver

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/yococ/yococ/models"
	"github.com/yococ/yococ/models/tokenizer"
)

// A Text turns text into a model's tokens and back. Of a model without a tokenizer the text is
// the ids themselves, as decimal numbers.
type Text struct {
	tok   *tokenizer.Tokenizer // nil without one
	vocab int
}

// NewText loads the tokenizer that a spec names, if it names one.
func NewText(spec *models.Spec) (*Text, error) {
	t := &Text{vocab: spec.Vocab}
	if spec.Tokenizer == "" {
		return t, nil
	}
	load := tokenizer.Load
	if spec.Checkpoint.Names == models.Unilm {
		load = tokenizer.LoadUnilm
	}
	var err error
	if t.tok, err = load(spec.Tokenizer); err != nil {
		return nil, err
	}
	if n := t.tok.Vocab(); n > spec.Vocab {
		return nil, fmt.Errorf("%s: tokenizer %s has %d tokens, want at most vocab (%d)", spec.Pos("vocab"), spec.Tokenizer, n, spec.Vocab)
	}
	return t, nil
}

// Prompt gives the tokens of a text to continue, with those in front that the tokenizer begins a text
// with. Unless special is set, the names of special tokens are text like any other. An empty text that
// begins with nothing gives the end token, with which a text may begin.
func (t *Text) Prompt(text string, special bool) ([]int32, error) {
	if t.tok == nil {
		return t.numbers(text)
	}
	ids := t.tok.Prompt(text, special)
	if len(ids) > 0 {
		return ids, nil
	}
	if end, ok := t.tok.EOS(); ok {
		return []int32{end}, nil
	}
	return nil, errors.New("the prompt is empty, and the tokenizer has no end token to begin with")
}

// Continue gives the tokens of a text that follows others, which may be none.
func (t *Text) Continue(text string, special bool) ([]int32, error) {
	switch {
	case text == "":
		return nil, nil
	case t.tok == nil:
		return t.numbers(text)
	}
	return t.tok.Encode(text, special), nil
}

func (t *Text) numbers(text string) ([]int32, error) {
	var ids []int32
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == ',' }) {
		id, err := strconv.ParseInt(word, 10, 32)
		if err != nil || id < 0 || int(id) >= t.vocab {
			return nil, fmt.Errorf("the model has no tokenizer and %q is no token: want numbers from 0 to %d", word, t.vocab-1)
		}
		ids = append(ids, int32(id))
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("the prompt is empty, and the model has no tokenizer: want tokens from 0 to %d", t.vocab-1)
	}
	return ids, nil
}

// Ends are the tokens that end a text.
func (t *Text) Ends() []int32 {
	if t.tok != nil {
		if end, ok := t.tok.EOS(); ok {
			return []int32{end}
		}
	}
	return nil
}

// Decoder returns functions that turn tokens into text as they come. push gives what is certain,
// never half a character; flush gives the rest.
func (t *Text) Decoder() (push func(id int32) string, flush func() string) {
	if t.tok != nil {
		s := t.tok.NewStream()
		return s.Push, s.Flush
	}
	sep := ""
	return func(id int32) string {
		s := sep + strconv.Itoa(int(id))
		sep = " "
		return s
	}, func() string { return "" }
}

// Bytes is how many bytes of text the tokens stand for.
func (t *Text) Bytes(ids []int32) int {
	n := 0
	for _, id := range ids {
		n += len(t.tok.Bytes(id))
	}
	return n
}
