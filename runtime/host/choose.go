package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	rt "github.com/yococ/yococ/runtime"
)

// choose scores what may follow: see Client.Choose.
func (s *server) choose(ctx context.Context, choices []Choice) ([]float64, error) {
	c := chooser{ctx: ctx, session: s.session}
	scores := make([]float64, len(choices))
	for i, choice := range choices {
		if len(choice.Context) == 0 || len(choice.Tokens) == 0 {
			return nil, fmt.Errorf("choose: choice %d has %d tokens behind %d: want some", i, len(choice.Tokens), len(choice.Context))
		}
		var err error
		if scores[i], err = c.score(choice); err != nil {
			return nil, err
		}
	}
	return scores, nil
}

// A chooser scores one choice after another.
type chooser struct {
	ctx     context.Context
	session *rt.Session
	holds   []int32 // the tokens of the session; nil if they are others
}

// score is the sum of the log-likelihoods of a choice's tokens. The session stays behind the context, and a fork of
// it goes on.
func (c *chooser) score(choice Choice) (float64, error) {
	if err := c.stand(choice.Context); err != nil {
		return 0, err
	}
	logits, err := c.session.Logits()
	if err != nil {
		return 0, err
	}
	target := choice.Tokens[0]
	if target < 0 || int(target) >= len(logits) {
		return 0, &rt.TokenError{Token: target, Vocab: len(logits)}
	}
	sum := rt.NLL(logits, target)
	if len(choice.Tokens) > 1 {
		nll, err := c.behind(choice.Tokens)
		if err != nil {
			return 0, err
		}
		for _, x := range nll {
			sum += x
		}
	}
	if math.IsNaN(sum) {
		return 0, fmt.Errorf("choose: %w: not a number", rt.ErrLogits)
	}
	return -sum, nil
}

// stand makes the session hold a choice's context.
func (c *chooser) stand(context []int32) error {
	if c.holds != nil && slices.Equal(c.holds, context) {
		return nil
	}
	c.holds = nil
	if err := c.session.Reset(); err != nil {
		return err
	}
	if err := c.session.Prefill(c.ctx, context); err != nil {
		return err
	}
	c.holds = context
	return nil
}

// behind adds all tokens but the last, and gives what each says of the next.
func (c *chooser) behind(tokens []int32) (nll []float64, err error) {
	f, err := c.session.Fork()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Score(c.ctx, tokens[:len(tokens)-1], tokens[1:])
}
