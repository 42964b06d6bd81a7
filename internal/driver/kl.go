package driver

import (
	"fmt"
	"math"
	"slices"

	rt "github.com/yococ/yococ/runtime"
)

// KL is how far a model's predictions over a text are from those of the same model all in float32:
// the Kullback-Leibler divergence of each token's distribution, in nats.
type KL struct {
	Tokens     int     `json:"tokens"` // scored: all but the first
	Mean       float64 `json:"kl_mean"`
	Median     float64 `json:"kl_median"`
	P99        float64 `json:"kl_p99"` // 99 of 100 tokens have at most that
	Max        float64 `json:"kl_max"`
	Top1       float64 `json:"top1_agreement"` // share of tokens where both find the same one most probable
	Reference  float64 `json:"reference_perplexity"`
	Perplexity float64 `json:"perplexity"`
	Ratio      float64 `json:"perplexity_ratio"` // of the model's to the reference's
}

// Reference are the options of the same model in float32: weights, activations and cache.
func (o Options) Reference() Options {
	o.Weights, o.Activations, o.KV, o.Uniform, o.DumpIR = "f32", "f32", "f32", true, ""
	return o
}

// KL compares r with ref, the same model of Options.Reference, over a text. Windows are those of
// Perplexity. The two run by turns, a chunk of tokens each.
func (r *Runner) KL(ref *Runner, t *Text, text string, window int, p Progress) (*KL, error) {
	tokens, err := t.scored(text)
	if err != nil {
		return nil, err
	}
	var k divergences
	for from := 0; from < len(tokens)-1; from += window {
		for _, r := range []*Runner{ref, r} {
			if err := r.Reset(); err != nil {
				return nil, err
			}
		}
		end := min(from+window, len(tokens)-1)
		for at := from; at < end; at += Chunk {
			if err := r.ctx.Err(); err != nil {
				return nil, err
			}
			p.tell("tokens", int64(at), int64(len(tokens)))
			to := min(at+Chunk, end)
			if err := k.add(ref, r, tokens[at:to], tokens[at+1:to+1]); err != nil {
				return nil, unusable(err)
			}
		}
	}
	return k.summary(), nil
}

// divergences collects what is known of every token.
type divergences struct {
	kl       []float64
	agree    int
	ref, nll float64 // negative log-likelihood, summed: of the reference, of the model
}

// add scores tokens in both models, with those that follow them as targets.
func (k *divergences) add(ref, r *Runner, tokens, targets []int32) error {
	want := make([][]float32, 0, len(tokens))
	err := ref.ScoreRows(tokens, func(_ int, logits []float32) error {
		want = append(want, logits)
		return nil
	})
	if err != nil {
		return err
	}
	return r.ScoreRows(tokens, func(row int, logits []float32) error {
		return k.row(want[row], logits, targets[row])
	})
}

// row adds one token's distributions: the reference's and the model's logits.
func (k *divergences) row(want, got []float32, target int32) error {
	p, q := normalizer(want), normalizer(got)
	if math.IsNaN(p+q) || math.IsInf(p+q, 0) {
		return fmt.Errorf("kl: token %d: %w: not a number", len(k.kl), rt.ErrLogits)
	}
	sum := 0.0
	for i, x := range want {
		logP, logQ := float64(x)-p, float64(got[i])-q
		if w := math.Exp(logP); w > 0 {
			sum += w * (logP - logQ)
		}
	}
	k.kl = append(k.kl, max(sum, 0)) // less than zero is rounding
	if top(want) == top(got) {
		k.agree++
	}
	k.ref += p - float64(want[target])
	k.nll += q - float64(got[target])
	return nil
}

// normalizer is the logarithm of the sum of exp(x).
func normalizer(x []float32) float64 {
	most := float64(slices.Max(x)) // NaN if any is
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - most)
	}
	return most + math.Log(sum)
}

// top is the index of the largest number, the first of equals.
func top[T float32 | float64](x []T) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

func (k *divergences) summary() *KL {
	slices.Sort(k.kl)
	n := float64(len(k.kl))
	sum := 0.0
	for _, x := range k.kl {
		sum += x
	}
	return &KL{
		Tokens: len(k.kl), Mean: sum / n, Median: quantile(k.kl, 0.5), P99: quantile(k.kl, 0.99), Max: k.kl[len(k.kl)-1],
		Top1: float64(k.agree) / n, Reference: math.Exp(k.ref / n), Perplexity: math.Exp(k.nll / n), Ratio: math.Exp((k.nll - k.ref) / n),
	}
}

// quantile is the smallest element that at least a share of the sorted list does not exceed.
func quantile(sorted []float64, share float64) float64 {
	return sorted[int(math.Ceil(share*float64(len(sorted))))-1]
}
