package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/yococ/yococ/runtime/kernel"
)

// Score adds tokens and returns, for each, the negative log-likelihood (natural logarithm, summed
// in float64) that the model gives to targets[i] as the token after tokens[i]. A negative target
// is not scored and has 0. If ctx ends the session stands after the last whole chunk.
func (s *Session) Score(ctx context.Context, tokens, targets []int32) ([]float64, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if len(targets) != len(tokens) {
		return nil, fmt.Errorf("score: %d targets for %d tokens", len(targets), len(tokens))
	}
	for i, t := range targets {
		if int(t) >= s.vocab {
			return nil, &TokenError{Token: t, Index: i, Vocab: s.vocab}
		}
	}
	nll := make([]float64, len(tokens))
	err := s.everyRow(ctx, tokens, func(done, row, rows int) error {
		i := done + row
		wanted := targets[i : i+rows]
		if !anyTarget(wanted) {
			return nil
		}
		s.do(context.Background(), job{do: head, row: row, rows: rows, targets: wanted, nll: nll[i : i+rows]})
		s.logits = source{computed, rows - 1}
		for j, x := range nll[i : i+rows] {
			if math.IsNaN(x) {
				return fmt.Errorf("score: token %d: %w: not a number", i+j, ErrLogits)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return nll, nil
}

func anyTarget(targets []int32) bool {
	for _, t := range targets {
		if t >= 0 {
			return true
		}
	}
	return false
}

// ScoreRows adds tokens and calls each with the index and the logits of every one of them, in
// order. The logits are valid during the call. If each returns an error ScoreRows ends with it,
// after the chunk that the token is in. A nil each is an error.
func (s *Session) ScoreRows(ctx context.Context, tokens []int32, each func(row int, logits []float32) error) error {
	if each == nil {
		return errors.New("score: there is nothing to call with the rows")
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.everyRow(ctx, tokens, func(done, row, rows int) error {
		s.do(context.Background(), job{do: head, row: row, rows: rows})
		for i := range rows {
			if err := each(done+row+i, s.engine.Logits().Row(i, s.vocab)); err != nil {
				return err
			}
		}
		s.logits = source{computed, rows - 1}
		return nil
	})
}

// everyRow adds tokens with every stage but the head for all of them and calls visit for groups
// of rows that one head can compute: chunk rows row..row+rows-1, of tokens done+row and on.
func (s *Session) everyRow(ctx context.Context, tokens []int32, visit func(done, row, rows int) error) error {
	if err := s.admit(tokens); err != nil {
		return err
	}
	for done := 0; done < len(tokens); {
		n := min(s.options.Chunk, len(tokens)-done)
		if err := s.add(ctx, score, tokens[done:][:n]); err != nil {
			return err
		}
		for row := 0; row < n; row += s.model.info.HeadRows {
			s.logits = source{needHead, n - 1} // until visit has computed the last row
			if err := visit(done, row, min(s.model.info.HeadRows, n-row)); err != nil {
				s.logits = source{needHead, n - 1}
				return err
			}
		}
		done += n
	}
	return nil
}

// losses computes the worker's share of j.nll from the logits of the rows.
func (s *Session) losses(w *kernel.Worker, j *job) {
	for i := range w.Turns(j.rows) {
		if t := j.targets[i]; t >= 0 {
			j.nll[i] = NLL(s.engine.Logits().Row(i, s.vocab), t)
		}
	}
}

// NLL is the negative log-likelihood of a token in nats, -log softmax(logits)[target], with Score's arithmetic. There
// are logits, and target is the index of one.
func NLL(logits []float32, target int32) float64 {
	top := logits[0]
	for _, x := range logits {
		top = max(top, x) // NaN if any is
	}
	sum := 0.0
	for _, x := range logits {
		sum += exp(float64(x) - float64(top))
	}
	return math.Log(sum) + float64(top) - float64(logits[target])
}
