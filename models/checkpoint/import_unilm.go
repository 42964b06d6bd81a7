package checkpoint

import (
	"slices"

	"github.com/yococ/yococ/models"
)

// unilmKeys are the fields of YOCOArgs in microsoft/unilm. The Python is YOCOArgs(**params): it
// refuses any other key, and so do we.
var unilmKeys = []string{
	"dim", "n_layers", "hidden_dim", "n_self_heads", "n_attn_heads", "n_attn_kv_heads", "vocab_size",
	"max_batch_size", "max_seq_len", "model_parallel_size", "load_checkpoint", "rope_theta", "norm_eps", "sliding_window",
}

// unilmSpec reads a params.json: one theta, one eps, n_layers/2 layers in either half.
func unilmSpec(c *config, s *models.Spec, f *Files) {
	r := c.root
	for _, m := range r.value.members {
		if !slices.Contains(unilmKeys, m.key) {
			c.fail(m.at, cut(m.key), "is an unknown key%s", hint(m.key, unilmKeys))
		}
	}
	for _, key := range []string{"max_batch_size", "model_parallel_size"} { // how it was run, not what it is
		r.integer(key, 0)
	}
	r.boolean("load_checkpoint", false)

	s.Vocab = r.integer("vocab_size", nil)
	s.Dim = r.integer("dim", nil)
	s.Context = 2048
	if n := r.integer("max_seq_len", -1); n > 0 {
		s.Context = n
	}
	c.from("context", r, "max_seq_len")
	s.NormEps = r.float("norm_eps", 1e-5)
	theta := r.float("rope_theta", 10000.0)
	rope := models.Rope{Theta: theta, Freq: models.FreqYOCO, Pairing: models.Interleaved}

	layers := r.integer("n_layers", nil)
	if layers%2 != 0 {
		c.note("n_layers is %d: as in the original, each half has %d layers and the odd one is dropped", layers, layers/2)
	}
	hidden := r.integer("hidden_dim", nil)
	heads := r.integer("n_self_heads", nil)
	ffn := models.FFN{Hidden: hidden}
	if r.isNull("sliding_window") {
		s.Self = models.Equal(layers/2, &models.GatedRetention{Heads: heads, GateNormalizer: 16, Rope: rope}, ffn)
	} else {
		s.Self = models.Equal(layers/2, &models.SlidingWindow{Heads: heads, KVHeads: heads, Window: r.integer("sliding_window", nil), Rope: &rope}, ffn)
		c.from("self.mixer.window", r, "sliding_window")
	}
	s.Cross = models.Equal(layers/2, &models.CrossAttention{Heads: r.integer("n_attn_heads", nil)}, ffn)
	s.Cache = &models.Cache{KVHeads: r.integer("n_attn_kv_heads", nil), Rope: &rope}
	s.Checkpoint.Names = models.Unilm

	for path, key := range map[string]string{
		"vocab": "vocab_size", "dim": "dim", "norm_eps": "norm_eps",
		"self.layers": "n_layers", "cross.layers": "n_layers", "self.ffn.hidden": "hidden_dim", "cross.ffn.hidden": "hidden_dim",
		"self.mixer.heads": "n_self_heads", "self.mixer.kv_heads": "n_self_heads", "cross.heads": "n_attn_heads", "cache.kv_heads": "n_attn_kv_heads",
		"self.mixer.rope.theta": "rope_theta", "cache.rope.theta": "rope_theta",
	} {
		c.from(path, r, key)
	}
	if f != nil {
		s.TieEmbeddings = c.unilmTied(s, f)
	}
}

// unilmTied tells a tied head by the tensors, since params.json does not: there is none, or one
// equal to the embedding.
func (c *config) unilmTied(s *models.Spec, f *Files) bool {
	embed, ok := f.Tensor(Name(models.Unilm, s, global("embed")))
	head, both := f.Tensor(Name(models.Unilm, s, global("head")))
	switch {
	case !ok: // Bind says so
	case !both:
		c.note("there is no %s: the head is the embedding", unilm["head"])
		return true
	case Same(embed, head):
		c.note("%s equals %s: the head is the embedding", unilm["head"], unilm["embed"])
		return true
	}
	return false
}

func hint(word string, known []string) string {
	if n := models.Nearest(word, known); n != "" {
		return " (did you mean " + n + "?)"
	}
	return ""
}
