package checkpoint

import (
	"strings"

	"github.com/yococ/yococ/models"
)

func init() { modelTypes["phi4flash"] = phi4flashSpec }

// Keys of Phi-4-mini-flash's config.json: those that say what the model is …
var phi4flashKeys = strings.Fields(`model_type architectures vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads
	num_key_value_heads hidden_act max_position_embeddings layer_norm_eps tie_word_embeddings sliding_window mb_per_layer
	mamba_d_state mamba_d_conv mamba_expand mamba_dt_rank mamba_conv_bias mamba_proj_bias mlp_bias lm_head_bias`)

// … and those that change nothing about it: there are no positions, and nothing is dropped.
var phi4flashOther = strings.Fields("rope_theta rope_scaling attention_dropout embd_pdrop resid_pdrop layers_block_type")

// phi4flashSpec reads a config.json of model_type phi4flash; defaults are those of Phi4FlashConfig. Layers alternate
// between Mamba, or gated memory, and attention; see names_phi4flash.go.
func phi4flashSpec(c *config, s *models.Spec, f *Files) {
	r := c.root
	r.known(phi4flashKeys, append(phi4flashOther, notMathematics...))
	if v, ok := r.value.get("hidden_act"); ok && v.text != "silu" {
		c.fail(v.at, "hidden_act", "is %s, which is not supported: want \"silu\"", v)
	}
	for key, want := range map[string]bool{"mamba_conv_bias": true, "mamba_proj_bias": false, "mlp_bias": false, "lm_head_bias": false, "tie_word_embeddings": true} {
		if v, ok := r.value.get(key); ok && r.boolean(key, want) != want {
			c.fail(v.at, key, "is %s, which is not supported: want %v", v, want)
		}
	}
	if v, ok := r.value.get("mb_per_layer"); ok && r.integer("mb_per_layer", 2) != 2 {
		c.fail(v.at, "mb_per_layer", "is %s, which is not supported: want 2", v)
	}
	s.Vocab, s.Dim = r.integer("vocab_size", 51200), r.integer("hidden_size", 2560)
	s.Context = r.integer("max_position_embeddings", 4096)
	s.Norm, s.NormEps = models.LayerNorm, r.float("layer_norm_eps", 1e-5)
	s.TieEmbeddings, s.EmbedScale = true, models.NoScale
	s.Checkpoint.Names = models.Phi4Flash

	n := r.integer("num_hidden_layers", 32)
	if len(c.errs) == 0 && (n < 4 || n%4 != 0 || n > 1<<12) {
		c.fail(c.placeOf("num_hidden_layers"), "num_hidden_layers", "%d is not supported: want a multiple of 4, up to 4096", n)
	}
	heads, kvHeads := r.integer("num_attention_heads", 40), 4
	if v, ok := r.value.get("num_key_value_heads"); ok {
		if kvHeads = heads; v.kind != null {
			kvHeads = r.integer("num_key_value_heads", nil)
		}
	}
	window := c.phi4flashWindow(n)
	mamba := models.Mamba{Expand: r.integer("mamba_expand", 2), States: r.integer("mamba_d_state", 16), Conv: r.integer("mamba_d_conv", 4)}
	mamba.Rank = c.phi4flashRank(&mamba, s.Dim, f)
	ffn := models.FFN{Hidden: r.integer("intermediate_size", 9216)}
	if len(c.errs) > 0 {
		return
	}

	layer := func(m models.Mixer) models.Layer { return models.Layer{Mixer: m, FFN: ffn} }
	last, h := mamba, n/2
	s.Self.Blocks = []models.Block{
		{Repeat: h / 2, Layers: []models.Layer{layer(&mamba), layer(&models.SlidingWindow{
			Heads: heads, KVHeads: kvHeads, Window: window, Bias: true, OutBias: true, Differential: true,
		})}},
		{Repeat: 1, Layers: []models.Layer{layer(&last)}},
		{Repeat: 1, Layers: []models.Layer{layer(&models.Attention{
			Heads: heads, KVHeads: kvHeads, Bias: true, OutBias: true, Differential: true, Shares: true,
		})}},
	}
	if n > 4 {
		s.Cross.Blocks = []models.Block{{Repeat: h/2 - 1, Layers: []models.Layer{
			layer(&models.GatedMemory{}), layer(&models.CrossAttention{Heads: heads, Bias: true, OutBias: true, Differential: true}),
		}}}
	}
	c.phi4flashPlaces(s)
}

// placeOf is where a key of the description stands, or where it should.
func (c *config) placeOf(key string) int64 {
	if v, ok := c.root.value.get(key); ok {
		return v.at
	}
	return c.root.value.at
}

// phi4flashWindow reads sliding_window: a number, or one a layer, null where there is none.
func (c *config) phi4flashWindow(n int) int {
	const key = "sliding_window"
	v, ok := c.root.value.get(key)
	if !ok || v.kind != list {
		return c.root.integer(key, 2047)
	}
	if len(v.members) != n {
		c.fail(v.at, key, "is a list of %d: want %d, one a layer", len(v.members), n)
		return 0
	}
	window := 0
	for l, m := range v.members {
		windowed := l%2 == 1 && l < n/2
		switch item := m.value; {
		case windowed != (item.kind == number):
			c.fail(item.at, key, "of layer %d is %s: want a number in every second layer of the first half, and null elsewhere", l, item)
			return 0
		case windowed && window != 0 && item.text != v.members[1].value.text:
			c.fail(item.at, key, "of layer %d is %s: want the same in all layers", l, item)
			return 0
		case windowed:
			window = section{config: c, name: key, value: &value{kind: object, members: []member{{key: "1", value: item, at: item.at}}, at: item.at}}.integer("1", nil)
		}
	}
	return window
}

// phi4flashRank is the rank of the steps' projection: that of its tensor, with which the description has to agree.
func (c *config) phi4flashRank(m *models.Mamba, dim int, f *Files) int {
	const key = "mamba_dt_rank"
	rank := 0
	if v, ok := c.root.value.get(key); ok && v.text != "auto" && v.kind != null {
		if rank = c.root.positive(key); rank == m.StepRank(dim) {
			rank = 0 // goes without saying
		}
	}
	if f == nil {
		return rank
	}
	t, ok := f.Tensor(strings.Replace(phi4flash["self.dt"], ".L.", ".0.", 1))
	if !ok || len(t.Shape) != 2 {
		return rank // Bind says what is wrong
	}
	asked := (&models.Mamba{Rank: rank}).StepRank(dim)
	if asked != t.Shape[1] {
		c.fail(c.placeOf(key), key, "%d disagrees with tensor %s, which is %v", asked, t.Name, t.Shape)
	}
	return rank
}

// phi4flashPlaces says which key each part of the spec came from.
func (c *config) phi4flashPlaces(s *models.Spec) {
	for path, key := range map[string]string{
		"vocab": "vocab_size", "dim": "hidden_size", "norm_eps": "layer_norm_eps", "context": "max_position_embeddings", "tie_embeddings": "tie_word_embeddings",
	} {
		c.from(path, c.root, key)
	}
	keys := map[string]string{
		"heads": "num_attention_heads", "kv_heads": "num_key_value_heads", "window": "sliding_window", "expand": "mamba_expand",
		"states": "mamba_d_state", "conv": "mamba_d_conv", "rank": "mamba_dt_rank",
	}
	for _, p := range s.Places() {
		c.from(p.At+".ffn.hidden", c.root, "intermediate_size")
		var has []string
		switch p.Mixer.(type) {
		case *models.Mamba:
			has = []string{"expand", "states", "conv", "rank"}
		case *models.SlidingWindow:
			has = []string{"heads", "kv_heads", "window"}
		case *models.Attention:
			has = []string{"heads", "kv_heads"}
		case *models.CrossAttention:
			has = []string{"heads"}
		}
		for _, key := range has {
			c.from(p.Mixed+"."+key, c.root, keys[key])
		}
	}
}
