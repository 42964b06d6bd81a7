package main

import (
	"fmt"

	"github.com/yococ/yococ/models"
)

// llama is the sizes of a decoder-only Transformer.
type llama struct {
	name                               string
	vocab, dim, layers, heads, kvHeads int
	head, ffn, context                 int
	eps, theta                         float64
}

func newLlama(s *models.Spec) (llama, error) {
	var cross *models.CrossAttention
	ok := len(s.Cross.Blocks) > 0 && s.Cache != nil && s.Cache.Rope != nil
	if ok {
		cross, ok = s.Cross.Blocks[0].Layers[0].Mixer.(*models.CrossAttention)
	}
	if !ok {
		return llama{}, fmt.Errorf("%s: want a cache with positions and a cross-decoder of attention", s.File())
	}
	l := llama{
		name: s.Name, vocab: s.Vocab, dim: s.Dim, layers: s.Self.Len() + s.Cross.Len(),
		heads: cross.Heads, kvHeads: s.Cache.KVHeads, head: cross.Width(s.Dim), ffn: s.Cross.Blocks[0].Layers[0].FFN.Hidden,
		context: 1 << 20, eps: s.NormEps, theta: s.Cache.Rope.Theta,
	}
	switch {
	case l.dim%blockSize != 0 || l.ffn%blockSize != 0:
		return llama{}, fmt.Errorf("%s: dim %d, ffn.hidden %d: want multiples of %d", s.File(), l.dim, l.ffn, blockSize)
	case l.vocab < len(firstTokens()):
		return llama{}, fmt.Errorf("%s: vocab %d: want %d or more", s.File(), l.vocab, len(firstTokens()))
	}
	return l, nil
}

// tensor is one of a model's, as GGUF has it: in inputs by out outputs, inputs the inner dimension.
type tensor struct {
	name    string
	in, out int // out is 0 for a vector
}

func (t tensor) elems() int { return t.in * max(t.out, 1) }

func (l llama) tensors() []tensor {
	ts := []tensor{{"token_embd.weight", l.dim, l.vocab}}
	for i := range l.layers {
		layer := func(name string, in, out int) {
			ts = append(ts, tensor{fmt.Sprintf("blk.%d.%s.weight", i, name), in, out})
		}
		layer("attn_norm", l.dim, 0)
		layer("attn_q", l.dim, l.heads*l.head)
		layer("attn_k", l.dim, l.kvHeads*l.head)
		layer("attn_v", l.dim, l.kvHeads*l.head)
		layer("attn_output", l.heads*l.head, l.dim)
		layer("ffn_norm", l.dim, 0)
		layer("ffn_gate", l.dim, l.ffn)
		layer("ffn_up", l.dim, l.ffn)
		layer("ffn_down", l.ffn, l.dim)
	}
	return append(ts, tensor{"output_norm.weight", l.dim, 0}, tensor{"output.weight", l.dim, l.vocab})
}

// firstTokens are those that a reader of a SentencePiece vocabulary looks for: three that control, the
// bytes, and the printable characters with and without a space before them.
func firstTokens() []string {
	ts := []string{"<unk>", "<s>", "</s>"}
	for b := range 256 {
		ts = append(ts, fmt.Sprintf("<0x%02X>", b))
	}
	const space = "\u2581"
	ts = append(ts, space)
	for c := '!'; c <= '~'; c++ {
		ts = append(ts, string(c))
	}
	for c := '!'; c <= '~'; c++ {
		ts = append(ts, space+string(c))
	}
	return ts
}
