package driver

import (
	"errors"
	"math"
)

// Perplexity is how well a model predicts a text.
type Perplexity struct {
	Tokens      int     `json:"tokens"` // scored: all but the first
	Bytes       int     `json:"bytes"`  // of text that they stand for
	NLL         float64 `json:"nll"`    // their negative log-likelihood in nats, summed
	Perplexity  float64 `json:"perplexity"`
	BitsPerByte float64 `json:"bits_per_byte"`
}

// Perplexity scores a text in windows that share nothing: window i feeds the tokens [iW, iW+W)
// to an empty session and scores the tokens [iW+1, iW+W]. So every token but the first is scored
// once, and no token is put in front.
func (r *Runner) Perplexity(t *Text, text string, window int, p Progress) (*Perplexity, error) {
	tokens, err := t.scored(text)
	if err != nil {
		return nil, err
	}
	res := &Perplexity{Tokens: len(tokens) - 1, Bytes: t.Bytes(tokens[1:])}
	for from := 0; from < len(tokens)-1; from += window {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		p.tell("tokens", int64(from), int64(len(tokens)))
		to := min(from+window, len(tokens)-1)
		if err := r.Reset(); err != nil {
			return nil, err
		}
		nll, err := r.Score(tokens[from:to], tokens[from+1:to+1])
		if err != nil {
			return nil, unusable(err)
		}
		for _, x := range nll {
			res.NLL += x
		}
	}
	res.Perplexity = math.Exp(res.NLL / float64(res.Tokens))
	res.BitsPerByte = res.NLL / math.Ln2 / float64(res.Bytes)
	return res, nil
}

// scored are the tokens of a text that a model can be scored by.
func (t *Text) scored(text string) ([]int32, error) {
	if t.tok == nil {
		return nil, errors.New("scoring a text needs a tokenizer, and the spec names none")
	}
	tokens := t.tok.Encode(text, false)
	if len(tokens) < 2 {
		return nil, errors.New("the text is too short: want two tokens or more")
	}
	return tokens, nil
}
