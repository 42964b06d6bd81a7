package host

import (
	"time"

	rt "github.com/yococ/yococ/runtime"
)

// Open maps weights and begins a session, or goes on with a saved one, in place of the one before. Every other
// method needs it.
func (c *Client) Open(r OpenRequest) (Info, error) {
	last, err := c.call(request{Do: doOpen, Open: r}, nil)
	if err != nil {
		return Info{}, err
	}
	return *last.Info, nil
}

// Reset empties the session.
func (c *Client) Reset() error {
	_, err := c.call(request{Do: doReset}, nil)
	return err
}

// Prefill adds tokens and returns how long that took. progress, which may be nil, is called now
// and then, and at the end.
func (c *Client) Prefill(tokens []int32, progress func(rt.Progress)) (time.Duration, error) {
	last, err := c.call(request{Do: doPrefill, Tokens: tokens}, func(r *reply) error {
		if progress != nil {
			progress(r.Progress)
		}
		return nil
	})
	return last.Elapsed, err
}

// Logits returns the logits after the last token.
func (c *Client) Logits() ([]float32, error) {
	last, err := c.call(request{Do: doLogits}, nil)
	if err != nil {
		return nil, err
	}
	return floats(last.Logits), nil
}

// Decode adds a token and returns the logits after it.
func (c *Client) Decode(token int32) (logits []float32, err error) {
	err = c.DecodeMany([]int32{token}, func(_ int, x []float32) error {
		logits = x
		return nil
	})
	return logits, err
}

// DecodeMany adds tokens one by one and calls each with the index and the logits after each.
func (c *Client) DecodeMany(tokens []int32, each func(i int, logits []float32) error) error {
	_, err := c.call(request{Do: doDecode, Tokens: tokens}, func(r *reply) error {
		return each(r.At, floats(r.Logits))
	})
	return err
}

// Generate adds the request's tokens and calls each for every token that follows, as it comes.
// If each returns an error, Generate ends with it. Cancel ends it without an error. The statistics
// are right in every case.
func (c *Client) Generate(r GenerateRequest, each func(token int32) error) (GenerateStats, error) {
	last, err := c.call(request{Do: doGenerate, Tokens: r.Tokens, Sampling: r.Sampling}, func(r *reply) error {
		return each(r.Token)
	})
	if last.Generate == nil {
		return GenerateStats{}, err
	}
	return *last.Generate, err
}

// Score is Session.Score.
func (c *Client) Score(tokens, targets []int32) ([]float64, error) {
	last, err := c.call(request{Do: doScore, Tokens: tokens, Targets: targets}, nil)
	if err != nil {
		return nil, err
	}
	return last.NLL, nil
}

// ScoreRows is Session.ScoreRows; each may keep the logits.
func (c *Client) ScoreRows(tokens []int32, each func(row int, logits []float32) error) error {
	_, err := c.call(request{Do: doScoreRows, Tokens: tokens}, func(r *reply) error {
		return each(r.At, floats(r.Logits))
	})
	return err
}

// Choose empties the session and returns of every choice the log-likelihood of its tokens behind its context.
// A context that several have, one after another, is added once. The session is of no use after it until it is Reset.
func (c *Client) Choose(choices []Choice) ([]float64, error) {
	last, err := c.call(request{Do: doChoose, Choices: choices}, nil)
	if err != nil {
		return nil, err
	}
	return last.NLL, nil
}

// Export is Session.Export.
func (c *Client) Export() ([]rt.Tensor, error) {
	var ts []rt.Tensor
	_, err := c.call(request{Do: doExport}, func(r *reply) error {
		ts = append(ts, rt.Tensor{Name: r.Tensor.Name, Shape: r.Tensor.Shape, Data: floats(r.Tensor.Data)})
		return nil
	})
	return ts, err
}

// Bench measures speed. The session is of no use after it until it is Reset.
func (c *Client) Bench(r BenchRequest) (BenchResult, error) {
	last, err := c.call(request{Do: doBench, Bench: r}, nil)
	if err != nil {
		return BenchResult{}, err
	}
	return *last.Bench, nil
}

// Follow measures speculation on a given text. The session holds what it did.
func (c *Client) Follow(r FollowRequest) (FollowResult, error) {
	last, err := c.call(request{Do: doFollow, Follow: r}, nil)
	if err != nil {
		return FollowResult{}, err
	}
	return *last.Follow, nil
}

// Save writes the session to a file, as Session.Save does, and returns the number of its tokens.
func (c *Client) Save(path string) (tokens int, err error) {
	last, err := c.call(request{Do: doSave, Path: path}, nil)
	return last.At, err
}

// Stats tells about the memory of the process.
func (c *Client) Stats() (Stats, error) {
	last, err := c.call(request{Do: doStats}, nil)
	if err != nil {
		return Stats{}, err
	}
	return *last.Stats, nil
}
